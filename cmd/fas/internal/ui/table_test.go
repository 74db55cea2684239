package ui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixedWidth is a stream of a known width.
func fixedWidth[T any](t *Table[T], columns int) *Table[T] {
	t.columns = func() int { return columns }
	return t
}

func TestTablesFitTheTerminal(t *testing.T) {
	type row struct{ id, name, status, note string }
	rows := []row{{"0123456789", "short", "Failed", "x"}, {"abcdefghij", "a-very-long-name-of-a-function", "Success", "yy"}}
	for columns, want := range map[int]string{
		0: "ID          NAME                            STATUS   NOTE\n" +
			"0123456789  short                           Failed   x\n" +
			"abcdefghij  a-very-long-name-of-a-function  Success  yy\n",
		40: "ID          NAME           STATUS   NOTE\n" +
			"0123456789  short          Failed   x\n" +
			"abcdefghij  a-very-long-…  Success  yy\n",
		32: "ID          NAME         STATUS\n" +
			"0123456789  short        Failed\n" +
			"abcdefghij  a-very-lon…  Success\n",
		10: "ID          NAME      STATUS\n" +
			"0123456789  short     Failed\n" +
			"abcdefghij  a-very-…  Success\n",
	} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			var out strings.Builder
			table := fixedWidth(&Table[row]{
				Out: &out, ForPeople: true, Heading: "ID\tNAME\tSTATUS\tNOTE", Elastic: "NAME", Optional: "NOTE",
				Row: func(r row, _ bool) string { return r.id + "\t" + r.name + "\t" + r.status + "\t" + r.note },
			}, columns)
			if err := table.Write(rows); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStatusesHaveColours(t *testing.T) {
	tty, s := newFakeScreen(false)
	table := Table[string]{Out: s, ForPeople: true, Heading: "STATUS\tNAME", Row: func(r string, _ bool) string { return r + "\tFailed" }}
	if err := table.Write([]string{"Failed", "succeeded", "Started", "Cancelled"}); err != nil {
		t.Fatal(err)
	}
	want := "STATUS     NAME\n\x1b[31mFailed     \x1b[0mFailed\n\x1b[32msucceeded  \x1b[0mFailed\nStarted    Failed\n\x1b[33mCancelled  \x1b[0mFailed\n"
	if diff := cmp.Diff(want, tty.String()); diff != "" {
		t.Error(diff)
	}
}
