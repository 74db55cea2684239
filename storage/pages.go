package storage

import (
	"slices"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

func byName(sort runtime.SortOrder) bool {
	return sort == runtime.SortNameAsc || sort == runtime.SortNameDesc
}

func descending(sort runtime.SortOrder) bool {
	return sort != runtime.SortNameAsc && sort != runtime.SortCreatedAsc
}

// cutPage sorts all by their positions and returns the requested page.
func cutPage[T any](all []T, l runtime.PageRequest, position func(T) string) (page []T, next string) {
	sign := 1
	if descending(l.Sort) {
		sign = -1
	}
	compare := func(a, b string) int { return sign * strings.Compare(a, b) }
	slices.SortFunc(all, func(a, b T) int { return compare(position(a), position(b)) })
	from := min(l.Offset, len(all))
	if l.After != "" {
		from, _ = slices.BinarySearchFunc(all, l.After, func(x T, after string) int {
			if compare(position(x), after) <= 0 {
				return -1
			}
			return 1
		})
	}
	page = all[from:min(from+l.Limit, len(all))]
	if from+len(page) < len(all) && len(page) > 0 {
		next = position(page[len(page)-1])
	}
	return page, next
}
