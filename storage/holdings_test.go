package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
)

// limitTenants gives the tenant "default" limits, and others none.
func limitTenants(s *Store) *atomic.Pointer[runtime.TenantLimits] {
	var limits atomic.Pointer[runtime.TenantLimits]
	limits.Store(&runtime.TenantLimits{})
	s.LimitTenants(func(tenant runtime.Tenant) runtime.TenantLimits {
		if tenant == "default" {
			return *limits.Load()
		}
		return runtime.TenantLimits{}
	})
	return &limits
}

// atOnce calls do n times at once, and returns how often there was no error. Other errors than those
// for a tenant that is full are failures.
func atOnce(t *testing.T, n int, do func(i int) error) (done int) {
	t.Helper()
	var all sync.WaitGroup
	var succeeded atomic.Int32
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			err := do(i)
			switch e, _ := runtime.AsError(err); {
			case err == nil:
				succeeded.Add(1)
			case e == nil || e.Code != runtime.CodeTooBusy || e.RetryAfter != runtime.FullRetry || e.Hint == "":
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	close(begin)
	all.Wait()
	return int(succeeded.Load())
}

// wantSameAfterRestart checks what a tenant has stored before and after the store was closed, and
// returns it and the store that was opened.
func wantSameAfterRestart(t *testing.T, s *Store, fs vfs.FS) (*Store, runtime.TenantStored) {
	t.Helper()
	checkInvariants(t, s)
	before := s.Stored("default")
	must(t, s.Close())
	s = openOn(t, fs, "store")
	checkInvariants(t, s)
	if after := s.Stored("default"); after != before {
		t.Errorf("the tenant has stored %+v, and after a restart %+v", before, after)
	}
	return s, before
}

// TestFunctionsOfATenantAreBounded deploys many functions at once: exactly as many are stored as may be.
// A name is no function, a deletion makes room at once, and a lower limit deletes nothing.
func TestFunctionsOfATenantAreBounded(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s := openOn(t, fs, "store")
	limits := limitTenants(s)
	limits.Store(&runtime.TenantLimits{Functions: 7})
	create := func(tenant runtime.Tenant, i int) error {
		id := fmt.Sprint("id", i)
		return s.CreateFunction(function(tenant, id, fmt.Sprint("f", i), 1), version(id, 1, "source"), by(tenant))
	}
	if n := atOnce(t, 40, func(i int) error { return create("default", i) }); n != 7 {
		t.Errorf("%d functions were stored, want 7", n)
	}
	if n := atOnce(t, 40, func(i int) error { return create("other", i) }); n != 40 {
		t.Errorf("%d functions of another tenant were stored, want all", n)
	}
	stored, err := s.ListFunctions("default", "", 100)
	must(t, err)
	first := stored[0]
	first.Name = "renamed"
	must(t, s.UpdateFunction(first, nil, by("default")))
	wantCode(t, s.CheckRoom("default", 1), runtime.CodeTooBusy)

	// Each deletion makes room for one.
	if n := atOnce(t, 20, func(i int) error {
		if i < 3 {
			return s.DeleteFunction("default", stored[i].ID, by("default"))
		}
		return nil
	}); n != 20 {
		t.Fatalf("%d of 20 calls succeeded", n)
	}
	if n := atOnce(t, 20, func(i int) error { return create("default", 100+i) }); n != 3 {
		t.Errorf("%d functions were stored, want 3", n)
	}
	limits.Store(&runtime.TenantLimits{Functions: 2})
	wantCode(t, create("default", 200), runtime.CodeTooBusy)
	must(t, s.UpdateFunction(function("default", stored[3].ID, stored[3].Name, 2), new(version(stored[3].ID, 2, "another")), by("default")))
	s, has := wantSameAfterRestart(t, s, fs)
	if has.Functions != 7 {
		t.Errorf("there are %d functions, want 7", has.Functions)
	}
	limitTenants(s).Store(&runtime.TenantLimits{Functions: 8})
	if n := atOnce(t, 20, func(i int) error { return create("default", 300+i) }); n != 1 {
		t.Errorf("after the restart %d functions were stored, want 1", n)
	}
}

// TestCodeOfATenantIsBounded stores versions of many functions at once, which count as long as they are
// kept, and bundles, which count once.
func TestCodeOfATenantIsBounded(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s := openOn(t, fs, "store")
	limits := limitTenants(s)
	code := bytes.Repeat([]byte("x"), 1000)
	one := version("id", 1, string(code))
	size := int(one.CodeBytes())
	create := func(i int) error {
		id := fmt.Sprint("id", i)
		return s.CreateFunction(function("default", id, id, 1), version(id, 1, string(code)), by("default"))
	}
	update := func(i int, number uint64, source []byte) error {
		id := fmt.Sprint("id", i)
		return s.UpdateFunction(function("default", id, id, number), new(version(id, number, string(source))), by("default"))
	}
	const functions = 10
	for i := range functions {
		must(t, create(i))
	}
	// 10 versions are stored, and 5 more may be.
	limits.Store(&runtime.TenantLimits{CodeBytes: 16*size - 1})
	if n := atOnce(t, functions, func(i int) error { return update(i, 2, code) }); n != 5 {
		t.Errorf("%d versions were stored, want 5", n)
	}
	e, _ := runtime.AsError(s.CheckRoom("default", int64(16*size)))
	if e == nil || e.Code != runtime.CodeTooLarge || e.RetryAfter != 0 {
		t.Errorf("what is larger than the limit: %v", e)
	}
	must(t, s.DeleteFunction("default", "id0", by("default")))
	s, has := wantSameAfterRestart(t, s, fs)
	if most := int64(14 * size); has.Code > most || has.Code < most-int64(size) {
		t.Errorf("%d bytes of code count, want one or two versions of %d less than 15", has.Code, size)
	}

	// Beyond the limit, a version that drops a larger one is stored, and no other.
	limits = limitTenants(s)
	for number := uint64(1); number <= runtime.KeptVersions; number++ {
		if number == 1 {
			must(t, create(50))
		} else {
			must(t, update(50, number, code))
		}
	}
	limits.Store(&runtime.TenantLimits{CodeBytes: size})
	wantCode(t, update(50, runtime.KeptVersions+1, append(code, 'x')), runtime.CodeTooBusy)
	must(t, update(50, runtime.KeptVersions+1, code))
	must(t, update(50, runtime.KeptVersions+2, code[:10]))
	checkInvariants(t, s)
}

// TestBundlesCountAsCode stages bundles at once, up to the limit of code. Functions share them, and a
// failed deployment leaves nothing that counts.
func TestBundlesCountAsCode(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s := openOn(t, fs, "store")
	limits := limitTenants(s)
	b := createWith(t, s, "default", "id1", 1)
	createWith(t, s, "default", "id2", 1)
	const sources = 1 << 10
	limits.Store(&runtime.TenantLimits{CodeBytes: 3500 + int(s.Stored("default").Code)}) // for 1 to 3 of those below
	var mu sync.Mutex
	var releases []func()
	if n := atOnce(t, 20, func(i int) error {
		other, content := bundleNumber(10 + i)
		release, err := s.StageBundle(context.Background(), "default", other, bytes.NewReader(content))
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			releases = append(releases, release)
		}
		return err
	}); n == 0 || n > 3 {
		t.Errorf("%d bundles were stored, want 1 to 3", n)
	}
	for _, release := range releases {
		release()
	}
	checkInvariants(t, s)
	if has := s.Stored("default"); has.Code < b.Bytes || has.Code > b.Bytes+sources {
		t.Errorf("%d bytes of code count, with one bundle of %d", has.Code, b.Bytes)
	}
	s, _ = wantSameAfterRestart(t, s, fs)
	must(t, s.DeleteFunction("default", "id1", by("default")))
	must(t, s.DeleteFunction("default", "id2", by("default")))
	if has := s.Stored("default"); has.Code != 0 || has.Functions != 0 {
		t.Errorf("after the deletion: %+v", has)
	}
}

