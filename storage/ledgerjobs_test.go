package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// jobBook is the jobs that a store should hold. Values in it are never changed.
type jobBook struct {
	jobs       map[string]jobEntry             // by id
	runs       map[string]runtime.JobExecution // by id
	deliveries map[string]bool
}

type jobEntry struct {
	j         runtime.Job
	revisions []runtime.JobRevision // newest first
	ticks     map[string]time.Time  // by trigger
}

func newJobBook() jobBook {
	return jobBook{map[string]jobEntry{}, map[string]runtime.JobExecution{}, map[string]bool{}}
}

func (b jobBook) clone() jobBook {
	return jobBook{maps.Clone(b.jobs), maps.Clone(b.runs), maps.Clone(b.deliveries)}
}

// runOf returns the job's execution that x is a task of.
func (b jobBook) runOf(x runtime.Execution) runtime.JobExecution {
	if x.Task == nil {
		return runtime.JobExecution{}
	}
	return b.runs[x.Task.JobExecution]
}

// started notes that a task starts.
func (b jobBook) started(x runtime.Execution, now time.Time) {
	r := b.runOf(x)
	if !r.Started.IsZero() {
		return
	}
	r.Started, r.Updated = now, now
	if r.State == runtime.StateQueued {
		r.State = runtime.StateRunning
	}
	b.runs[r.ID] = r
}

// failed notes that a task is queued again.
func (b jobBook) failed(before, after runtime.Execution, now time.Time) {
	r := b.runOf(before)
	if before.Task != nil && record.FailuresOf(&before) == (record.Failures{}) && record.FailuresOf(&after) != (record.Failures{}) {
		r.Stats.Retried++
		r.Updated = now
		b.runs[r.ID] = r
	}
}

// ended notes that a task is done, and reports whether all are.
func (b jobBook) ended(x runtime.Execution, now time.Time) bool {
	if x.Task == nil {
		return false
	}
	r := b.runOf(x)
	switch x.State {
	case runtime.StateSucceeded:
		r.Stats.Succeeded++
	case runtime.StateFailed:
		r.Stats.Failed++
	case runtime.StateTimeout:
		r.Stats.Failed++
		r.Stats.TimedOut++
	case runtime.StateCancelled:
		r.Stats.Cancelled++
	}
	r.Updated = now
	s := r.Stats
	done := s.Succeeded+s.Failed+s.Cancelled == s.Total
	if done {
		r.Finished = now
		switch {
		case r.CancelRequested || s.Cancelled == s.Total:
			r.State = runtime.StateCancelled
		case s.TimedOut > 0 && s.TimedOut == s.Failed:
			r.State = runtime.StateTimeout
		case s.Failed > 0:
			r.State = runtime.StateFailed
		default:
			r.State = runtime.StateSucceeded
		}
		if r.Callback != nil {
			b.deliveries[r.ID] = true
		}
	}
	b.runs[r.ID] = r
	return done
}

// find is the plainest form of runtime.JobStore.GetJobExecution.
func (b jobBook) find(jobID, name string) (runtime.JobExecution, bool) {
	for _, r := range b.runs {
		if r.JobID == jobID && (r.Name == name || r.ID == name) {
			return r, true
		}
	}
	return runtime.JobExecution{}, false
}

func (b jobBook) job(tenant runtime.Tenant, name string) (jobEntry, bool) {
	for _, e := range b.jobs {
		if e.j.Tenant == tenant && e.j.Name == name {
			return e, true
		}
	}
	return jobEntry{}, false
}

func sorted[K ~string, V any](m map[K]V) []V {
	var all []V
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, m[key])
	}
	return all
}

func (p *player) jobMove(l ledger) move {
	switch n := p.rng.IntN(20); {
	case n < 3:
		return p.createJob(l)
	case n < 5:
		return p.updateJob(l)
	case n < 6:
		return p.deleteJob(l)
	case n < 9:
		return p.cancelRun(l)
	}
	return p.acceptRun(l)
}

