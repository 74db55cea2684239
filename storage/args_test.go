package storage

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/kv"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// argsRecords returns the number of records of args.
func argsRecords(t testing.TB, s *Store, tenant runtime.Tenant) (n int) {
	t.Helper()
	must(t, kv.EachKey(s.db, keys.OfKind(tenant, keys.KindArgs), func(_, _ []byte) error {
		n++
		return nil
	}))
	return n
}

// finishOne ends an attempt with a result.
func finishOne(t testing.TB, s *Store, x runtime.Execution) {
	t.Helper()
	x.State, x.Finished, x.Result = runtime.StateSucceeded, x.Started.Add(time.Millisecond), []byte("1")
	settled, err := s.Finish([]runtime.Execution{x}, x.Finished)
	must(t, err)
	must(t, settled[0].Err)
}

// Args are kept with executions that are done, in whichever way they end, up to a size, unless they are
// to be dropped. Their size is known in any case, and retention leaves nothing of them.
func TestArgsAreKept(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	ways := map[string]func(x runtime.Execution, args []byte){
		"finished": func(x runtime.Execution, args []byte) {
			_, _, err := s.Accept([]runtime.Accepted{{Execution: x, Args: args}}, nil)
			must(t, err)
			finishOne(t, s, startAgain(t, s, x))
		},
		"cancelled before its start": func(x runtime.Execution, args []byte) {
			_, _, err := s.Accept([]runtime.Accepted{{Execution: x, Args: args}}, nil)
			must(t, err)
			_, _, err = s.Cancel(x.Tenant, x.ID, x.Created)
			must(t, err)
		},
		"recorded": func(x runtime.Execution, args []byte) {
			x.Started, x.ArgsSize, x.Args = x.Created, len(args), args
			x = ended(x)
			x.EndArgs()
			must(t, s.Record([]runtime.Execution{x}))
		},
	}
	own := 0
	for name, end := range ways {
		for _, size := range []int{2, record.InlineSize, record.InlineSize + 1, runtime.MaxKeptArgs, runtime.MaxKeptArgs + 1} {
			for _, drop := range []bool{false, true} {
				x, args := c.queued(), storetest.Noise(size)
				x.DropArgs, x.RerunOf = drop, c.queued().ID
				end(x, args)
				keeps := !drop && size <= runtime.MaxKeptArgs
				if keeps && size > record.InlineSize {
					own++
				}
				got, err := s.GetArgs(x.Tenant, x.ID)
				must(t, err)
				if keeps != bytes.Equal(got, args) || !keeps && got != nil {
					t.Errorf("%s, %d bytes, dropped %v: %d bytes are kept", name, size, drop, len(got))
				}
				stored, err := s.GetExecution(x.Tenant, x.ID)
				must(t, err)
				if stored.ArgsSize != size || stored.DropArgs == keeps || stored.KeepsArgs() != keeps || stored.RerunOf != x.RerunOf || stored.Args != nil {
					t.Errorf("%s, %d bytes, dropped %v: it is read as %+v", name, size, drop, stored)
				}
				if _, err := s.GetArgs("other", x.ID); runtime.CodeOf(err) != runtime.CodeNotFound {
					t.Errorf("another tenant gets %v", err)
				}
			}
		}
	}
	if n := argsRecords(t, s, "default"); n != own {
		t.Errorf("there are %d records of args, want %d", n, own)
	}
	checkInvariants(t, s)
	dropAll(t, s, c.at)
	if n := argsRecords(t, s, "default"); n != 0 {
		t.Errorf("%d records of args are left", n)
	}
	checkInvariants(t, s)
}

