package storage

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

// allEnded reads a snapshot of ended runs and closes it.
func allEnded(t *testing.T, e runtime.EndedRuns) (all []runtime.EndedRun) {
	t.Helper()
	must(t, e.Each(func(r runtime.EndedRun) error {
		all = append(all, r)
		return nil
	}))
	must(t, e.Close())
	return all
}

// TestEndedRuns checks that a snapshot has each run that had ended, of each tenant, with what statistics
// count, and nothing that ends later; in several steps.
func TestEndedRuns(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	var want []runtime.EndedRun
	var since time.Time
	for i := range 2*endedStep + 7 {
		x := c.done()
		x.Tenant = []runtime.Tenant{"a", "b"}[i%2]
		if i%10 == 0 {
			x.Egress = []runtime.Egress{{Network: "tcp", Host: "example.com", Port: 443, Connections: 1}}
		}
		if i%100 == 50 {
			x.Kind = runtime.KindUpdate
		}
		must(t, s.Record([]runtime.Execution{x}))
		if i == 100 {
			since = x.Created.Truncate(time.Millisecond)
		}
		if x.Kind == runtime.KindRun && !since.IsZero() {
			want = append(want, x.EndedRun())
		}
	}
	slices.SortStableFunc(want, func(a, b runtime.EndedRun) int { return strings.Compare(string(a.Tenant), string(b.Tenant)) })
	cancelled := begin(t, s, c) // is not ended
	snapshot, err := s.EndedRuns(since)
	must(t, err)
	must(t, s.Record([]runtime.Execution{c.done()}))
	if _, _, err := s.Cancel(cancelled.Tenant, cancelled.ID, c.at); err != nil {
		t.Fatal(err)
	}
	var of []runtime.EndedRun
	for _, r := range allEnded(t, snapshot) {
		if r.Tenant == "a" || r.Tenant == "b" {
			of = append(of, r)
		}
	}
	if diff := cmp.Diff(want, of); diff != "" {
		t.Error(diff)
	}
	must(t, snapshot.Close()) // has no effect
}

// TestEndedRunsAndClose closes the store while a snapshot is read: the reader gets an error, and the store
// closes.
func TestEndedRunsAndClose(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	for range endedStep + 1 {
		must(t, s.Record([]runtime.Execution{c.done()}))
	}
	unread, err := s.EndedRuns(time.Time{})
	must(t, err)
	snapshot, err := s.EndedRuns(time.Time{})
	must(t, err)
	errStop := errors.New("stop")
	if err := unread.Each(func(runtime.EndedRun) error { return errStop }); !errors.Is(err, errStop) {
		t.Errorf("a visit that fails: %v", err)
	}
	read, closed := 0, make(chan error, 1)
	err = snapshot.Each(func(runtime.EndedRun) error {
		if read++; read == endedStep {
			go func() { closed <- s.Close() }()
			for s.life.TryRLock() { // until Close waits for this step
				s.life.RUnlock()
				time.Sleep(time.Millisecond)
			}
		}
		return nil
	})
	wantCode(t, err, runtime.CodeUnavailable)
	must(t, <-closed)
	must(t, snapshot.Close())
	if read != endedStep {
		t.Errorf("%d were read", read)
	}
	_, err = s.EndedRuns(time.Time{})
	wantCode(t, err, runtime.CodeUnavailable)
}

// TestFigures checks the figures of a store that has written.
func TestFigures(t *testing.T) {
	alone(t, "Pebble syncs nothing behind a log")
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	before := s.Figures()
	const groups = 20
	for range groups {
		_, _, err := s.Accept(c.batch(1), nil)
		must(t, err)
	}
	must(t, s.Record([]runtime.Execution{c.done()}))
	must(t, s.flush())
	f := s.Figures()
	if f.Syncs.Count < before.Syncs.Count+groups || f.Syncs.Sum <= 0 || f.LogWritten <= before.LogWritten || f.Bytes == 0 {
		t.Errorf("%+v", f)
	}
	last := uint64(0)
	for _, bound := range slices.Sorted(maps.Keys(f.Syncs.Buckets)) {
		if n := f.Syncs.Buckets[bound]; n < last || n > f.Syncs.Count {
			t.Errorf("%d syncs of %d took up to %g s, %d less than that", n, f.Syncs.Count, bound, last)
		} else {
			last = n
		}
	}
	if len(f.Syncs.Buckets) != len(syncBounds) || last == 0 {
		t.Errorf("%v", f.Syncs.Buckets)
	}
	if f.Executions != 1 || f.ExecutionBytes <= 0 || f.Flushes <= before.Flushes || f.Flushed <= before.Flushed {
		t.Errorf("%+v", f)
	}
	must(t, s.Close())
	if closed := s.Figures(); closed.Bytes != 0 {
		t.Errorf("after Close: %+v", closed)
	}
}
