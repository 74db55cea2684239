package storage

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/search"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

const (
	watchedFunction = "11111111-1111-4111-8111-111111111111"
	otherFunction   = "22222222-2222-4222-8222-222222222222"
	watchedJob      = "01930000-3333-7333-8333-333333333333"
)

// makeWatched creates two functions and a job for two tenants.
func makeWatched(t testing.TB, s *Store) {
	t.Helper()
	c := newClerk()
	for _, tenant := range ledgerTenants {
		for i, id := range []string{watchedFunction, otherFunction} {
			f := runtime.Function{ID: id, Tenant: tenant, Name: fmt.Sprint("watched", i), Version: 1, Created: start, Updated: start}
			v := runtime.Version{FunctionID: id, Number: 1, Name: f.Name, Source: []byte("x"), Created: start}
			x := c.done()
			x.Tenant, x.Kind, x.FunctionID, x.Function, x.State = tenant, runtime.KindCreate, id, f.Name, runtime.StateSucceeded
			must(t, s.CreateFunction(f, v, runtime.Change{Execution: x}))
		}
		must(t, s.CreateJob(runtime.Job{ID: watchedJob, Tenant: tenant, Name: "watched", Revision: 1, Created: start, Updated: start}))
	}
}

// history makes up executions that are done, and remembers their summaries.
type history struct {
	rng *rand.Rand
	now time.Time
	all map[string]runtime.ExecutionSummary // by tenant and id
}

var (
	someUsers  = []string{"", "ada", "grace", "a\x00b"}
	someRIDs   = []string{"", runtime.JobRID(watchedJob), "ri.x"}
	someTraces = []string{"", strings.Repeat("a1", 16), strings.Repeat("b2", 16), strings.Repeat("0c", 16)}
	someEnds   = []runtime.Class{"", "", "", runtime.ClassError, runtime.ClassTimeout, runtime.ClassCancelled, runtime.ClassMemory}
)

func pick[T any](rng *rand.Rand, of []T) T { return of[rng.IntN(len(of))] }

func (h *history) key(tenant runtime.Tenant, id string) string { return string(tenant) + "/" + id }

func (h *history) caller() runtime.Caller {
	return runtime.Caller{UserID: pick(h.rng, someUsers), RID: pick(h.rng, someRIDs), TraceID: pick(h.rng, someTraces), TraceOwner: pick(h.rng, someRIDs)}
}

// times returns the times of an execution that ends now: most started recently, some long ago, some
// never.
func (h *history) times() (created, started, finished time.Time) {
	h.now = h.now.Add(time.Duration(h.rng.IntN(400)) * time.Millisecond)
	took := time.Duration(h.rng.IntN(40)) * time.Millisecond
	if h.rng.IntN(6) == 0 {
		took = time.Duration(h.rng.IntN(90_000)) * time.Millisecond
	}
	started = h.now.Add(-took)
	created = started.Add(-time.Duration(h.rng.IntN(2000)) * time.Millisecond)
	switch h.rng.IntN(12) {
	case 0:
		started = time.Time{}
	case 1:
		started = created.Add(-time.Second) // the clock was set back
	}
	return created, started, h.now
}

func (h *history) run() runtime.Execution {
	created, started, finished := h.times()
	x := runtime.Execution{
		ID: storetest.ID(h.rng, created), Tenant: pick(h.rng, ledgerTenants), Kind: runtime.KindRun,
		FunctionID: pick(h.rng, []string{watchedFunction, watchedFunction, otherFunction}), Function: "watched",
		Version: 1 + h.rng.Uint64N(3), State: runtime.StateSucceeded, Created: created.UTC(), Started: started, Finished: finished, Attempt: 1,
		Caller: h.caller(),
	}
	if !started.IsZero() {
		x.Usage.Duration = max(0, finished.Sub(started)) + time.Duration(h.rng.IntN(1000))*time.Microsecond
	}
	if class := pick(h.rng, someEnds); class != "" {
		x.State, x.Failure = class.State(), &runtime.Failure{Class: class}
	}
	h.all[h.key(x.Tenant, x.ID)] = x.Summary()
	return x
}