func (p *player) jobSpec() runtime.JobSpec {
	s := runtime.JobSpec{
		Function: "f", Memory: p.rng.Int64N(1 << 30), Timeout: time.Duration(p.rng.IntN(1e9)), MaxRetries: p.rng.IntN(3),
		Env: []runtime.EnvVar{{Name: "A", Value: "<\x00ü", Secret: true}},
	}
	if p.rng.IntN(2) == 0 {
		s.Triggers = []runtime.Trigger{{
			ID: "t", Type: runtime.TriggerCron, Schedule: "* * * * *", Missed: runtime.MissedCatchUp,
			Tasks: []json.RawMessage{json.RawMessage(`{"a":1}`)},
		}}
	}
	return s
}

// pickJob returns a random job, if there is one.
func (p *player) pickJob(l ledger) (jobEntry, bool) {
	all := sorted(l.jobs)
	if len(all) == 0 {
		return jobEntry{}, false
	}
	return all[p.rng.IntN(len(all))], true
}

func (p *player) createJob(l ledger) move {
	p.now = p.now.Add(time.Millisecond)
	j := runtime.Job{
		ID: storetest.ID(p.rng, p.now), Tenant: ledgerTenants[p.rng.IntN(len(ledgerTenants))], Name: fmt.Sprint("job", p.rng.IntN(3)),
		DisplayName: "Job", Labels: map[string]string{"k": "v"}, Revision: 1, Spec: p.jobSpec(), Created: p.now, Updated: p.now, CreatedBy: "ada", UpdatedBy: "ada",
	}
	after, code := l, runtime.CodeAlreadyExists
	if _, taken := l.job(j.Tenant, j.Name); !taken {
		after, code = l.hardened(), ""
		after.jobs[j.ID] = jobEntry{j, []runtime.JobRevision{{Number: 1, Spec: j.Spec, Created: p.now, CreatedBy: "ada"}}, map[string]time.Time{}}
	}
	return move{"create job " + j.ID, func(s *Store) error { return wantsCode(s.CreateJob(j), code) }, after}
}

func wantsCode(err error, code runtime.Code) error {
	if runtime.CodeOf(err) != code {
		return fmt.Errorf("got %w, want the code %q", err, code)
	}
	return nil
}

func (p *player) updateJob(l ledger) move {
	e, ok := p.pickJob(l)
	if !ok {
		return p.createJob(l)
	}
	e.j.DisplayName, e.j.Updated, e.j.UpdatedBy = fmt.Sprint("Job ", p.rng.IntN(100)), p.now, "bob"
	if p.rng.IntN(3) > 0 {
		e.j.Revision++
		e.j.Spec = p.jobSpec()
		next := runtime.JobRevision{Number: e.j.Revision, Spec: e.j.Spec, Created: p.now, CreatedBy: "bob"}
		e.revisions = append([]runtime.JobRevision{next}, e.revisions...)
		e.revisions = e.revisions[:min(len(e.revisions), runtime.KeptRevisions)]
	}
	after := l.hardened()
	after.jobs[e.j.ID] = e
	return move{"update job " + e.j.ID, func(s *Store) error {
		skipped := e.j
		skipped.Revision += 2
		if err := wantsCode(s.UpdateJob(skipped), runtime.CodeInternal); err != nil {
			return err
		}
		return s.UpdateJob(e.j)
	}, after}
}

func (p *player) deleteJob(l ledger) move {
	e, ok := p.pickJob(l)
	if !ok {
		return p.createJob(l)
	}
	after := l.hardened()
	delete(after.jobs, e.j.ID)
	return move{"delete job " + e.j.ID, func(s *Store) error { return s.DeleteJob(e.j.Tenant, e.j.ID) }, after}
}

