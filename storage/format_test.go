package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fixedID returns the id of the n-th execution of the golden store. Ids whose n is a multiple of 64
// are in the sample.
func fixedID(n int) string { return fmt.Sprintf("0193%04x-0000-7000-8000-%012x", n, n) }

// goldenStore makes a store that has at least one key of every kind.
func goldenStore(t *testing.T) *Store {
	t.Helper()
	s := openOn(t, vfs.NewMem(), "store")
	at := time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
	large := storetest.Noise(runtime.ListedResult + 1)
	execution := func(n int, kind runtime.Kind, state runtime.State) runtime.Execution {
		return runtime.Execution{
			ID: fixedID(n), Tenant: "t\x00", Kind: kind, FunctionID: "function id", Function: "f", Version: 1, State: state,
			Created: at, Retries: 2, Caller: runtime.Caller{UserID: "ada", RID: "ri.x", TraceID: strings.Repeat("ab", 16), TraceOwner: "ri.y"},
		}
	}
	done := func(n int, kind runtime.Kind, state runtime.State) runtime.Execution {
		x := execution(n, kind, state)
		x.Started, x.Finished, x.Attempt = at.Add(time.Duration(n)*time.Millisecond), at.Add(time.Second), 1
		if kind != runtime.KindRun { // a change begins a trace of its own
			x.Caller.TraceID, x.Caller.TraceOwner = "", ""
		}
		x.Usage = runtime.Usage{Duration: 17 * time.Millisecond, Memory: 1 << 20, Pages: 3}
		return x
	}
	key := func(name string) *runtime.IdempotencyKey {
		return &runtime.IdempotencyKey{Key: name, Hash: [32]byte{1, 31: 2}, Now: at}
	}
	accept := func(n int, args []byte) runtime.Execution {
		x := execution(n, runtime.KindRun, runtime.StateQueued)
		_, _, err := s.Accept([]runtime.Accepted{{Execution: x, Args: args}}, nil)
		must(t, err)
		return x
	}
	lease := func(x runtime.Execution) runtime.Execution {
		x.State, x.Attempt, x.Started = runtime.StateRunning, x.Attempt+1, at
		l := runtime.Lease{Tenant: x.Tenant, ID: x.ID, Attempt: x.Attempt, Started: at}
		if x.Task != nil {
			l.JobExecution = x.Task.JobExecution
		}
		refused, err := s.Start([]runtime.Lease{l})
		must(t, errors.Join(append(refused, err)...))
		return x
	}
	finish := func(x runtime.Execution) {
		settled, err := s.Finish([]runtime.Execution{x}, at.Add(time.Second))
		must(t, err)
		must(t, settled[0].Err)
	}

	must(t, s.PutSetting("a setting", []byte("its value")))
	must(t, s.PutTenant(runtime.TenantRecord{Name: "t\x00", Created: at, Deleting: true}, nil))
	must(t, s.PutTokens([]runtime.Token{
		{
			ID: fixedID(200), Tenant: "t\x00", Name: "ci", Scope: runtime.ScopeInvoke, Functions: []string{"f"}, Created: at, CreatedBy: "ada",
			Expires: at.Add(time.Hour), LastUsed: at, Hash: [32]byte{1, 31: 2}, Previous: [32]byte{3}, PreviousExpires: at.Add(time.Minute),
		},
		{
			ID: fixedID(201), Name: "ops", Scope: runtime.ScopeOperator, Created: at,
			Password: &runtime.PasswordHash{Salt: []byte("salt"), Hash: []byte("hash"), Time: 2, Memory: 19456, Parallelism: 1},
		},
	}))

	entry := runtime.AuditEntry{
		ID: fixedID(202), Time: at, Tenant: "t\x00", By: runtime.AuditActor{User: "ci", Token: fixedID(200), Tenant: "t\x00"}, Remote: "192.0.2.1:4711",
		Outcome: runtime.AuditRefused, Operation: "job.update", Name: "job", Thing: fixedID(100), Fields: []string{"context"}, Count: 1,
	}
	must(t, s.BeginAudit(entry))

	// Functions, versions, and the executions of their changes.
	f := runtime.Function{ID: "function id", Tenant: "t\x00", Name: "f", Version: 1, Created: at, Updated: at}
	v := runtime.Version{
		FunctionID: f.ID, Number: 1, Name: "f", Source: []byte("source"), Context: []byte(`{"k":"v"}`), Created: at, Retries: 2,
		Limits: runtime.Limits{Timeout: time.Second, Memory: 1 << 27, Logs: 2, OpenFiles: 3, Tmp: 4},
	}
	must(t, s.CreateFunction(f, v, runtime.Change{Execution: done(1, runtime.KindCreate, runtime.StateSucceeded), Key: key("change")}))
	f.Version, f.Name, v.Number, v.Context = 2, "renamed", 2, nil
	must(t, s.UpdateFunction(f, &v, runtime.Change{Execution: done(2, runtime.KindUpdate, runtime.StateSucceeded)}))
	zip := []byte("the zip of a bundle")
	v.Bundle = runtime.Bundle{ID: sha256.Sum256(zip), Bytes: int64(len(zip))}
	release, err := s.StageBundle(context.Background(), f.Tenant, v.Bundle, bytes.NewReader(zip))
	must(t, err)
	defer release()
	must(t, s.StoreBytecode(context.Background(), f.Tenant, v.Bundle.ID, runtime.GuestBuild{1}, 8, strings.NewReader("bytecode")))
	g := runtime.Function{ID: "id of a bundle's", Tenant: "t\x00", Name: "g", Version: 1, Created: at, Updated: at}
	v.FunctionID, v.Number, v.Name = g.ID, 1, g.Name
	must(t, s.CreateFunction(g, v, runtime.Change{Execution: done(22, runtime.KindCreate, runtime.StateSucceeded)}))

	// Executions: queued, running, waiting for their second attempt, to be cancelled, done.
	accept(3, []byte(`{"a":1}`))
	accept(4, large)
	lease(accept(5, []byte("{}")))
	x := lease(accept(6, []byte("{}")))
	x.State, x.FunctionFailures, x.PlatformFailures, x.LostAttempts, x.NotBefore = runtime.StateQueued, 1, 2, 3, at.Add(time.Minute)
	x.Suspicion.Losses = 3
	x.Logs = runtime.Logs{Data: []byte("out"), Marks: []runtime.LogMark{{Stream: 1}, {Offset: 2, Stream: 2}}, Truncated: true}
	finish(x)
	// Suspects: waiting, and on probation.
	suspicion := runtime.Suspicion{Losses: 4, Stretch: 1, Charges: 2}
	for _, n := range []int{20, 21} {
		x = lease(accept(n, nil))
		x.State, x.LostAttempts, x.Suspicion = runtime.StateQueued, 5, suspicion
		finish(x)
	}
	refused, err := s.Start([]runtime.Lease{{Tenant: x.Tenant, ID: x.ID, Attempt: 2, Started: at, Probation: runtime.ProbationAlone}})
	must(t, errors.Join(append(refused, err)...))
	_, _, err = s.Cancel("t\x00", lease(accept(7, nil)).ID, at)
	must(t, err)
	keyed := execution(8, runtime.KindRun, runtime.StateQueued)
	_, _, err = s.Accept([]runtime.Accepted{{Execution: keyed}}, key("run"))
	must(t, err)
	x = lease(accept(9, large))
	x.State, x.Finished, x.Result, x.Logs = runtime.StateSucceeded, at.Add(time.Second), large, runtime.Logs{Data: large, Marks: []runtime.LogMark{{Stream: 1}}}
	finish(x)
	x = done(64, runtime.KindRun, runtime.StateFailed)
	x.Failure = &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "m", Traceback: "b", Line: 6, ExitCode: -1}
	must(t, s.Record([]runtime.Execution{x}))
	var batch []runtime.Execution // whose postings share keys, and refer to each other
	for n := 10; n < 20; n++ {
		x := done(n, runtime.KindRun, runtime.StateSucceeded)
		x.Result = []byte(`"ok"`)
		if n%2 == 0 {
			x.Caller.UserID = "grace"
		}
		batch = append(batch, x)
	}
	must(t, s.Record(batch))

	// Jobs, their executions and tasks, callbacks and dead letters.
	j := runtime.Job{
		ID: fixedID(100), Tenant: "t\x00", Name: "job", DisplayName: "Job", Labels: map[string]string{"k": "v"}, Revision: 1,
		Created: at, Updated: at, CreatedBy: "ada", UpdatedBy: "bob",
		Spec: runtime.JobSpec{
			Function: "f", Disabled: true, Memory: 1 << 27, Timeout: time.Minute, MaxRetries: 2, MaxConcurrentTasks: 3,
			Env: []runtime.EnvVar{{Name: "A", Value: "1", Secret: true}},
			Triggers: []runtime.Trigger{{
				ID: "trigger", Type: runtime.TriggerCron, Schedule: "* * * * *", TimeZone: "UTC", Missed: runtime.MissedCatchUp, CallbackURL: "https://example.com/",
				CallbackSecret: "s", Retry: 4, Tasks: []json.RawMessage{json.RawMessage(`{"a":1}`)}, Timeout: time.Second,
			}},
		},
	}
	must(t, s.CreateJob(j))
	acceptJob := func(n int, name string, tick *runtime.Tick) (tasks []runtime.Accepted) {
		x := runtime.JobExecution{
			ID: fixedID(n), Name: fixedID(n), Tenant: "t\x00", JobID: j.ID, Job: j.Name, Revision: 1, FunctionID: f.ID, Function: f.Name,
			State: runtime.StateQueued, Created: at, Updated: at, Caller: runtime.Caller{UserID: "ada", RID: "ri.x", TraceID: strings.Repeat("cd", 16), TraceOwner: "ri.y"},
			Trigger: "trigger", Parallelism: 2, MemoryOverride: 1 << 28, EnvOverride: map[string]string{"B": "2"}, Memory: 1 << 27, Timeout: time.Minute,
			MaxRetries: 1, Env: map[string]string{"A": "1"}, Stats: runtime.TaskCounts{Total: 2},
			Callback: &runtime.Callback{URL: "https://example.com/", Secret: "s", Retry: 3},
		}
		if name != "" {
			x.Name = name
		}
		for i := range x.Stats.Total {
			task := execution(0, runtime.KindRun, runtime.StateQueued)
			task.ID, task.Task = runtime.TaskID(x.ID, i), &runtime.TaskRef{JobExecution: x.ID, Index: i}
			tasks = append(tasks, runtime.Accepted{Execution: task, Args: []byte(`{"a":1}`)})
		}
		_, _, err := s.AcceptJob(x, tasks, nil, tick)
		must(t, err)
		return tasks
	}
	acceptJob(101, "", nil)
	lease(acceptJob(102, "a name", &runtime.Tick{JobID: j.ID, Trigger: "trigger", At: at})[0].Execution)
	for n := 103; n < 105; n++ {
		for _, task := range acceptJob(n, fmt.Sprint("name ", n), nil) {
			x := lease(task.Execution)
			x.State, x.Finished = runtime.StateSucceeded, at.Add(time.Second)
			finish(x)
		}
	}
	must(t, s.SaveAttempt(runtime.Delivery{
		ID: fixedID(104), Tenant: "t\x00", JobID: j.ID, Job: j.Name, JobExecution: fixedID(104), Callback: runtime.Callback{URL: "https://example.com/"},
		Created: at, Attempts: 3, LastAttempt: at, LastError: "no", Dead: true, Body: []byte(`{"b":2}`),
	}))
	// A function with an allow list, and a run that has used it.
	v.Bundle, v.Allow = runtime.Bundle{}, []string{"*.example.com:443", "udp:10.0.0.0/8:53"}
	h := runtime.Function{ID: "id of an allow list's", Tenant: "t\x00", Name: "h", Version: 1, Created: at, Updated: at}
	v.FunctionID, v.Name = h.ID, h.Name
	created := done(23, runtime.KindCreate, runtime.StateSucceeded)
	created.FunctionID, created.Function = h.ID, h.Name
	must(t, s.CreateFunction(h, v, runtime.Change{Execution: created}))
	reached := done(24, runtime.KindRun, runtime.StateSucceeded)
	reached.FunctionID, reached.Function, reached.Result = h.ID, h.Name, []byte("1")
	reached.Egress = []runtime.Egress{
		{Network: "tcp", Host: "api.example.com", Port: 443, Connections: 2, Sent: 300, Received: 1 << 20, Duration: time.Second},
		{Host: runtime.OtherHosts, Connections: 1, Sent: 1, Received: 2, Duration: time.Millisecond},
	}
	must(t, s.Record([]runtime.Execution{reached}))
	goldenArgs(t, s, lease, finish, execution)
	// Logs with the times of their lines, in the record and in one of their own.
	for i, text := range [][]byte{[]byte("a line\nanother\n"), large} {
		x := done(26+i, runtime.KindRun, runtime.StateSucceeded)
		x.Logs = runtime.Logs{Data: text, Marks: []runtime.LogMark{{Stream: 1}, {Offset: 7, Stream: 1, Millis: 1500}}, Began: at.Truncate(time.Millisecond)}
		must(t, s.Record([]runtime.Execution{x}))
	}
	// A version whose user is known.
	i := runtime.Function{ID: "id of a user's", Tenant: "t\x00", Name: "i", Version: 1, Created: at, Updated: at}
	v.FunctionID, v.Name, v.By, v.Allow = i.ID, i.Name, "ada", nil
	must(t, s.CreateFunction(i, v, runtime.Change{Execution: done(25, runtime.KindCreate, runtime.StateSucceeded)}))
	// A function that is paused.
	paused := runtime.Function{ID: "id of a paused one", Tenant: "t\x00", Name: "p", Version: 1, Created: at, Updated: at, Paused: true}
	v.FunctionID, v.Name = paused.ID, paused.Name
	must(t, s.CreateFunction(paused, v, runtime.Change{Execution: done(28, runtime.KindCreate, runtime.StateSucceeded)}))
	return s
}