// TestStoredOfATenantIsBounded fills what a tenant may store with executions, of which exactly as many are
// accepted as fit, and with jobs. Its history gives way, and what has ended makes room.
func TestStoredOfATenantIsBounded(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s, c := openOn(t, fs, "store"), newClerk()
	limits := limitTenants(s)
	var history []runtime.Execution
	for range 50 {
		history = append(history, c.done())
	}
	must(t, s.Record(history))
	batches := make([][]runtime.Accepted, 40)
	for i := range batches {
		batches[i] = c.batch(2)
	}
	each := int(sizeOfQueued(batches[0]))
	limits.Store(&runtime.TenantLimits{StoredBytes: 9*each + each/2})
	accept := func(i int) error {
		_, _, err := s.Accept(batches[i], nil)
		return err
	}
	if n := atOnce(t, len(batches), accept); n != 9 {
		t.Errorf("%d batches were accepted, want 9", n)
	}
	job := runtime.Job{ID: c.done().ID, Tenant: "default", Name: "j", Revision: 1, Created: start, Updated: start, Spec: runtime.JobSpec{Function: "f"}}
	wantCode(t, s.CreateJob(job), runtime.CodeTooBusy)
	large := []runtime.Accepted{{Execution: c.queued(), Args: bytes.Repeat([]byte(" "), 10*each)}}
	_, _, err := s.Accept(large, nil)
	wantCode(t, err, runtime.CodeTooLarge)
	checkInvariants(t, s)

	must(t, s.Expire(c.at.Add(time.Hour), runtime.Retention{}))
	if has := s.Stored("default").Bytes; has > int64(limits.Load().StoredBytes) {
		t.Errorf("%d bytes are stored after retention, and %d may be", has, limits.Load().StoredBytes)
	}
	// What is cancelled makes room at once.
	var queued []runtime.Execution
	must(t, s.EachUnfinished(func(x runtime.Execution) error {
		queued = append(queued, x)
		return nil
	}))
	for _, x := range queued {
		_, _, err := s.Cancel("default", x.ID, c.at)
		must(t, err)
	}
	must(t, s.CreateJob(job))
	s, _ = wantSameAfterRestart(t, s, fs)
	limitTenants(s).Store(&runtime.TenantLimits{StoredBytes: 1})
	must(t, s.DeleteJob("default", job.ID))
	must(t, s.Expire(c.at.Add(time.Hour), runtime.Retention{}))
	if has := s.Stored("default").Bytes; has != 0 {
		t.Errorf("%d bytes are stored of a tenant that may store none", has)
	}
	checkInvariants(t, s)
}

