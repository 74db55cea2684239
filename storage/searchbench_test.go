package storage

import (
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// BenchmarkSearch reads a page of 100 executions with a value that one in about 1,000 has, in
// different ways, from 200,000 recorded executions.
func BenchmarkSearch(b *testing.B) {
	s, c := onRealDisk(b), newClerk()
	makeWatched(b, s)
	const all = 200_000
	var batch []runtime.Execution
	for i := range all {
		x := c.done()
		x.Tenant, x.FunctionID, x.State, x.Failure, x.Version = ledgerTenants[0], watchedFunction, runtime.StateSucceeded, nil, 1
		at := start.Add(time.Duration(i) * 500 * time.Millisecond)
		x.ID, x.Created, x.Started, x.Finished = storetest.ID(c.rng, at), at, at, at.Add(time.Millisecond)
		x.Caller.UserID = "admin"
		if i%1000 == 1 {
			x.Caller.UserID = "rare"
		}
		if i%31 == 0 {
			x.Version = 4
		}
		if i%32 == 0 {
			x.Caller.UserID = "half"
		}
		if batch = append(batch, x); len(batch) == 100 {
			must(b, s.Record(batch))
			batch = batch[:0]
		}
	}
	must(b, s.flush())
	eq := func(field runtime.SearchField, value string) runtime.SearchFilter {
		return runtime.SearchFilter{Op: runtime.FilterEq, Field: field, Values: []string{value}}
	}
	and := func(of ...runtime.SearchFilter) *runtime.SearchFilter {
		return &runtime.SearchFilter{Op: runtime.FilterAnd, Filters: of}
	}
	for _, f := range []struct {
		name  string
		where *runtime.SearchFilter
	}{
		{"all", nil},
		{"rare", and(eq(runtime.FieldUser, "rare"))},
		{"rare and common", and(eq(runtime.FieldUser, "rare"), eq(runtime.FieldStatus, "SUCCEEDED"),
			runtime.SearchFilter{Op: runtime.FilterNot, Filters: []runtime.SearchFilter{eq(runtime.FieldVersion, "2")}})},
		{"seldom together", and(eq(runtime.FieldUser, "half"), eq(runtime.FieldVersion, "4"))},
	} {
		b.Run(f.name, func(b *testing.B) {
			for b.Loop() {
				page, _, err := s.SearchExecutions(ledgerTenants[0], runtime.SearchScan{ID: watchedFunction, Start: start, End: start.Add(365 * 24 * time.Hour), Where: f.where, Limit: 100})
				if err != nil || len(page) != 100 {
					b.Fatal(len(page), err)
				}
			}
		})
	}
}
