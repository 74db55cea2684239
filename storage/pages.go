package storage

import (
	"slices"
	"strings"

	"github.com/faaspot/faaspot/runtime"

	"github.com/faaspot/faaspot/storage/internal/kv"
)

// ListJobs gives a page of jobs. It reads all jobs of the tenant, of which there are
// few beside what they run.
func (s *Store) ListJobs(tenant runtime.Tenant, l runtime.PageRequest) (page runtime.Page[runtime.Job], err error) {
	err = s.snapshot(func(r kv.Reader) error {
		var all []runtime.Job
		query := strings.ToLower(l.Query)
		err := eachJob(r, tenant, func(j runtime.Job) error {
			page.Total++
			if matchesJob(j, query) {
				all = append(all, j)
			}
			return nil
		})
		if err != nil {
			return err
		}
		position := func(j runtime.Job) string { return j.ID } // a UUIDv7
		if byName(l.Sort) {
			position = func(j runtime.Job) string { return j.Name }
		}
		page.Items, page.Next = cutPage(all, l, position)
		return nil
	})
	return page, fault("storage.jobs", err)
}

// matchesJob tells whether a job has a text, in lower case, in its names or labels.
func matchesJob(j runtime.Job, query string) bool {
	has := func(text string) bool { return strings.Contains(strings.ToLower(text), query) }
	if has(j.Name) || has(j.DisplayName) {
		return true
	}
	for key, value := range j.Labels {
		if has(key) || has(value) {
			return true
		}
	}
	return false
}

func byName(sort runtime.SortOrder) bool {
	return sort == runtime.SortNameAsc || sort == runtime.SortNameDesc
}

func descending(sort runtime.SortOrder) bool {
	return sort != runtime.SortNameAsc && sort != runtime.SortCreatedAsc
}

// cutPage sorts all by their positions and gives the page that is asked for.
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
