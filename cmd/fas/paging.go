package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// defaultListLimit is how much is listed unless told otherwise: more than fits on
// a screen.
const defaultListLimit = 100

// limitFlag adds --limit to a command that lists.
func limitFlag(cmd *cobra.Command, limit *int, what string) {
	cmd.Flags().IntVar(limit, "limit", defaultListLimit, "`N` "+what+" at most, 0 for all")
	_ = cmd.RegisterFlagCompletionFunc("limit", cobra.NoFileCompletions)
}

func checkLimit(limit int) error {
	if limit < 0 {
		return usagef("give a number, or 0 for all", "the --limit %d is negative", limit)
	}
	return nil
}

// pages prints what is listed page by page: as JSON, as ids, or as a table.
type pages[T any] struct {
	*app
	asJSON, quiet bool
	id            func(T) string
	table         func([]T) error

	array jsonArray
	count int
}

func (p *pages[T]) page(list []T) error {
	p.count += len(list)
	p.array.out = p.stdout
	if !p.asJSON && !p.quiet {
		return p.table(list)
	}
	for _, one := range list {
		var err error
		if p.asJSON {
			err = p.array.add(one)
		} else {
			_, err = fmt.Fprintln(p.stdout, p.id(one))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end is told whether there is more, and what to say to a terminal if there is
// nothing.
func (p *pages[T]) end(more bool, limit int, nothing string) error {
	p.array.out = p.stdout
	if p.asJSON {
		if err := p.array.end(); err != nil {
			return err
		}
		fmt.Fprintln(p.stdout)
	}
	switch {
	case more:
		fmt.Fprintf(p.stderr, "there are more than these %d: --limit N shows N of them, --limit 0 all\n", limit)
	case p.count == 0 && !p.asJSON && !p.quiet && isTerminal(p.stdout):
		fmt.Fprintln(p.stderr, nothing)
	}
	return nil
}
