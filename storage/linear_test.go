package storage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/test/linear"
)

// TestLinearLists reads whole lists page by page, from stores of doubling sizes.
func TestLinearLists(t *testing.T) {
	const largest = 4000
	stores := map[int]*Store{}
	storeOf := func(n int) *Store {
		if s := stores[n]; s != nil {
			return s
		}
		s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
		stores[n] = s
		many(t, s, n)
		makeWatched(t, s)
		h := &history{rng: rand.New(rand.NewPCG(1, 1)), now: start, all: map[string]runtime.ExecutionSummary{}}
		for range n / 50 {
			h.record(t, s, 50)
		}
		for i := range n {
			x := c.done()
			must(t, s.CreateJob(runtime.Job{
				ID: x.ID, Tenant: "jobs", Name: fmt.Sprint("job-", i), Labels: map[string]string{"n": fmt.Sprint(i)}, Revision: 1,
				Spec: runtime.JobSpec{Function: "f"}, Created: c.at, Updated: c.at,
			}))
			d := runtime.Delivery{ID: c.done().ID, Tenant: "t", Created: c.at, Dead: true, Body: []byte("{}")}
			must(t, s.commits.Write(commit.NewWork, func(b *pebble.Batch) error { return putDelivery(b, s.db, d) }))
		}
		must(t, s.db.Flush())
		return s
	}
	executions := func(filter runtime.ExecutionFilter) func(s *Store) {
		return func(s *Store) {
			for cursor := ""; ; {
				page, err := s.ListExecutions(ledgerTenants[0], filter, cursor, 100)
				if must(t, err); len(page) == 0 {
					return
				}
				cursor = page[len(page)-1].ID
			}
		}
	}
	search := func(where *runtime.SearchFilter) func(s *Store) {
		return func(s *Store) {
			for q := (runtime.SearchScan{ID: watchedFunction, End: start.Add(1000 * time.Hour), Where: where, Limit: 100}); ; {
				_, next, err := s.SearchExecutions(ledgerTenants[0], q)
				if must(t, err); next == nil {
					return
				}
				q.From = next
			}
		}
	}
	user := runtime.SearchFilter{Op: runtime.FilterEq, Field: runtime.FieldUser, Values: []string{"ada"}}
	slow := runtime.SearchFilter{Op: runtime.FilterGte, Field: runtime.FieldDuration, Millis: 20}
	for name, all := range map[string]func(s *Store){
		"functions": func(s *Store) {
			for after := ""; ; {
				page, err := s.ListFunctions("a", after, 100)
				if must(t, err); len(page) == 0 {
					return
				}
				after = page[len(page)-1].Name
			}
		},
		"executions":           executions(runtime.ExecutionFilter{}),
		"executions of states": executions(runtime.ExecutionFilter{States: []runtime.State{runtime.StateFailed, runtime.StateRunning}}),
		"executions of traces": executions(runtime.ExecutionFilter{TraceID: someTraces[1]}),
		"found executions":     search(nil),
		"found by a value":     search(&user),
		"found by two values":  search(&runtime.SearchFilter{Op: runtime.FilterAnd, Filters: []runtime.SearchFilter{user, slow}}),
		"found by neither": search(&runtime.SearchFilter{Op: runtime.FilterNot, Filters: []runtime.SearchFilter{
			{Op: runtime.FilterOr, Filters: []runtime.SearchFilter{user, slow}},
		}}),
		"jobs": func(s *Store) {
			for r := (runtime.PageRequest{Sort: runtime.SortCreatedDesc, Limit: 100, Uncounted: true}); ; {
				page, err := s.ListJobs("jobs", r)
				must(t, err)
				if r.After = page.Next; page.Next == "" {
					return
				}
			}
		},
		"a page of jobs by name": func(s *Store) {
			_, err := s.ListJobs("jobs", runtime.PageRequest{Sort: runtime.SortNameAsc, Limit: 100})
			must(t, err)
		},
		"a page of jobs by query": func(s *Store) {
			_, err := s.ListJobs("jobs", runtime.PageRequest{Sort: runtime.SortNameAsc, Query: "1", Limit: 100})
			must(t, err)
		},
		"dead letters": func(s *Store) {
			for before := ""; ; {
				page, err := s.ListDeadLetters("t", before, 100)
				if must(t, err); len(page) == 0 {
					return
				}
				before = page[len(page)-1].ID
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			linear.Bytes(t, largest, func(size int) func() {
				s := storeOf(size)
				return func() { all(s) }
			})
		})
	}
}

// TestJobPagesAreBounded lists jobs whose specs are large: a page ends when it has some MiB, and the
// next page continues behind it, in every order.
func TestJobPagesAreBounded(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	const jobs = 15
	task := json.RawMessage(`{"x":"` + string(bytes.Repeat([]byte("x"), runtime.MaxTriggerTasks-100)) + `"}`)
	for i := range jobs {
		x := c.done()
		must(t, s.CreateJob(runtime.Job{
			ID: x.ID, Tenant: "t", Name: fmt.Sprintf("job-%02d", i), Revision: 1, Created: c.at, Updated: c.at,
			Spec: runtime.JobSpec{Function: "f", Triggers: []runtime.Trigger{{ID: "t", Type: runtime.TriggerCron, Schedule: "@daily", Tasks: []json.RawMessage{task}}}},
		}))
	}
	orders := []runtime.SortOrder{runtime.SortCreatedAsc, runtime.SortNameDesc, runtime.SortCreatedDesc, runtime.SortNameAsc}
	if testing.Short() {
		orders = orders[:1]
	}
	for _, sort := range orders {
		for _, query := range []string{"", "job"} {
			seen := map[string]bool{}
			for r := (runtime.PageRequest{Sort: sort, Query: query, Limit: 1000}); ; {
				page, err := s.ListJobs("t", r)
				must(t, err)
				size := 0
				for _, j := range page.Items {
					size += len(j.Spec.Triggers[0].Tasks[0])
					seen[j.Name] = true
				}
				if size > maxJobsPage+runtime.MaxTriggerTasks || page.Total != jobs {
					t.Fatalf("%s: a page has %d bytes, of %d jobs", sort, size, page.Total)
				}
				if r.After = page.Next; page.Next == "" {
					break
				}
			}
			if len(seen) != jobs {
				t.Errorf("%s: %d jobs of %d were listed", sort, len(seen), jobs)
			}
		}
	}
}
