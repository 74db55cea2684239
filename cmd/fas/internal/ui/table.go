package ui

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// table shows what is listed, a page at a time: as a table to people, and to
// programs as lines of fields with tabs between them.
type Table[T any] struct {
	Out       io.Writer
	ForPeople bool
	Heading   string                          // fields with tabs between them
	Row       func(one T, people bool) string // likewise

	begun bool
}

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
