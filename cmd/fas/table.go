package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// table shows what is listed, a page at a time: as a table to people, and to
// programs as lines of fields with tabs between them.
type table[T any] struct {
	out     io.Writer
	people  bool
	heading string                          // fields with tabs between them
	row     func(one T, people bool) string // likewise

	begun bool
}

func (t *table[T]) write(list []T) error {
	aligned := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	w := t.out
	if t.people {
		w = aligned
		if !t.begun && len(list) > 0 {
			fmt.Fprintln(w, t.heading)
			t.begun = true
		}
	}
	for _, one := range list {
		if _, err := fmt.Fprintln(w, t.row(one, t.people)); err != nil {
			return err
		}
	}
	return aligned.Flush()
}
