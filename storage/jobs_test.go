package storage

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
)

// newRun creates a job and accepts an execution of it.
func newRun(t testing.TB, s *Store, c *clerk, tasks int) runtime.JobExecution {
	t.Helper()
	j := runtime.Job{
		ID: c.done().ID, Tenant: "default", Name: fmt.Sprint("job", c.at.UnixNano()), Revision: 1,
		Spec: runtime.JobSpec{Function: "f"}, Created: c.at, Updated: c.at,
	}
	must(t, s.CreateJob(j))
	x := runtime.JobExecution{
		ID: c.done().ID, Tenant: j.Tenant, JobID: j.ID, Job: j.Name, Revision: 1, Function: "f", State: runtime.StateQueued,
		Created: c.at, Updated: c.at, Stats: runtime.TaskCounts{Total: tasks},
	}
	x.Name = x.ID
	var batch []runtime.Accepted
	for i := range tasks {
		task := c.queued()
		task.ID, task.Tenant, task.Function, task.Task = runtime.TaskID(x.ID, i), x.Tenant, "f", &runtime.TaskRef{JobExecution: x.ID, Index: i}
		batch = append(batch, runtime.Accepted{Execution: task})
	}
	_, _, err := s.AcceptJob(x, batch, nil, nil)
	must(t, err)
	return x
}

// startTasks starts tasks, and returns them as they run.
func startTasks(t testing.TB, s *Store, x runtime.JobExecution, n int) []runtime.Execution {
	t.Helper()
	var all []runtime.Execution
	var leases []runtime.Lease
	for i := range n {
		task, err := s.GetExecution(x.Tenant, runtime.TaskID(x.ID, i))
		must(t, err)
		task.Attempt++
		all = append(all, task)
		leases = append(leases, runtime.Lease{Tenant: x.Tenant, ID: task.ID, Attempt: task.Attempt, Started: x.Created, JobExecution: x.ID})
	}
	refused, err := s.Start(leases)
	must(t, errors.Join(append(refused, err)...))
	return all
}

// The logs of cancelled tasks may not fit into one batch. The cancellation then takes several, and
// a later call completes one that was interrupted.
func TestLargeCancellation(t *testing.T) {
	t.Parallel()
	fs := vfs.NewCrashableMem()
	s, c := openOn(t, fs, "store"), newClerk()
	const tasks, logs = 40, 1 << 20
	x := newRun(t, s, c, tasks)
	waiting := startTasks(t, s, x, tasks)
	for i := range waiting {
		waiting[i].State, waiting[i].FunctionFailures, waiting[i].Logs.Data = runtime.StateQueued, 1, make([]byte, logs)
	}
	for i := range waiting {
		settled, err := s.Finish(waiting[i:i+1], c.at)
		must(t, errors.Join(err, settled[0].Err))
	}
	// A process that died after the first batch has left the mark and a part.
	of := executionRef{x.Tenant, mustID(t, x.ID)}
	jobs := lockedExecutions{Store: s}.jobs(c.at)
	j, err := jobs.of(of.tenant, of.id)
	must(t, err)
	first := executionRef{x.Tenant, mustID(t, runtime.TaskID(x.ID, 0))}
	must(t, s.writeEnds(commit.Relief, func(b *pebble.Batch, found *ends) error {
		j.CancelRequested = true
		ended, err := lockedExecutions{Store: s}.cancelTask(b, found, first, c.at)
		j.count(runtime.StateCancelled)
		if !ended {
			t.Error("the task was not queued")
		}
		return errors.Join(err, jobs.put(b, found))
	}))
	s2 := openOn(t, crashClone(fs, vfs.CrashCloneCfg{}), "store")
	pending := 0
	must(t, s2.EachUnfinishedJobExecution(func(got runtime.JobExecution, deleted bool) error {
		pending++
		if got.ID != x.ID || !got.CancelRequested || deleted || got.Stats.Cancelled != 1 {
			t.Errorf("left is %+v, %v", got, deleted)
		}
		return nil
	}))
	got, changed, ids, err := s2.CancelJobExecution(x.Tenant, x.ID, c.at)
	must(t, err)
	if changed || len(ids) != tasks-1 || got.State != runtime.StateCancelled || got.Stats.Cancelled != tasks || pending != 1 {
		t.Errorf("the cancelled execution is %+v, %v, %d tasks", got, changed, len(ids))
	}
	checkInvariants(t, s2)
}

func mustID(t testing.TB, text string) keys.ID {
	t.Helper()
	id, ok := keys.ParseID(text)
	if !ok {
		t.Fatalf("%q is not an id", text)
	}
	return id
}

// A job's execution ends with its last task and not before, also in a batch with others.
func TestTheLastTaskEndsItsExecution(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	x, y := newRun(t, s, c, 3), newRun(t, s, c, 1)
	all := append(startTasks(t, s, x, 3), startTasks(t, s, y, 1)...)
	for i := range all {
		all[i] = ended(all[i])
	}
	later := c.at.Add(time.Minute)
	settled, err := s.Finish(all[1:], later)
	must(t, err)
	if settled[0].JobDone || settled[1].JobDone || !settled[2].JobDone {
		t.Errorf("done are %+v", settled)
	}
	settled, err = s.Finish([]runtime.Execution{all[0], all[0], all[1]}, later)
	must(t, err)
	if !settled[0].JobDone || !errors.Is(settled[1].Err, runtime.ErrLease) || settled[1].JobDone || !errors.Is(settled[2].Err, runtime.ErrLease) {
		t.Errorf("done are %+v", settled)
	}
	got, err := s.GetJobExecution(x.Tenant, x.JobID, x.ID)
	must(t, err)
	x.State, x.Started, x.Finished, x.Updated = got.State, x.Created, later, later
	x.Stats = got.Stats
	x.TraceID = got.TraceID
	if diff := cmp.Diff(x, got); diff != "" || got.Stats.Ended() != 3 || !got.State.Terminal() {
		t.Errorf("it ended as %+v, %s", got, diff)
	}
	checkInvariants(t, s)
}