// record stores some runs, and now and then a job's execution.
func (h *history) record(t testing.TB, s *Store, n int) {
	t.Helper()
	var batch []runtime.Execution
	for range n {
		batch = append(batch, h.run())
	}
	must(t, s.Record(batch))
	if h.rng.IntN(3) == 0 {
		created, started, finished := h.times()
		x := runtime.JobExecution{
			ID: storetest.ID(h.rng, created), Tenant: pick(h.rng, ledgerTenants), JobID: watchedJob, Job: "watched", Revision: 1 + h.rng.Uint64N(2),
			FunctionID: watchedFunction, Function: "watched",
			State: pick(h.rng, []runtime.State{runtime.StateSucceeded, runtime.StateFailed, runtime.StateTimeout, runtime.StateCancelled}), Created: created, Started: started, Finished: finished, Caller: h.caller(),
		}
		x.Name = x.ID
		id, _ := keys.ParseID(x.ID)
		must(t, s.writeEnds(commit.NewWork, func(b *pebble.Batch, e *ends) error { return putDoneJob(b, s.db, e, &x, id) }))
		h.all[h.key(x.Tenant, x.ID)] = x.Summary()
	}
}

// expire drops executions that are older than age.
func (h *history) expire(t testing.TB, s *Store, age time.Duration) {
	t.Helper()
	must(t, s.Expire(h.now, runtime.Retention{Age: age}))
	for key := range h.all {
		tenant, text, _ := strings.Cut(key, "/")
		id, _ := keys.ParseID(text)
		_, run := readDoneRecord(s.db, runtime.Tenant(tenant), id)
		_, job := readJobDone(s.db, runtime.Tenant(tenant), id)
		if errors.Is(run, kv.ErrAbsent) && errors.Is(job, kv.ErrAbsent) {
			delete(h.all, key)
		}
	}
}

