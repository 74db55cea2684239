package runtime

import (
	"strconv"
	"strings"
)

// Bounds of a page.
const (
	// DefaultPage is the number of items on a page whose request sets no limit.
	DefaultPage = 100
	// MaxPage is the largest number of items on a page.
	MaxPage = 1000
)

// SortOrder is the order of a list of jobs, executions of jobs, or tasks.
type SortOrder string

// The orders.
const (
	SortCreatedDesc SortOrder = "createdAt:desc"
	SortCreatedAsc  SortOrder = "createdAt:asc"
	SortNameAsc     SortOrder = "name:asc"
	SortNameDesc    SortOrder = "name:desc"
)

// PageRequest selects a page of a list. Sort, Query and Offset apply to lists of jobs,
// of their executions and of tasks; every other list has one order and ignores them.
type PageRequest struct {
	Sort SortOrder // empty: SortCreatedDesc
	// Query selects the items whose name contains it, ignoring case; for jobs the
	// display name and the labels count too. Empty: all items.
	Query string
	// After is the Next of the previous page, which must have been requested with
	// the same Sort and Query. Empty: the first page.
	After  string
	Offset int // number of items to skip; ignored if After is set
	Limit  int // 1 to [MaxPage]; not positive: [DefaultPage]; larger: MaxPage
	// Uncounted says that the Total of a list of jobs is not needed.
	Uncounted bool
}

// Page is a page of a list.
type Page[T any] struct {
	Items []T
	Next  string // the After of the next page; empty: this is the last page
	// Total is the number of items in the whole list, regardless of Query. Only lists of jobs, of
	// their executions and of tasks count it.
	Total int
}

// Bounded returns the request with defaults filled in and all numbers within bounds.
func (r PageRequest) Bounded() PageRequest {
	if r.Limit <= 0 {
		r.Limit = DefaultPage
	}
	r.Limit = min(r.Limit, MaxPage)
	r.Offset = max(r.Offset, 0)
	if r.Sort == "" {
		r.Sort = SortCreatedDesc
	}
	return r
}

// taskPrefix followed by a number is the name of a task.
const taskPrefix = "task-"

// TaskNumbers returns the numbers of the tasks on a page, out of total, and the After of the next
// page. Its cost depends on the tasks that it skips and returns, and on those between them that the
// query excludes.
func (r PageRequest) TaskNumbers(total int) (page []int, next string, err error) {
	order, query, skip := r.taskOrder(total), strings.ToLower(r.Query), r.Offset
	wanted := func(n int) bool { return query == "" || strings.Contains(taskPrefix+strconv.Itoa(n), query) }
	n := order.first()
	if r.After != "" {
		after, failed := strconv.Atoi(r.After)
		if failed != nil || after < 0 || after >= total || strconv.Itoa(after) != r.After || !wanted(after) {
			return nil, "", Errorf(CodeInvalidArgument, "the position %q was not returned with a page", r.After).
				WithHint("start from the first page")
		}
		n, skip = order.next(after), 0
	}
	for ; n >= 0; n = order.next(n) {
		switch {
		case !wanted(n):
		case skip > 0:
			skip--
		case len(page) == r.Limit:
			return page, strconv.Itoa(page[len(page)-1]), nil
		default:
			page = append(page, n)
		}
	}
	return page, "", nil
}

// taskOrder is an order of the numbers below total. Its methods return -1 if there is no number.
type taskOrder struct {
	total  int
	byName bool // in the order of the decimal digits as text
	back   bool
}

func (r PageRequest) taskOrder(total int) taskOrder {
	return taskOrder{
		total:  total,
		byName: r.Sort == SortNameAsc || r.Sort == SortNameDesc,
		back:   r.Sort == SortNameDesc || r.Sort == SortCreatedDesc,
	}
}

func (o taskOrder) first() int {
	switch {
	case o.total == 0:
		return -1
	case !o.back:
		return 0
	case !o.byName:
		return o.total - 1
	}
	return o.lastBelow(min(9, o.total-1))
}

// next returns the number after n.
func (o taskOrder) next(n int) int {
	switch {
	case o.byName && o.back:
		return o.before(n)
	case o.byName:
		return o.after(n)
	case o.back:
		return n - 1
	case n+1 < o.total:
		return n + 1
	}
	return -1
}

// after returns the number whose digits follow those of n: 1, 10, 100, 101, ...
func (o taskOrder) after(n int) int {
	if n > 0 && n*10 < o.total {
		return n * 10
	}
	for n%10 == 9 || n+1 >= o.total {
		if n /= 10; n == 0 {
			return -1
		}
	}
	return n + 1
}

// before returns the number whose digits precede those of n.
func (o taskOrder) before(n int) int {
	switch {
	case n == 0:
		return -1
	case n%10 == 0:
		return n / 10
	case n == 1:
		return 0
	}
	return o.lastBelow(n - 1)
}

// lastBelow returns the last of the numbers that begin with the digits of n, which is positive or
// the only number.
func (o taskOrder) lastBelow(n int) int {
	for n > 0 && n*10 < o.total {
		n = min(n*10+9, o.total-1)
	}
	return n
}
