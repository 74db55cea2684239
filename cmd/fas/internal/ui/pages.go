package ui

import "fmt"

// pages prints what is listed page by page: as JSON, as ids, or as a table.
type Pages[T any] struct {
	*Terminal
	AsJSON, Quiet bool
	ID            func(T) string
	Table         func([]T) error

	array JSONArray
	count int
}

func (p *Pages[T]) Page(list []T) error {
	p.count += len(list)
	p.array.Out = p.Out
	if !p.AsJSON && !p.Quiet {
		return p.Table(list)
	}
	for _, one := range list {
		var err error
		if p.AsJSON {
			err = p.array.Add(one)
		} else {
			_, err = fmt.Fprintln(p.Out, p.ID(one))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end is told whether there is more, and what to say to a terminal if there is
// nothing.
func (p *Pages[T]) End(more bool, limit int, nothing string) error {
	p.array.Out = p.Out
	if p.AsJSON {
		if err := p.array.End(); err != nil {
			return err
		}
		fmt.Fprintln(p.Out)
	}
	switch {
	case more:
		fmt.Fprintf(p.Err, "there are more than these %d: --limit N shows N of them, --limit 0 all\n", limit)
	case p.count == 0 && !p.AsJSON && !p.Quiet && IsTerminal(p.Out):
		fmt.Fprintln(p.Err, nothing)
	}
	return nil
}