// TestRefusedWritesDoNotCount checks that nothing counts that a full disk has refused.
func TestRefusedWritesDoNotCount(t *testing.T) {
	t.Parallel()
	free := uint64(1 << 40)
	s, c := openOn(t, sizedFS{vfs.NewMem(), &free}, "store"), newClerk()
	limitTenants(s).Store(&runtime.TenantLimits{Functions: 100, CodeBytes: 1 << 30, StoredBytes: 1 << 30})
	must(t, s.CreateFunction(function("default", "id", "f", 1), version("id", 1, "source"), by("default")))
	before := s.Stored("default")
	free = DefaultMinFree - 1
	for range 3 {
		wantCode(t, s.CreateFunction(function("default", "id2", "g", 1), version("id2", 1, "source"), by("default")), runtime.CodeUnavailable)
		wantCode(t, s.UpdateFunction(function("default", "id", "f", 2), new(version("id", 2, "source")), by("default")), runtime.CodeUnavailable)
		_, _, err := s.Accept(c.batch(3), nil)
		wantCode(t, err, runtime.CodeUnavailable)
		wantCode(t, s.CreateJob(runtime.Job{ID: c.done().ID, Tenant: "default", Name: "j", Revision: 1, Spec: runtime.JobSpec{Function: "f"}}), runtime.CodeUnavailable)
	}
	if after := s.Stored("default"); after != before {
		t.Errorf("refused writes count: %+v, and before %+v", after, before)
	}
	free = 1 << 40
	checkInvariants(t, s)
}