// scan returns all that a query should find.
func (h *history) scan(tenant runtime.Tenant, q runtime.SearchScan) []runtime.ExecutionSummary {
	rid := runtime.FunctionRID(q.ID)
	if q.Job {
		rid = runtime.JobRID(q.ID)
	}
	var all []runtime.ExecutionSummary
	for key, x := range h.all {
		if strings.HasPrefix(key, string(tenant)+"/") && x.RID == rid && !x.Started.Before(q.Start) && x.Started.Before(q.End) && (q.Where == nil || plainly(q.Where, &x)) {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, func(a, b runtime.ExecutionSummary) int {
		return cmp.Or(b.Started.Compare(a.Started), strings.Compare(b.ID, a.ID))
	})
	return all
}

// plainly evaluates a filter as the contract describes it.
func plainly(f *runtime.SearchFilter, x *runtime.ExecutionSummary) bool {
	switch f.Op {
	case runtime.FilterAnd:
		for i := range f.Filters {
			if !plainly(&f.Filters[i], x) {
				return false
			}
		}
		return true
	case runtime.FilterOr:
		for i := range f.Filters {
			if plainly(&f.Filters[i], x) {
				return true
			}
		}
		return false
	case runtime.FilterNot:
		return !plainly(&f.Filters[0], x)
	}
	ms := x.Duration.Milliseconds()
	value := map[runtime.SearchField]string{
		runtime.FieldStatus: string(x.Status), runtime.FieldUser: x.UserID, runtime.FieldCaller: x.Caller.RID,
		runtime.FieldVersion: fmt.Sprint(x.Version), runtime.FieldReason: string(x.Reason),
		runtime.FieldTrace: x.TraceID, runtime.FieldTraceOwner: x.TraceOwner,
	}[f.Field]
	switch f.Op {
	case runtime.FilterGte:
		return ms >= f.Millis
	case runtime.FilterLte:
		return ms <= f.Millis
	case runtime.FilterIsNull:
		return value == ""
	}
	return value != "" && slices.Contains(f.Values, value)
}

// aFilter makes up a valid filter.
func (h *history) aFilter(depth int) runtime.SearchFilter {
	if depth > 0 && h.rng.IntN(2) == 0 {
		op := pick(h.rng, []runtime.FilterOp{runtime.FilterAnd, runtime.FilterOr, runtime.FilterNot})
		n := 1
		if op != runtime.FilterNot {
			n += h.rng.IntN(3)
		}
		f := runtime.SearchFilter{Op: op}
		for range n {
			f.Filters = append(f.Filters, h.aFilter(depth-1))
		}
		return f
	}
	if h.rng.IntN(4) == 0 {
		ms := pick(h.rng, []int64{0, 1, 5, 15, 16, 17, 31, 32, 40, 1000, 45_000, 5_000_000_000, math.MaxInt64})
		return runtime.SearchFilter{Op: pick(h.rng, []runtime.FilterOp{runtime.FilterGte, runtime.FilterLte}), Field: runtime.FieldDuration, Millis: ms}
	}
	own := "feed"
	for _, x := range h.all {
		own = strings.ReplaceAll(x.ID, "-", "")
		break
	}
	values := map[runtime.SearchField][]string{
		runtime.FieldStatus:     {"SUCCEEDED", "FAILED"},
		runtime.FieldUser:       someUsers,
		runtime.FieldCaller:     someRIDs,
		runtime.FieldVersion:    {"1", "2", "3", "4", "01"},
		runtime.FieldReason:     {"error", "timeout", "cancelled", "memory", "none", ""},
		runtime.FieldTrace:      append([]string{own}, someTraces...),
		runtime.FieldTraceOwner: append([]string{runtime.FunctionRID(watchedFunction)}, someRIDs...),
	}
	fields := []runtime.SearchField{
		runtime.FieldStatus, runtime.FieldUser, runtime.FieldCaller, runtime.FieldVersion, runtime.FieldReason, runtime.FieldTrace, runtime.FieldTraceOwner,
	}
	f := runtime.SearchFilter{Op: runtime.FilterEq, Field: pick(h.rng, fields)}
	switch {
	case (f.Field == runtime.FieldUser || f.Field == runtime.FieldCaller) && h.rng.IntN(3) == 0:
		f.Op = runtime.FilterIsNull
		return f
	case h.rng.IntN(2) == 0:
		f.Op = runtime.FilterIn
		f.Values = append(f.Values, pick(h.rng, values[f.Field]))
	}
	f.Values = append(f.Values, pick(h.rng, values[f.Field]))
	return f
}

// aQuery makes up a valid query.
func (h *history) aQuery() runtime.SearchScan {
	q := runtime.SearchScan{ID: pick(h.rng, []string{watchedFunction, otherFunction}), Start: time.Unix(0, 0), End: h.now.Add(time.Hour), Limit: 1 + h.rng.IntN(20)}
	if h.rng.IntN(5) == 0 {
		q.ID, q.Job = watchedJob, true
	}
	past := func() time.Time { return h.now.Add(-time.Duration(h.rng.IntN(60_000)) * time.Millisecond) }
	if h.rng.IntN(2) == 0 {
		q.Start = past()
	}
	if h.rng.IntN(2) == 0 {
		q.End = past()
	}
	if h.rng.IntN(8) > 0 {
		f := h.aFilter(4)
		q.Where = &f
	}
	return q
}

// collect reads all pages of a query. It calls meanwhile between pages.
func collect(t testing.TB, s *Store, tenant runtime.Tenant, q runtime.SearchScan, meanwhile func()) (all []runtime.ExecutionSummary) {
	t.Helper()
	for {
		page, next, err := s.SearchExecutions(tenant, q)
		must(t, err)
		if len(page) > q.Limit {
			t.Fatalf("a page of %d has %d", q.Limit, len(page))
		}
		all = append(all, page...)
		if next == nil {
			return all
		}
		q.From = next
		meanwhile()
	}
}

// For any executions, ended in any order, for any query and any page size, a search finds what a
// scan of all executions finds, also after restarts, after old executions were dropped, and if
// pages end early.
func TestSearchesFindWhatAScanFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 5)), now: start, all: map[string]runtime.ExecutionSummary{}}
		fs := vfs.NewMem()
		s := openOn(t, fs, "store")
		makeWatched(t, s)
		steps := pick(h.rng, []int{1, 60, 500, search.MaxSteps})
		for range rapid.IntRange(3, 12*(*soak)).Draw(rt, "rounds") {
			h.record(t, s, 1+h.rng.IntN(1+h.rng.IntN(60)))
			switch h.rng.IntN(12) {
			case 0:
				must(t, s.Close())
				s = openOn(t, fs, "store")
			case 1:
				h.expire(t, s, time.Duration(h.rng.IntN(30_000))*time.Millisecond)
			case 2:
				must(t, s.db.Flush())
			}
			s.searchSteps = steps
			for range 4 {
				q, tenant := h.aQuery(), pick(h.rng, ledgerTenants)
				want := h.scan(tenant, q)
				if got := collect(t, s, tenant, q, func() {}); !reflect.DeepEqual(got, want) {
					rt.Fatalf("%+v, where %+v: %s", q, q.Where, gocmp.Diff(want, got))
				}
			}
		}
		checkExecutionInvariants(t, s)
		checkPostings(t, s)
		must(t, s.Close())
	})
}