// Calls that break the contract of the store change nothing.
func TestMisuseOfJobs(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	x := newRun(t, s, c, 2)
	before := countKeys(t, s)
	task := c.queued()
	task.Task = &runtime.TaskRef{JobExecution: x.ID}
	_, _, err := s.Accept([]runtime.Accepted{{Execution: task}}, nil)
	wantCode(t, err, runtime.CodeInternal)
	y := x
	y.ID = c.done().ID
	y.Name = y.ID
	task.ID, task.Tenant = runtime.TaskID(y.ID, 0), y.Tenant
	task.Task = &runtime.TaskRef{JobExecution: y.ID}
	y.Stats = runtime.TaskCounts{Total: 1}
	for name, change := range map[string]func(x *runtime.JobExecution, task *runtime.Execution){
		"a state": func(x *runtime.JobExecution, _ *runtime.Execution) { x.State = runtime.StateRunning },
		"a count": func(x *runtime.JobExecution, _ *runtime.Execution) { x.Stats.Succeeded = 1 },
		"a total": func(x *runtime.JobExecution, _ *runtime.Execution) { x.Stats.Total = 2 },
		"no name": func(x *runtime.JobExecution, _ *runtime.Execution) { x.Name = "" },
		"an id":   func(_ *runtime.JobExecution, task *runtime.Execution) { task.ID = c.done().ID },
		"a number": func(_ *runtime.JobExecution, task *runtime.Execution) {
			task.Task = &runtime.TaskRef{JobExecution: y.ID, Index: 1}
		},
		"another's": func(_ *runtime.JobExecution, task *runtime.Execution) {
			task.Task = &runtime.TaskRef{JobExecution: x.ID}
		},
		"none":         func(_ *runtime.JobExecution, task *runtime.Execution) { task.Task = nil },
		"other tenant": func(_ *runtime.JobExecution, task *runtime.Execution) { task.Tenant = "other" },
	} {
		x, task := y, task
		change(&x, &task)
		_, _, err := s.AcceptJob(x, []runtime.Accepted{{Execution: task}}, nil, nil)
		if runtime.CodeOf(err) != runtime.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
	}
	y.JobID = c.done().ID
	_, _, err = s.AcceptJob(y, []runtime.Accepted{{Execution: task}}, nil, nil)
	wantCode(t, err, runtime.CodeNotFound)
	for _, id := range []string{c.done().ID, "x", ""} {
		_, _, _, err := s.CancelJobExecution(x.Tenant, id, c.at)
		wantCode(t, err, runtime.CodeNotFound)
		_, err = s.GetJobExecutionByID(x.Tenant, id)
		wantCode(t, err, runtime.CodeNotFound)
		_, err = s.GetJobExecution(x.Tenant, x.JobID, id)
		wantCode(t, err, runtime.CodeNotFound)
		wantCode(t, s.DeleteJob(x.Tenant, id), runtime.CodeNotFound)
		_, err = s.GetJobByName(x.Tenant, id)
		wantCode(t, err, runtime.CodeNotFound)
	}
	_, _, _, err = s.CancelJobExecution("other", x.ID, c.at)
	wantCode(t, err, runtime.CodeNotFound)
	_, err = s.GetJobByID("other", x.JobID)
	wantCode(t, err, runtime.CodeNotFound)
	if n := countKeys(t, s); n != before {
		t.Errorf("%d keys became %d", before, n)
	}
	checkInvariants(t, s)
}

// endingReader ends an execution of a job between the first and the second read.
type endingReader struct {
	kv.Reader
	end func()
}

func (r *endingReader) Get(key []byte) ([]byte, io.Closer, error) {
	value, closer, err := r.Reader.Get(key)
	if end := r.end; end != nil {
		r.end = nil
		end()
	}
	return value, closer, err
}

// An execution of a job that ends while it is read without a snapshot is found all the same.
func TestReadsFindAJobExecutionThatEnds(t *testing.T) {
	t.Parallel()
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	defer s.Close()
	x := newRun(t, s, c, 1)
	task := startTasks(t, s, x, 1)[0]
	task.State, task.Finished, task.Result = runtime.StateSucceeded, c.at, []byte("1")
	r := &endingReader{Reader: s.db, end: func() {
		results, err := s.Finish([]runtime.Execution{task}, c.at)
		must(t, errors.Join(err, results[0].Err))
		if !results[0].JobDone {
			t.Error("the execution has not ended")
		}
	}}
	got, err := readJobExecution(r, x.Tenant, mustID(t, x.ID))
	if err != nil || got.ID != x.ID {
		t.Errorf("read %+v, %v", got, err)
	}
}