func (p *player) acceptRun(l ledger) move {
	e, ok := p.pickJob(l)
	if !ok {
		return p.createJob(l)
	}
	p.now = p.now.Add(time.Millisecond)
	j := e.j
	x := runtime.JobExecution{
		ID: storetest.ID(p.rng, p.now), Tenant: j.Tenant, JobID: j.ID, Job: j.Name, Revision: j.Revision, FunctionID: "id0", Function: "f0",
		State: runtime.StateQueued, Created: p.now, Updated: p.now, Caller: runtime.Caller{UserID: "ada", TraceID: "t"},
		Parallelism: 2, Memory: 1 << 27, Timeout: time.Minute, MaxRetries: 1, Env: map[string]string{"A": "1"},
		Stats: runtime.TaskCounts{Total: 1 + p.rng.IntN(4)},
	}
	x.Name = x.ID
	if p.rng.IntN(2) == 0 {
		x.Name = fmt.Sprint("Run-", p.rng.IntN(6))
	}
	if all := sorted(l.runs); len(all) > 0 && p.rng.IntN(10) == 0 {
		x.Name = all[p.rng.IntN(len(all))].ID
	}
	if p.rng.IntN(3) == 0 {
		x.Callback = &runtime.Callback{URL: "https://example.com/", Secret: "s", Retry: 3}
	}
	var batch []runtime.Accepted
	for i := range x.Stats.Total {
		t := p.fresh()
		t.ID, t.Tenant, t.Kind, t.Created, t.Task = runtime.TaskID(x.ID, i), x.Tenant, runtime.KindRun, x.Created, &runtime.TaskRef{JobExecution: x.ID, Index: i}
		t.Caller.TraceID = "t"
		args := p.args(&t)
		batch = append(batch, runtime.Accepted{Execution: t, Args: args})
	}
	after, id, replay := l.hardened(), x.ID, false
	var want error
	var key *runtime.IdempotencyKey
	var tick *runtime.Tick
	if p.rng.IntN(3) == 0 {
		key = &runtime.IdempotencyKey{Key: fmt.Sprint("k\x00", p.rng.IntN(4)), Hash: [32]byte{byte(p.rng.IntN(2))}, Now: p.now}
		old, there := l.promises[string(x.Tenant)+"/"+key.Key]
		if there && p.now.Sub(old.at) < runtime.IdempotencyPeriod {
			id, replay = old.ids[0], true
			if old.hash != key.Hash {
				want, replay = runtime.Errorf(runtime.CodeConflict, ""), false
			}
		}
	}
	_, taken := l.find(j.ID, x.Name)
	if want == nil && !replay && taken {
		want = runtime.Errorf(runtime.CodeAlreadyExists, "")
	}
	if p.rng.IntN(3) == 0 {
		tick = &runtime.Tick{JobID: j.ID, Trigger: fmt.Sprint("t", p.rng.IntN(2)), At: start.Add(time.Duration(p.rng.IntN(50)) * time.Minute)}
		if last := e.ticks[tick.Trigger]; want == nil && !replay && !last.Before(tick.At) {
			want = runtime.ErrTick
		}
	}
	switch {
	case want != nil:
		after, id = l, ""
	case replay:
		after = l
	default:
		after.runs[x.ID] = x
		for _, a := range batch {
			after.all[a.Execution.ID] = entry{x: a.Execution, args: a.Args}
		}
		if key != nil {
			after.promises[string(x.Tenant)+"/"+key.Key] = promise{p.now, key.Hash, []string{x.ID}}
		}
		if tick != nil {
			e.ticks = maps.Clone(e.ticks)
			e.ticks[tick.Trigger] = tick.At
			after.jobs[j.ID] = e
		}
	}
	return move{"accept run " + x.ID + " as " + x.Name, func(s *Store) error {
		got, replayed, err := s.AcceptJob(x, batch, key, tick)
		switch {
		case want == runtime.ErrTick && errors.Is(err, runtime.ErrTick):
		case runtime.CodeOf(err) != runtime.CodeOf(want) || replayed != replay || got != id:
			return fmt.Errorf("accepted %q, %v, %w; want %q, %v, %w", got, replayed, err, id, replay, want)
		}
		return nil
	}, after}
}