// TestJobsOfATenantAreBounded changes jobs of a tenant that is full, and runs one to its end: revisions and
// executions count as long as they are stored, and what is full takes no more of them.
func TestJobsOfATenantAreBounded(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s, c := openOn(t, fs, "store"), newClerk()
	limits := limitTenants(s)
	x := newRun(t, s, c, 3)
	j, err := s.GetJobByID(x.Tenant, x.JobID)
	must(t, err)
	revise := func(description string) error {
		next := j
		next.Revision++
		next.Spec.Env = []runtime.EnvVar{{Name: "TEXT", Value: description}}
		err := s.UpdateJob(next)
		if err == nil {
			j = next
		}
		return err
	}
	text := string(bytes.Repeat([]byte("x"), 2000))
	for range runtime.KeptRevisions {
		must(t, revise(text))
	}
	checkInvariants(t, s)
	limits.Store(&runtime.TenantLimits{StoredBytes: int(s.Stored("default").Bytes)})
	wantCode(t, revise(text+text), runtime.CodeTooBusy)
	must(t, revise(text)) // in place of another one
	renamed := j
	renamed.DisplayName = text
	wantCode(t, s.UpdateJob(renamed), runtime.CodeTooBusy)
	must(t, revise("short"))
	checkInvariants(t, s)

	// Tasks end, and one is queued again with its output, although there is no room.
	limits.Store(&runtime.TenantLimits{StoredBytes: 1})
	running := startTasks(t, s, x, 3)
	again := running[0]
	again.State, again.FunctionFailures, again.NotBefore = runtime.StateQueued, 1, c.at
	again.Logs = runtime.Logs{Data: bytes.Repeat([]byte("a line\n"), 1000), Marks: []runtime.LogMark{{Stream: 1}}}
	settled, err := s.Finish([]runtime.Execution{again, ended(running[1]), ended(running[2])}, c.at)
	must(t, errors.Join(err, settled[0].Err, settled[1].Err, settled[2].Err))
	s, _ = wantSameAfterRestart(t, s, fs)
	limitTenants(s).Store(&runtime.TenantLimits{StoredBytes: 1})
	_, _, _, err = s.CancelJobExecution(x.Tenant, x.ID, c.at)
	must(t, err)
	checkInvariants(t, s)
	must(t, s.DeleteJob(x.Tenant, x.JobID))
	must(t, s.Expire(c.at.Add(time.Hour), runtime.Retention{}))
	checkInvariants(t, s)
}

// TestHistoryOfOthersStays checks that a limit on what a tenant stores takes nothing from others, and takes
// the place of the limit for all tenants.
func TestHistoryOfOthersStays(t *testing.T) {
	t.Parallel()
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	limits := limitTenants(s)
	recordOf(t, s, c, "default", "f", 20, 100)
	others := recordOf(t, s, c, "other", "f", 20, 100)
	limits.Store(&runtime.TenantLimits{StoredBytes: int(s.Stored("default").Bytes) / 2})
	must(t, s.Expire(c.at.Add(time.Hour), runtime.Retention{}))
	if got := len(keptOf(t, s, "default", "f")); got < 8 || got > 10 {
		t.Errorf("%d of 20 executions are kept, want about half", got)
	}
	if got := keptOf(t, s, "other", "f"); !slices.Equal(got, others) {
		t.Errorf("%d executions of another tenant are kept, want all", len(got))
	}
	before := keptOf(t, s, "default", "f")
	must(t, s.Expire(c.at.Add(time.Hour), runtime.Retention{TenantBytes: 1}))
	if got := keptOf(t, s, "default", "f"); !slices.Equal(got, before) {
		t.Errorf("%d executions are kept of a tenant with a limit of its own, want %d", len(got), len(before))
	}
	if got := keptOf(t, s, "other", "f"); len(got) > 0 {
		t.Errorf("%d executions of another tenant are kept, want none", len(got))
	}
	checkInvariants(t, s)
}

// TestReservationHammer takes and frees room of a tenant from many goroutines, always at its limit: no
// more than the limit is ever counted, and nothing is left.
func TestReservationHammer(t *testing.T) {
	t.Parallel()
	const most, rounds = 3, 5_000
	a := &holdings{all: map[runtime.Tenant]tally{}, limits: func(runtime.Tenant) runtime.TenantLimits {
		goruntime.Gosched() // others come to the lock
		return runtime.TenantLimits{Functions: most, CodeBytes: 10 * most, StoredBytes: 100 * most}
	}}
	one := tally{functions: 1, sources: 4, bundles: 6, rest: 100}
	var all sync.WaitGroup
	begin := make(chan struct{})
	for range 8 {
		all.Go(func() {
			<-begin
			for range rounds {
				if a.reserve("a", one) != nil {
					continue
				}
				if h := a.of("a"); h.functions > most {
					t.Errorf("%d of %d are counted", h.functions, most)
					return
				}
				a.add("a", one.negative())
			}
		})
	}
	close(begin)
	all.Wait()
	if h := a.of("a"); h != (tally{}) {
		t.Errorf("%+v is left", h)
	}
	for range most {
		must(t, a.reserve("a", one))
	}
	wantCode(t, a.reserve("a", one), runtime.CodeTooBusy)
}
