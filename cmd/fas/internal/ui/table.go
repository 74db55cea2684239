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
	Optional  string                          // tab-separated headings of the columns that may be left out, the first one first
	Row       func(one T, people bool) string // returns tab-separated fields

	columns func() int // width of the terminal; nil: that of Out

	begun  bool
	hidden []bool // columns that are left out
	widths []int  // of the columns of the pages before, uncut
}

const (
	// columnGap separates columns.
	columnGap = "  "
	// leastColumn is the width to which a column is cut at most.
	leastColumn = 8
	// statusColumn is the heading of the column with colours.
	statusColumn = "STATUS"
)

// Write prints a page. The heading comes before the first row, for people only. If the table would
// not fit on the terminal, cells of elastic columns are cut, and optional columns are left out.
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
	last := len(heading) - 1
	for last > 0 && t.hidden[last] {
		last--
	}
	for i, row := range rows {
		for column, cell := range row[:min(len(row), len(heading))] {
			if t.hidden[column] {
				continue
			}
			cell = shorten(cell, widths[column])
			if column < last {
				cell += strings.Repeat(" ", widths[column]-utf8.RuneCountInString(cell)) + columnGap
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

// fit returns the widths of the columns, and on the first page decides which are left out.
func (t *Table[T]) fit(heading []string, rows [][]string) []int {
	widths, least := make([]int, len(heading)), make([]int, len(heading))
	for _, row := range rows {
		for i := range min(len(row), len(widths)) {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for i, before := range t.widths {
		widths[i] = max(widths[i], before)
	}
	t.widths = slices.Clone(widths)
	copy(least, widths)
	elastic := strings.Split(t.Elastic, "\t")
	for i, name := range heading {
		if slices.Contains(elastic, name) {
			least[i] = min(widths[i], max(leastColumn, len(name)))
		}
	}
	room := width(t.Out)
	if t.columns != nil {
		room = t.columns()
	}
	if t.hidden == nil {
		t.hidden = make([]bool, len(heading))
		for _, name := range strings.Split(t.Optional, "\t") {
			if i := slices.Index(heading, name); room > 0 && i >= 0 && t.total(least) > room {
				t.hidden[i] = true
			}
		}
	}
	for _, name := range elastic {
		if i := slices.Index(heading, name); room > 0 && i >= 0 && !t.hidden[i] {
			widths[i] -= min(max(t.total(widths)-room, 0), widths[i]-least[i])
		}
	}
	return widths
}

// total returns the width of a row whose shown columns have the given widths.
func (t *Table[T]) total(widths []int) (sum int) {
	for i, w := range widths {
		if !t.hidden[i] {
			sum += w + len(columnGap)
		}
	}
	return sum - len(columnGap)
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