func (p *player) cancelRun(l ledger) move {
	all := sorted(l.runs)
	if len(all) == 0 {
		return p.acceptRun(l)
	}
	r := all[p.rng.IntN(len(all))]
	after, changes := l, !r.State.Terminal() && !r.CancelRequested
	var ids []string
	if changes {
		after = l.hardened()
		marked := r
		marked.CancelRequested, marked.State, marked.Updated = true, runtime.StateCancelling, p.now
		after.runs[r.ID] = marked
		for i := range r.Stats.Total {
			id := runtime.TaskID(r.ID, i)
			e := after.all[id]
			if e.x.State != runtime.StateQueued {
				continue
			}
			e.x = e.x.Cancelled(p.now)
			e.x.CancelRequested = true
			e.args = keptArgs(&e.x, e.args)
			after.all[id] = e
			after.ended(e.x, p.now)
			ids = append(ids, id)
		}
	}
	now, want := p.now, after.runs[r.ID]
	return move{"cancel run " + r.ID, func(s *Store) error {
		x, changed, cancelled, err := s.CancelJobExecution(r.Tenant, r.ID, now)
		if err != nil || changed != changes || !cmp.Equal(x, want) || !slices.Equal(cancelled, ids) {
			return fmt.Errorf("cancelled %v, %v, %w: %s", changed, cancelled, err, cmp.Diff(want, x))
		}
		return nil
	}, after}
}

// holdingJobs reads all jobs of a store.
func holdingJobs(t testing.TB, s *Store) jobBook {
	t.Helper()
	b := newJobBook()
	must(t, s.EachJob(func(j runtime.Job) error {
		e := jobEntry{j: j, ticks: map[string]time.Time{}}
		var err error
		e.revisions, err = s.ListJobRevisions(j.Tenant, j.ID)
		must(t, err)
		for _, trigger := range []string{"t0", "t1"} {
			at, err := s.LastTick(j.Tenant, j.ID, trigger)
			must(t, err)
			if !at.IsZero() {
				e.ticks[trigger] = at
			}
		}
		b.jobs[j.ID] = e
		return nil
	}))
	for _, tenant := range ledgerTenants {
		for _, kind := range []byte{keys.KindJobAccepted, keys.KindJobDone, keys.KindDelivery} {
			must(t, kv.EachID(s.db, tenant, kind, func(at *kv.IDIterator) {
				if kind == keys.KindDelivery {
					b.deliveries[at.ID.String()] = true
					return
				}
				x, err := s.GetJobExecutionByID(tenant, at.ID.String())
				must(t, err)
				b.runs[x.ID] = x
			}))
		}
	}
	return b
}

func (b jobBook) diff(got jobBook) []string {
	opts := cmp.AllowUnexported(jobEntry{})
	var lines []string
	for _, diff := range []string{cmp.Diff(b.jobs, got.jobs, opts), cmp.Diff(b.runs, got.runs), cmp.Diff(b.deliveries, got.deliveries)} {
		if diff != "" {
			lines = append(lines, diff)
		}
	}
	return lines
}

var jobSorts = []runtime.SortOrder{runtime.SortCreatedAsc, runtime.SortCreatedDesc, runtime.SortNameAsc, runtime.SortNameDesc}