// Retention drops neighbours as ranges of ids. It drops their args, and none of executions between
// them that are not done.
func TestArgsOfUnfinishedNeighboursStay(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	args := storetest.Noise(2 * record.InlineSize)
	var batch []runtime.Accepted
	for range 4 * minRange {
		x := c.queued()
		x.Function, x.FunctionID = "f", "id of f"
		batch = append(batch, runtime.Accepted{Execution: x, Args: args})
	}
	_, _, err := s.Accept(batch, nil)
	must(t, err)
	const every = 2*minRange + 1
	unfinished := map[string]bool{}
	for i, a := range batch {
		if i%every == every/2 {
			unfinished[a.Execution.ID] = true
			continue
		}
		finishOne(t, s, startAgain(t, s, a.Execution))
	}
	must(t, s.db.Flush())
	dropAll(t, s, c.at)
	must(t, errors.Join(s.db.Flush(), s.db.Compact(context.Background(), []byte{0}, []byte{0xFF}, true)))
	for _, a := range batch {
		got, err := s.GetArgs("default", a.Execution.ID)
		switch {
		case unfinished[a.Execution.ID] && (err != nil || !bytes.Equal(got, args)):
			t.Errorf("the args of an execution that is queued are %d bytes, %v", len(got), err)
		case !unfinished[a.Execution.ID]:
			wantCode(t, err, runtime.CodeNotFound)
		}
	}
	if n := argsRecords(t, s, "default"); n != len(unfinished) || n == 0 {
		t.Errorf("there are %d records of args, %d executions are queued", n, len(unfinished))
	}
	checkInvariants(t, s)
}

// Kept args count as stored bytes of their tenant, and as what retention may drop.
func TestKeptArgsCount(t *testing.T) {
	fs := vfs.NewMem()
	s, c := openOn(t, fs, "store"), newClerk()
	const n, size = 10, 10_000
	recordArgs := func(drop bool) int64 {
		before := s.Stored("default").Bytes
		for range n {
			x := c.done()
			x.Args, x.ArgsSize, x.DropArgs = storetest.Noise(size), size, drop
			must(t, s.Record([]runtime.Execution{x}))
		}
		return s.Stored("default").Bytes - before
	}
	dropped, kept := recordArgs(true), recordArgs(false)
	if kept-dropped != n*size {
		t.Errorf("%d args of %d bytes count %d", n, size, kept-dropped)
	}
	before := s.Stored("default")
	must(t, s.Close())
	s = openOn(t, fs, "store")
	if now := s.Stored("default"); now != before {
		t.Errorf("after a restart %+v are stored, before %+v", now, before)
	}
	must(t, s.Expire(c.at.Add(time.Hour), runtime.Retention{TenantBytes: n * size / 2}))
	if left := s.Stored("default").Bytes; left > n*size/2 {
		t.Errorf("%d bytes are left", left)
	}
	checkInvariants(t, s)
}

// A caller that records other args than it says is refused.
func TestArgsOfAnotherSizeAreRefused(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	x := c.done()
	x.Args, x.ArgsSize = []byte("{}"), 3
	if err := s.Record([]runtime.Execution{x}); err == nil {
		t.Error("args of another size were recorded")
	}
}

