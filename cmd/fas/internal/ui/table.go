package ui

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Table prints a list page by page: for people as an aligned table, and for programs as lines of
// tab-separated fields.
type Table[T any] struct {
	Out       io.Writer
	ForPeople bool
	Heading   string                          // tab-separated fields
	Row       func(one T, people bool) string // returns tab-separated fields

	begun bool
}

// Write prints a page. The heading comes before the first row, for people only.
func (t *Table[T]) Write(list []T) error {
	aligned := tabwriter.NewWriter(t.Out, 0, 0, 2, ' ', 0)
	w := t.Out
	if t.ForPeople {
		w = aligned
		if !t.begun && len(list) > 0 {
			fmt.Fprintln(w, t.Heading)
			t.begun = true
		}
	}
	for _, one := range list {
		if _, err := fmt.Fprintln(w, t.Row(one, t.ForPeople)); err != nil {
			return err
		}
	}
	return aligned.Flush()
}