// plainPage returns a page in the plainest way.
func plainPage[T any](all []T, l runtime.PageRequest, id, name func(T) string) (page []T, next string) {
	position := id
	if l.Sort == runtime.SortNameAsc || l.Sort == runtime.SortNameDesc {
		position = name
	}
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(position(a), position(b)) })
	if l.Sort == runtime.SortNameDesc || l.Sort == runtime.SortCreatedDesc {
		slices.Reverse(all)
	}
	skip := l.Offset
	if l.After != "" {
		skip = 1 + slices.IndexFunc(all, func(x T) bool { return position(x) == l.After })
	}
	all = all[min(skip, len(all)):]
	if len(all) > l.Limit {
		all = all[:l.Limit]
		next = position(all[l.Limit-1])
	}
	return all, next
}

// taskState returns the letter of the task with an id.
func (l ledger) taskState(id string) runtime.TaskState {
	switch x := l.all[id].x; {
	case x.State == runtime.StateRunning:
		return runtime.TaskRunning
	case x.State == runtime.StateCancelling:
		return runtime.TaskStopping
	case x.State == runtime.StateQueued && x.Attempt == 0:
		return runtime.TaskQueued
	case x.State == runtime.StateQueued:
		return runtime.TaskWaiting
	default:
		return runtime.TaskStateOf(x.State)
	}
}

// compareJobs compares lists of jobs and of their executions.
func (p *player) compareJobs(t *testing.T, s *Store, l ledger) {
	t.Helper()
	listing := runtime.PageRequest{Sort: jobSorts[p.rng.IntN(len(jobSorts))], Limit: 1 + p.rng.IntN(4)}
	tenant := ledgerTenants[p.rng.IntN(len(ledgerTenants))]
	var jobs []runtime.Job
	for _, e := range sorted(l.jobs) {
		if e.j.Tenant == tenant {
			jobs = append(jobs, e.j)
		}
	}
	page, err := s.ListJobs(tenant, listing)
	must(t, err)
	want, next := plainPage(slices.Clone(jobs), listing, func(j runtime.Job) string { return j.ID }, func(j runtime.Job) string { return j.Name })
	if diff := cmp.Diff(want, page.Items); diff != "" || next != page.Next || page.Total != len(jobs) {
		t.Fatalf("jobs with %+v: %s, next %q, want %q, %d in all, want %d", listing, diff, page.Next, next, page.Total, len(jobs))
	}
	if len(jobs) == 0 {
		return
	}
	j := jobs[p.rng.IntN(len(jobs))]
	var all, found []runtime.JobExecution
	listing.Query = []string{"", "RUN", "run-1", "-"}[p.rng.IntN(4)]
	for _, r := range sorted(l.runs) {
		if r.JobID != j.ID {
			continue
		}
		all = append(all, r)
		if strings.Contains(strings.ToLower(r.Name), strings.ToLower(listing.Query)) {
			found = append(found, r)
		}
		got, err := s.GetJobExecution(tenant, j.ID, r.Name)
		if diff := cmp.Diff(r, got); err != nil || diff != "" {
			t.Fatalf("%s by its name: %v, %s", r.Name, err, diff)
		}
		states, err := s.TaskStates(tenant, r.ID, r.Stats.Total)
		must(t, err)
		for i, state := range states {
			if want := l.taskState(runtime.TaskID(r.ID, i)); state != want {
				t.Fatalf("task %d of %s is %q, want %q", i, r.Name, state, want)
			}
		}
	}
	id, name := func(r runtime.JobExecution) string { return r.ID }, func(r runtime.JobExecution) string { return r.Name }
	if p.rng.IntN(2) == 0 {
		listing.Offset = p.rng.IntN(3)
	}
	for {
		page, err := s.ListJobExecutions(tenant, j.ID, listing)
		must(t, err)
		want, next := plainPage(slices.Clone(found), listing, id, name)
		if diff := cmp.Diff(want, page.Items); diff != "" && len(want)+len(page.Items) > 0 || next != page.Next || page.Total != len(all) {
			t.Fatalf("executions of a job with %+v: %s, next %q, want %q, %d in all, want %d", listing, diff, page.Next, next, page.Total, len(all))
		}
		if listing.After = next; next == "" {
			return
		}
	}
}
