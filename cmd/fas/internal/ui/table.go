package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Table prints a list page by page: for people as an aligned table, and for programs as lines of
// tab-separated fields.
type Table[T any] struct {
	Out       io.Writer
	ForPeople bool
	Heading   string                          // tab-separated fields
	Elastic   string                          // tab-separated headings of the columns that may be cut, the first one first
	Row       func(one T, people bool) string // returns tab-separated fields

	begun bool
}

const (
	// columnGap separates columns.
	columnGap = "  "
	// leastColumn is the width to which a column is cut at most.
	leastColumn = 8
	// statusColumn is the heading of the column with colours.
	statusColumn = "STATUS"
)

// Write prints a page. The heading comes before the first row, for people only. On a terminal, cells
// of elastic columns are cut if the table would not fit.
func (t *Table[T]) Write(list []T) error {
	if !t.ForPeople {
		for _, one := range list {
			if _, err := fmt.Fprintln(t.Out, t.Row(one, false)); err != nil {
				return err
			}
		}
		return nil
	}
	heading := strings.Split(t.Heading, "\t")
	var rows [][]string
	if !t.begun && len(list) > 0 {
		rows = append(rows, heading)
	}
	for _, one := range list {
		rows = append(rows, strings.Split(t.Row(one, true), "\t"))
	}
	widths := t.fit(heading, rows)
	for i, row := range rows {
		for column, cell := range row {
			last := column == len(row)-1
			if column < len(widths) {
				cell = shorten(cell, widths[column])
				if !last {
					cell += strings.Repeat(" ", widths[column]-utf8.RuneCountInString(cell)) + columnGap
				}
			}
			c := plain
			if (t.begun || i > 0) && column < len(heading) && heading[column] == statusColumn {
				c = statusColour(cell)
			}
			if err := paint(t.Out, c, cell); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(t.Out, "\n"); err != nil {
			return err
		}
	}
	t.begun = t.begun || len(list) > 0
	return nil
}

// fit returns the widths of the columns. If they do not fit on the terminal, elastic columns get less
// than their content needs.
func (t *Table[T]) fit(heading []string, rows [][]string) []int {
	widths := make([]int, len(heading))
	total := len(columnGap) * (len(heading) - 1)
	for _, row := range rows {
		for i := range min(len(row), len(widths)) {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, w := range widths {
		total += w
	}
	room := width(t.Out)
	if room == 0 {
		return widths
	}
	for _, name := range strings.Split(t.Elastic, "\t") {
		if i := slices.Index(heading, name); i >= 0 && total > room {
			less := min(total-room, max(widths[i]-max(leastColumn, len(name)), 0))
			widths[i] -= less
			total -= less
		}
	}
	return widths
}

// shorten cuts a cell, and marks that it was cut.
func shorten(cell string, columns int) string {
	if utf8.RuneCountInString(cell) <= columns {
		return cell
	}
	return cut(cell, columns-1) + "…"
}

// statusColour returns the colour of a cell with a status.
func statusColour(cell string) colour {
	switch strings.ToLower(strings.TrimSpace(cell)) {
	case "success", "succeeded":
		return green
	case "failed", "timeout", "notfound":
		return red
	case "cancelled", "cancelling":
		return yellow
	}
	return plain
}
