package runtime

import (
	"slices"
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
// page.
func (r PageRequest) TaskNumbers(total int) (page []int, next string, err error) {
	query := strings.ToLower(r.Query)
	var all []int
	for n := range total {
		if query == "" || strings.Contains(taskPrefix+strconv.Itoa(n), query) {
			all = append(all, n)
		}
	}
	if r.Sort == SortNameAsc || r.Sort == SortNameDesc {
		slices.SortFunc(all, func(a, b int) int { return strings.Compare(strconv.Itoa(a), strconv.Itoa(b)) })
	}
	if r.Sort == SortNameDesc || r.Sort == SortCreatedDesc {
		slices.Reverse(all)
	}
	from := min(r.Offset, len(all))
	if r.After != "" {
		n, failed := strconv.Atoi(r.After)
		if from = slices.Index(all, n) + 1; failed != nil || from == 0 {
			return nil, "", Errorf(CodeInvalidArgument, "the position %q was not returned with a page", r.After).
				WithHint("start from the first page")
		}
	}
	page = all[from:min(from+r.Limit, len(all))]
	if from+len(page) < len(all) && len(page) > 0 {
		next = strconv.Itoa(page[len(page)-1])
	}
	return page, next, nil
}