// Executions that were done when the first page was read are on the pages once and in order,
// although others, early and late ones, end in between.
func TestPagesAreStable(t *testing.T) {
	t.Parallel()
	for seed := range games(20) {
		h := &history{rng: rand.New(rand.NewPCG(seed, 6)), now: start, all: map[string]runtime.ExecutionSummary{}}
		s := openOn(t, vfs.NewMem(), "store")
		makeWatched(t, s)
		for range 10 {
			h.record(t, s, 20)
		}
		q, tenant := h.aQuery(), pick(h.rng, ledgerTenants)
		before := h.scan(tenant, q)
		got := collect(t, s, tenant, q, func() { h.record(t, s, 1+h.rng.IntN(20)) })
		known := map[string]bool{}
		for _, x := range before {
			known[x.ID] = true
		}
		after := h.scan(tenant, q)
		for i, x := range got {
			if i > 0 && cmp.Or(got[i-1].Started.Compare(x.Started), strings.Compare(got[i-1].ID, x.ID)) <= 0 {
				t.Fatalf("%+v comes after %+v", x, got[i-1])
			}
			if !slices.Contains(after, x) {
				t.Fatalf("%+v was not requested", x)
			}
		}
		got = slices.DeleteFunc(got, func(x runtime.ExecutionSummary) bool { return !known[x.ID] })
		if diff := gocmp.Diff(before, got, gocmp.Comparer(func(a, b runtime.ExecutionSummary) bool { return a == b })); diff != "" && len(before)+len(got) > 0 {
			t.Fatal(diff)
		}
	}
}

// A store of a release without postings has them when Open returns.
func TestPostingsOfAnEarlierRelease(t *testing.T) {
	t.Parallel()
	h := &history{rng: rand.New(rand.NewPCG(1, 7)), now: start, all: map[string]runtime.ExecutionSummary{}}
	fs := vfs.NewMem()
	s := openOn(t, fs, "store")
	makeWatched(t, s)
	for range 20 {
		h.record(t, s, 30)
	}
	forget := func(partly bool) {
		t.Helper()
		for _, tenant := range ledgerTenants {
			prefix := keys.OfKind(tenant, keys.KindPostings)
			end := keys.PrefixEnd(prefix)
			if partly { // as if it was interrupted
				end = keys.PostingsOfField(tenant, keys.Resource{Kind: keys.ResourceFunction, ID: watchedFunction}, runtime.FieldCaller)
			}
			must(t, s.db.DeleteRange(prefix, end, pebble.NoSync))
		}
		must(t, s.db.Set(keys.Format(), record.EncodeNumber(formatUnindexed), pebble.Sync))
		must(t, s.Close())
		s = openOn(t, fs, "store")
	}
	for _, partly := range []bool{false, true} {
		forget(partly)
		checkExecutionInvariants(t, s)
		checkPostings(t, s)
		if format, err := kv.Get(s.db, keys.Format(), record.DecodeNumber); err != nil || format != formatVersion {
			t.Errorf("the format is %d, %v", format, err)
		}
	}
	must(t, s.Close())
}

// The postings of dropped executions are dropped, too, sooner or later.
func TestPostingsAreDropped(t *testing.T) {
	t.Parallel()
	h := &history{rng: rand.New(rand.NewPCG(1, 8)), now: start, all: map[string]runtime.ExecutionSummary{}}
	s := openOn(t, vfs.NewMem(), "store")
	makeWatched(t, s)
	count := func() (n int) {
		for _, tenant := range ledgerTenants {
			it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: keys.OfKind(tenant, keys.KindPostings), UpperBound: keys.PrefixEnd(keys.OfKind(tenant, keys.KindPostings))})
			must(t, err)
			for ok := it.First(); ok; ok = it.Next() {
				n++
			}
			must(t, it.Close())
		}
		return n
	}
	most := 0
	for i := range 100 {
		h.record(t, s, 10)
		h.expire(t, s, 20*time.Second)
		if n := count(); i < 30 {
			most = max(most, n)
		} else if n > 2*most {
			t.Fatalf("there are %d keys of postings, and were at most %d at first", n, most)
		}
	}
	h.expire(t, s, time.Nanosecond)
	h.now = h.now.Add(time.Hour)
	h.expire(t, s, time.Nanosecond)
	if n := count(); n > 0 {
		t.Errorf("%d keys of postings are left", n)
	}
	must(t, s.Close())
}

