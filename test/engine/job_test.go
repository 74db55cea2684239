//go:build linux

package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/engine"
	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/test/guestcache"
)

const (
	envJobKill  = "FAASPOT_TEST_JOB_KILL"
	envJobCache = "FAASPOT_TEST_JOB_CACHE"
	// killedTasks is the number of tasks of the job; the process is killed when killedAt are done.
	killedTasks, killedAt = 200, 80
)

// jobEngine opens an engine with a real sandbox on a folder.
func jobEngine(t *testing.T, dir, cache string) (e *engine.Engine, end func()) {
	t.Helper()
	ctx := context.Background()
	box, err := sandbox.Open(ctx, sandbox.Options{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(storage.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	if e, err = engine.New(engine.Options{Store: store, Sandbox: box}); err != nil {
		t.Fatal(err)
	}
	return e, func() {
		for _, err := range []error{e.Close(ctx), store.Close(), box.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// A process is killed in the middle of a job, and the next process continues the job. Finished
// tasks do not run again, no more tasks run at once than before, and each run sees the environment
// of the job.
func TestJobSurvivesAKill(t *testing.T) {
	if dir := os.Getenv(envJobKill); dir != "" {
		runJobUntilKilled(t, dir, os.Getenv(envJobCache))
		return
	}
	dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "guest")
	guestcache.Fetch(cache)
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), envJobKill+"="+dir, envJobCache+"="+cache)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	var done []string
	lines := bufio.NewScanner(out)
	for lines.Scan() && len(done) < killedAt {
		if id, ok := strings.CutPrefix(lines.Text(), "done "); ok {
			done = append(done, id)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the error of the kill
	if len(done) < killedAt {
		t.Fatalf("only %d tasks were done", len(done))
	}

	ctx := context.Background()
	began := time.Now().UTC()
	e, end := jobEngine(t, dir, cache)
	defer end()
	x, err := e.AwaitJobExecution(ctx, runtime.DefaultTenant, "sums", "nightly")
	if err != nil || x.State != runtime.StateSucceeded || x.Stats.Succeeded != killedTasks || x.Stats.Total != killedTasks {
		t.Fatalf("it ended as %+v, %v", x, err)
	}
	if x.Started.After(began) || x.Finished.Before(began) {
		t.Errorf("it started at %v and ended at %v, the second process began at %v", x.Started, x.Finished, began)
	}
	before, lost := 0, 0
	for i := range killedTasks {
		task, err := e.GetExecution(ctx, runtime.DefaultTenant, runtime.TaskID(x.ID, i))
		if err != nil || string(task.Result) != fmt.Sprintf(`["job",%d]`, i) {
			t.Fatalf("task %d is %+v, %v", i, task, err)
		}
		if task.Finished.Before(began) {
			before++
			if task.Attempt != 1 {
				t.Errorf("task %d had ended and was run again: %+v", i, task)
			}
		}
		lost += task.LostAttempts
	}
	for _, id := range done {
		if task, err := e.GetExecution(ctx, runtime.DefaultTenant, id); err != nil || task.Attempt != 1 || task.Finished.After(began) {
			t.Errorf("a task that was reported as done is %+v, %v", task, err)
		}
	}
	if lost > x.Parallelism || before == killedTasks {
		t.Errorf("%d tasks had ended, %d attempts were lost", before, lost)
	}
	t.Logf("%d tasks had ended before, %d attempts were lost", before, lost)
}

// runJobUntilKilled runs the job and prints the id of each finished task, until it is killed.
func runJobUntilKilled(t *testing.T, dir, cache string) {
	ctx := context.Background()
	e, _ := jobEngine(t, dir, cache)
	if _, err := e.CreateFunction(ctx, runtime.FunctionSpec{
		Tenant: runtime.DefaultTenant, Name: "sum",
		Source: []byte("import os, time\ndef main(args, context):\n    time.sleep(0.01)\n    return [os.environ['MODE'], args['n']]\n"),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.CreateJob(ctx, runtime.Job{Tenant: runtime.DefaultTenant, Name: "sums", Spec: runtime.JobSpec{
		Function: "sum", MaxConcurrentTasks: 4, Env: []runtime.EnvVar{{Name: "MODE", Value: "job"}},
	}}); err != nil {
		t.Fatal(err)
	}
	tasks := make([]json.RawMessage, killedTasks)
	for i := range tasks {
		tasks[i] = fmt.Appendf(nil, `{"n":%d}`, i)
	}
	a, err := e.StartJob(ctx, runtime.JobStartRequest{Tenant: runtime.DefaultTenant, Job: "sums", Name: "nightly", Tasks: tasks})
	if err != nil {
		t.Fatal(err)
	}
	for i := range killedTasks {
		id := runtime.TaskID(a.Execution.ID, i)
		if _, err := e.AwaitExecution(ctx, runtime.DefaultTenant, id); err != nil {
			t.Fatal(err)
		}
		fmt.Println("done", id)
	}
	select {} // until it is killed
}
