package ui

import "fmt"

// Pages prints a list page by page: as JSON, as ids, or as a table.
type Pages[T any] struct {
	*Terminal
	AsJSON, IDsOnly bool
	ID              func(T) string
	Table           *Table[T]

	array JSONArray
	count int
}

// Page prints one page.
func (p *Pages[T]) Page(list []T) error {
	p.count += len(list)
	p.array.Out = p.Out
	if !p.AsJSON && !p.IDsOnly {
		return p.Table.Write(list)
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

// End completes the output. If there is more than the limit, it says so on the standard error; if
// nothing was listed, it prints the message of the caller on a terminal.
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
		fmt.Fprintf(p.Err, "only the first %d are listed: use --limit N for N, --limit 0 for all\n", limit)
	case p.count == 0 && !p.AsJSON && !p.IDsOnly && IsTerminal(p.Out):
		fmt.Fprintln(p.Err, nothing)
	}
	return nil
}