// Executions of a trace are listed by it, done or not, of all functions.
func TestListByTrace(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	trace := someTraces[1]
	var want []string
	for range 5 {
		queued := c.queued()
		queued.Caller.TraceID = trace
		_, _, err := s.Accept([]runtime.Accepted{{Execution: queued, Args: []byte("{}")}}, nil)
		must(t, err)
		done := c.done()
		done.Caller.TraceID = trace
		must(t, s.Record([]runtime.Execution{done, c.done()}))
		want = append(want, queued.ID, done.ID)
	}
	own := c.done()
	must(t, s.Record([]runtime.Execution{own}))
	slices.Sort(want)
	slices.Reverse(want)
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		for cursor := ""; ; cursor = got[len(got)-1] {
			page, err := s.ListExecutions("default", runtime.ExecutionFilter{TraceID: trace}, cursor, limit)
			must(t, err)
			for _, x := range page {
				got = append(got, x.ID)
			}
			if len(page) < limit {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("pages of %d: %v, want %v", limit, got, want)
		}
	}
	page, err := s.ListExecutions("default", runtime.ExecutionFilter{TraceID: strings.ReplaceAll(own.ID, "-", "")}, "", 10)
	if err != nil || len(page) != 1 || page[0].ID != own.ID {
		t.Errorf("its own trace finds %v, %v", page, err)
	}
	for name, f := range map[string]runtime.ExecutionFilter{
		"state":    {TraceID: trace, States: []runtime.State{runtime.StateQueued}},
		"function": {TraceID: trace, Function: "unknown"},
		"trace":    {TraceID: someTraces[2]},
	} {
		page, err := s.ListExecutions("default", f, "", 100)
		must(t, err)
		if n := map[string]int{"state": 5}[name]; len(page) != n {
			t.Errorf("%s: %d executions, want %d", name, len(page), n)
		}
	}
	if page, err := s.ListExecutions(ledgerTenants[0], runtime.ExecutionFilter{TraceID: trace}, "", 100); err != nil || len(page) > 0 {
		t.Errorf("another tenant finds %v, %v", page, err)
	}
	must(t, s.Close())
}

// Recording, dropping and searching may run at the same time: each page is in order, and of the
// requested executions.
func TestSearchWhileRecording(t *testing.T) {
	t.Parallel()
	s := openOn(t, vfs.NewMem(), "store")
	makeWatched(t, s)
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	for seed := range uint64(2) {
		writers.Go(func() {
			h := &history{rng: rand.New(rand.NewPCG(seed, 10)), now: start, all: map[string]runtime.ExecutionSummary{}}
			for i := range 40 {
				h.record(t, s, 1+i)
				if i%10 == 9 {
					must(t, s.Expire(h.now, runtime.Retention{Age: time.Minute}))
				}
			}
		})
		readers.Go(func() {
			h := &history{rng: rand.New(rand.NewPCG(seed, 11)), now: start.Add(time.Minute), all: map[string]runtime.ExecutionSummary{}}
			for {
				select {
				case <-done:
					return
				default:
				}
				q := h.aQuery()
				all := collect(t, s, pick(h.rng, ledgerTenants), q, func() {})
				for i, x := range all {
					if x.Started.Before(q.Start) || !x.Started.Before(q.End) || q.Where != nil && !plainly(q.Where, &x) ||
						i > 0 && cmp.Or(all[i-1].Started.Compare(x.Started), strings.Compare(all[i-1].ID, x.ID)) <= 0 {
						t.Errorf("%+v was not requested with %+v", x, q)
					}
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	checkExecutionInvariants(t, s)
	checkPostings(t, s)
	must(t, s.Close())
}
