package runtime

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/linear"
)

// allTasks returns the wanted numbers below total in an order.
func allTasks(total int, sort SortOrder, query string) (all []int) {
	for n := range total {
		if strings.Contains(taskPrefix+strconv.Itoa(n), query) {
			all = append(all, n)
		}
	}
	if sort == SortNameAsc || sort == SortNameDesc {
		slices.SortFunc(all, func(a, b int) int { return strings.Compare(strconv.Itoa(a), strconv.Itoa(b)) })
	}
	if sort == SortNameDesc || sort == SortCreatedDesc {
		slices.Reverse(all)
	}
	return all
}

// TestTaskNumbers reads the numbers of tasks in pages: each order has all of them once.
func TestTaskNumbers(t *testing.T) {
	t.Parallel()
	for _, total := range []int{0, 1, 2, 9, 10, 11, 99, 100, 101, 110, 1234} {
		for _, sort := range []SortOrder{SortCreatedAsc, SortCreatedDesc, SortNameAsc, SortNameDesc} {
			for _, query := range []string{"", "TASK-1", "7", "x"} {
				for _, offset := range []int{0, 3, 2000} {
					want := allTasks(total, sort, strings.ToLower(query))
					want = want[min(offset, len(want)):]
					var got []int
					for r := (PageRequest{Sort: sort, Query: query, Offset: offset, Limit: 7}); ; {
						page, next, err := r.TaskNumbers(total)
						if err != nil || len(page) > 7 || next != "" && len(page) < 7 {
							t.Fatalf("%+v of %d: %v, next %q, %v", r, total, page, next, err)
						}
						got = append(got, page...)
						if r.After = next; next == "" {
							break
						}
					}
					if !slices.Equal(got, want) {
						t.Fatalf("%d tasks in the order %s with %q from %d: %v, want %v", total, sort, query, offset, got, want)
					}
				}
			}
		}
	}
	for _, after := range []string{"x", "-1", "10", "01", "+1", "5"} {
		if _, _, err := (PageRequest{Sort: SortCreatedAsc, Query: "1", After: after, Limit: 1}).TaskNumbers(10); CodeOf(err) != CodeInvalidArgument {
			t.Errorf("after %q: %v", after, err)
		}
	}
}

// TestLinearTasks lists all tasks page by page.
func TestLinearTasks(t *testing.T) {
	for _, sort := range []SortOrder{SortCreatedDesc, SortNameAsc, SortNameDesc} {
		for _, query := range []string{"", "task-"} { // both select all
			linear.Bytes(t, MaxTasks, func(size int) func() {
				return func() {
					for r := (PageRequest{Sort: sort, Query: query, Limit: 100}); ; {
						_, next, _ := r.TaskNumbers(size)
						if r.After = next; next == "" {
							break
						}
					}
				}
			})
		}
	}
}