// goldenArgs adds executions whose args are kept, reruns, a function that keeps no args, and an
// operation.
func goldenArgs(t *testing.T, s *Store, lease func(runtime.Execution) runtime.Execution, finish func(runtime.Execution), execution func(int, runtime.Kind, runtime.State) runtime.Execution) {
	t.Helper()
	large := storetest.Noise(runtime.ListedResult + 1)
	at := time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
	for n, args := range [][]byte{[]byte(`{"a":1}`), large, large} {
		x := execution(30+n, runtime.KindRun, runtime.StateQueued)
		x.RerunOf, x.Pinned, x.DropArgs = fixedID(3), n == 0, n == 2
		_, _, err := s.Accept([]runtime.Accepted{{Execution: x, Args: args}}, nil)
		must(t, err)
		x = lease(x)
		x.State, x.Finished, x.Result = runtime.StateSucceeded, at.Add(time.Second), []byte("1")
		finish(x)
	}
	queued := execution(33, runtime.KindRun, runtime.StateQueued)
	queued.RerunOf, queued.DropArgs = fixedID(3), true
	_, _, err := s.Accept([]runtime.Accepted{{Execution: queued, Args: []byte(`{"a":1}`)}}, nil)
	must(t, err)
	f := runtime.Function{ID: "id of one without args", Tenant: "t\x00", Name: "k", Version: 1, Created: at, Updated: at}
	v := runtime.Version{FunctionID: f.ID, Number: 1, Name: "k", Source: []byte("source"), Created: at, KeepArgs: new(bool)}
	created := execution(34, runtime.KindCreate, runtime.StateSucceeded)
	created.Started, created.Finished, created.FunctionID, created.Function = at, at, f.ID, f.Name
	created.Caller.TraceID, created.Caller.TraceOwner = "", ""
	must(t, s.CreateFunction(f, v, runtime.Change{Execution: created}))
	must(t, s.CreateOperation(runtime.Operation{
		ID: fixedID(300), Tenant: "t\x00", Kind: runtime.OperationRerun, State: runtime.OperationRunning, Created: at, Finished: at, Cursor: fixedID(3),
		Filter: runtime.ExecutionFilter{Function: "f", States: []runtime.State{runtime.StateFailed}, After: at, Before: at, TraceID: strings.Repeat("ab", 16)},
		Caller: runtime.Caller{UserID: "ada", TraceID: strings.Repeat("cd", 16)}, OperationProgress: runtime.OperationProgress{Matched: 6, Done: 3, Failed: 2, Skipped: 1, Error: "no"},
	}, nil))
}

// Every key and value of the golden store is the same as before, byte for byte: earlier and later
// releases read what this one writes.
func TestStoredFormat(t *testing.T) {
	alone(t, "a replica also has its place in the log")
	s := goldenStore(t)
	var got strings.Builder
	kinds := map[byte]bool{}
	it, err := s.db.NewIter(nil)
	must(t, err)
	for ok := it.First(); ok; ok = it.Next() {
		if k := it.Key(); k[0] == 't' {
			kinds[k[len("tt\x00\xff\x00\x01")]] = true
		}
		fmt.Fprintf(&got, "%+q\n\t%s\n", it.Key(), strings.ReplaceAll(fmt.Sprintf("%+q", it.Value()), string(storetest.Noise(runtime.ListedResult+1)), "<large>"))
	}
	must(t, errors.Join(it.Error(), it.Close()))
	for _, kind := range []byte("nfvscACUOagbwouxrljkyVNJRQTEPHDIMYZBi") {
		if !kinds[kind] {
			t.Errorf("the golden store has no key of the kind %q", kind)
		}
	}
	file := filepath.Join("testdata", "format.golden")
	if *update {
		must(t, os.WriteFile(file, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("the stored format has changed:\n%s", diff)
	}
	checkInvariants(t, s)
}