// The states of tasks are those of the tasks, also while other tasks were accepted in the same
// millisecond, and of another tenant nothing is known.
func TestTaskStates(t *testing.T) {
	s, c := openOn(t, vfs.NewMem(), "store"), newClerk()
	x := newRun(t, s, c, 300)
	y := newRun(t, s, c, 300)
	task := func(of runtime.JobExecution, i int) runtime.Execution {
		got, err := s.GetExecution(of.Tenant, runtime.TaskID(of.ID, i))
		must(t, err)
		return got
	}
	end := func(i int, state runtime.State) {
		r := startAgain(t, s, task(x, i))
		r.State, r.Finished = state, r.Started.Add(time.Millisecond)
		if state == runtime.StateQueued {
			r.FunctionFailures++
		} else if state != runtime.StateSucceeded {
			r.Failure = &runtime.Failure{Class: runtime.ClassError, Message: "no"}
		}
		settled, err := s.Finish([]runtime.Execution{r}, r.Finished)
		must(t, errors.Join(err, settled[0].Err))
	}
	want := bytes.Repeat([]byte("."), 300)
	for at, state := range map[int]runtime.State{3: runtime.StateSucceeded, 299: runtime.StateFailed, 0: runtime.StateTimeout, 7: runtime.StateQueued, 100: runtime.StateSucceeded} {
		end(at, state)
		want[at] = map[runtime.State]byte{
			runtime.StateSucceeded: 's', runtime.StateFailed: 'f', runtime.StateTimeout: 't', runtime.StateQueued: 'w',
		}[state]
	}
	_, _, err := s.Cancel(x.Tenant, task(x, 5).ID, c.at)
	must(t, err)
	startAgain(t, s, task(x, 6))
	startAgain(t, s, task(x, 255))
	_, _, err = s.Cancel(x.Tenant, task(x, 255).ID, c.at)
	must(t, err)
	want[5], want[6], want[255] = 'c', 'r', 'x'
	check := func(tenant runtime.Tenant, id string, n int, want []byte) {
		t.Helper()
		got, err := s.TaskStates(tenant, id, n)
		must(t, err)
		if string(want) != string(got) {
			t.Errorf("the tasks are\n%s, want\n%s", got, want)
		}
	}
	check(x.Tenant, x.ID, 300, want)
	check(y.Tenant, y.ID, 300, bytes.Repeat([]byte("."), 300))
	check("other", x.ID, 300, bytes.Repeat([]byte("-"), 300))
	check(x.Tenant, x.ID, 0, nil)
	check(x.Tenant, c.queued().ID, 2, []byte("--"))
	if _, err := s.TaskStates(x.Tenant, "x", 1); runtime.CodeOf(err) != runtime.CodeNotFound {
		t.Errorf("an id that is none: %v", err)
	}
}

// Operations are stored, replaced and dropped, each tenant's by itself. One that is not stored is not
// stored again by its progress.
func TestOperationsAreStored(t *testing.T) {
	fs := vfs.NewMem()
	s, c := openOn(t, fs, "store"), newClerk()
	operation := func(tenant runtime.Tenant) runtime.Operation {
		x := c.queued()
		return runtime.Operation{
			ID: x.ID, Tenant: tenant, Kind: runtime.OperationRerun, State: runtime.OperationRunning, Created: x.Created,
			Filter: runtime.ExecutionFilter{Function: "f", States: []runtime.State{runtime.StateFailed}, Before: x.Created},
		}
	}
	a, b, other := operation("a"), operation("a"), operation("a\x00")
	for _, o := range []runtime.Operation{a, b, other} {
		must(t, s.CreateOperation(o, nil))
	}
	b.Matched, b.Done, b.Cursor, b.State = 3, 2, c.queued().ID, runtime.OperationDone
	must(t, s.UpdateOperation(b))
	for range 2 {
		all, err := s.ListOperations("a")
		must(t, err)
		if diff := cmp.Diff([]runtime.Operation{b, a}, all); diff != "" {
			t.Fatal(diff)
		}
		must(t, s.Close())
		s = openOn(t, fs, "store")
	}
	n := 0
	must(t, s.EachOperation(func(runtime.Operation) error { n++; return nil }))
	if n != 3 {
		t.Errorf("%d operations are visited", n)
	}
	d := operation("a")
	must(t, s.CreateOperation(d, []string{a.ID, other.ID, "x"}))
	wantCode(t, s.UpdateOperation(a), runtime.CodeNotFound)
	_, err := s.GetOperation("a", a.ID)
	wantCode(t, err, runtime.CodeNotFound)
	_, err = s.GetOperation("a", other.ID)
	wantCode(t, err, runtime.CodeNotFound)
	got, err := s.GetOperation("a\x00", other.ID)
	if must(t, err); !cmp.Equal(got, other) {
		t.Error(cmp.Diff(other, got))
	}
	must(t, s.DropTenant("a"))
	wantCode(t, s.UpdateOperation(b), runtime.CodeNotFound)
	checkInvariants(t, s)
}
