package main

import (
	"github.com/spf13/cobra"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
)

// defaultListLimit is the number of entries that are listed without --limit: more than fit on a
// screen.
const defaultListLimit = 100

// listFlags are the flags of commands that list.
type listFlags struct {
	asJSON, idsOnly bool
	limit           int // 0: all
}

// add adds --json and --quiet; what names the ids that --quiet prints.
func (l *listFlags) add(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&l.asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&l.idsOnly, "quiet", "q", false, "print only "+what)
}

// addLimit adds --limit; what names the entries.
func (l *listFlags) addLimit(cmd *cobra.Command, what string) {
	cmd.Flags().IntVar(&l.limit, "limit", defaultListLimit, "list at most `N` "+what+", 0 for all")
}

func (l *listFlags) check(cmd *cobra.Command) error {
	if l.limit < 0 {
		return clierror.Usagef("give a number, or 0 for all", "the --limit %d is negative", l.limit)
	}
	return exclusive(cmd, "json", "quiet")
}

// newPages returns the printer of a list; id returns the id of an item.
func newPages[T any](a *app, l *listFlags, table *ui.Table[T], id func(T) string) *ui.Pages[T] {
	return &ui.Pages[T]{Terminal: &a.Terminal, AsJSON: l.asJSON, IDsOnly: l.idsOnly, ID: id, Table: table}
}

// printList prints a list that is complete. On a terminal an empty list is the message nothing.
func printList[T any](a *app, l *listFlags, list []T, table *ui.Table[T], id func(T) string, nothing string) error {
	pages := newPages(a, l, table, id)
	if err := pages.Page(list); err != nil {
		return err
	}
	return pages.End(false, 0, nothing)
}
