//go:build linux

package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// workerJSON is a worker as the server renders it.
type workerJSON struct {
	PID      int
	Tenant   string
	Function string
	Restarts int
	Runs     int
}

// workersOf returns the workers of a server.
func workersOf(t *testing.T, l *process.Server) []workerJSON {
	t.Helper()
	return process.Decode[[]workerJSON](t, l.Must(t, "GET", "/v1/server/workers", ""))
}

// children returns the processes that a process has started and that have not ended.
func children(pid int) (all []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil && running(child) {
				all = append(all, child)
			}
		}
	}
	return all
}

// descendants returns a process and those that it and they have started.
func descendants(pid int) []int {
	all := []int{pid}
	for _, child := range children(pid) {
		all = append(all, descendants(child)...)
	}
	return all
}

// processesOf returns the spawner and the workers of a server.
func processesOf(t *testing.T, l *process.Server) (spawner int, workers []int) {
	t.Helper()
	started := children(l.Cmd.Process.Pid)
	if len(started) != 1 {
		t.Fatalf("the server has started the processes %v", started)
	}
	return started[0], children(started[0])
}

// running reports whether a process runs, and is no zombie.
func running(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "\nState:\tZ")
}

func awaitEnds(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		process.Until(t, fmt.Sprintf("process %d ends", pid), func() bool { return !running(pid) })
	}
}

func kill9(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

// placeOf runs a function for a tenant until the test has ended its wait, and returns the worker in which
// that happens.
func placeOf(t *testing.T, l *process.Server, c *process.Client) int {
	t.Helper()
	c.Must(t, "PUT", "/v1/functions/stay", process.FunctionJSON("", process.SleepCode, "timeout", 600))
	id := c.Submit(t, "stay", `{"n":1,"seconds":600}`)
	c.WaitStatus(t, id, process.Started)
	var found int
	process.Until(t, "a worker has the run", func() bool {
		for _, w := range workersOf(t, l) {
			if w.Runs > 0 {
				found = w.PID
			}
		}
		return found != 0
	})
	c.Cancel(t, id)
	c.WaitEnd(t, id)
	return found
}

// tenantsApart returns clients of two tenants whose runs happen in different workers, and these.
func tenantsApart(t *testing.T, l *process.Server) (clients [2]*process.Client, workers [2]int) {
	t.Helper()
	for i := range 16 {
		c := newTenant(t, l, fmt.Sprint("tenant-", i))
		switch at := placeOf(t, l, c); {
		case clients[0] == nil:
			clients[0], workers[0] = c, at
		case at != workers[0]:
			clients[1], workers[1] = c, at
			return clients, workers
		}
	}
	t.Fatal("all tenants share a worker")
	return clients, workers
}

// All threads of the spawner and of the workers are confined, in the way in which each is, and have no file
// open but those that the server has passed to them and those of the kernel.
func TestWorkersAreConfined(t *testing.T) {
	t.Parallel()
	l := process.NewSite(t, "--workers", "2", "--log-format", "json").Serve(t)
	checkConfined(t, l)
	if n := strings.Count(l.Log(t), `"msg":"confined"`); n != 4 {
		t.Errorf("%d processes are confined:\n%s", n, l.Log(t))
	}
	l.Deploy(t, "echo", process.EchoCode)
	l.WaitEnd(t, l.Submit(t, "echo", `{"n":1}`))
	spawner, workers := processesOf(t, l)
	for _, pid := range append(slices.Clone(workers), spawner) {
		fields := map[string]string{"NoNewPrivs": "1", "Seccomp": "2"}
		if pid != spawner {
			fields["CapEff"] = "0000000000000000"
		}
		for field, want := range fields {
			for _, line := range confinementOf(t, pid, field) {
				if line != field+":\t"+want {
					t.Errorf("a thread of process %d has %q, want %s", pid, line, want)
				}
			}
		}
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, file := range files {
			target, err := os.Readlink(file)
			// Go's runtime reads the limit of processors in /sys.
			kernels := regexp.MustCompile(`^(/memfd:|/proc/|/sys/fs/cgroup/|/dev/null$)`).MatchString(target)
			if err == nil && strings.HasPrefix(target, "/") && !kernels && !strings.Contains(target, "(deleted)") {
				t.Errorf("process %d has %s open", pid, target)
			}
		}
	}
}

// Runs go on when workers are killed: callers get an answer, runs in the background end with a further
// attempt, and tenants of other workers notice nothing.
func TestKilledWorkers(t *testing.T) {
	t.Parallel()
	l := process.NewSite(t, "--workers", "2", "--log-format", "json").Serve(t)
	clients, workers := tenantsApart(t, l)
	for _, c := range clients {
		c.Deploy(t, "echo", process.EchoCode)
	}
	clients[0].Deploy(t, "again", `import faas, time
def main(args, context):
    print("here", flush=True)
    if faas.execution.attempt == 1: time.sleep(600)
    return faas.execution.attempt`, "timeout", 900)
	slow := clients[0].SubmitBulk(t, "again", process.NumberedArgs(4))
	for _, id := range slow {
		process.Until(t, "a run has begun", func() bool { return hasPrinted(t, clients[0], id, 1) })
	}
	var stop atomic.Bool
	var load sync.WaitGroup
	var answers [2]atomic.Int64
	for i, c := range clients {
		load.Go(func() {
			for !stop.Load() {
				r, err := c.Do(context.Background(), "POST", "/v1/sync/functions/echo/rpc/", `{"n":3}`)
				switch {
				case err != nil:
					t.Errorf("a caller of tenant %d: %v", i, err)
					return
				case r.Status == http.StatusOK && strings.Contains(string(r.Body), `"square":9`):
					answers[i].Add(1)
				case i == 1 || r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "":
					t.Errorf("a caller of tenant %d got %d %s", i, r.Status, r.Body)
					return
				}
			}
		})
	}
	serves := func(what string, i int) {
		before := answers[i].Load()
		process.Until(t, what, func() bool { return answers[i].Load() > before+10 || t.Failed() })
	}
	serves("the first tenant is served", 0)
	kill9(t, workers[0])
	awaitEnds(t, workers[0])
	serves("the other tenant is served on", 1)
	serves("the first tenant is served again", 0)
	stop.Store(true)
	load.Wait()
	for _, x := range clients[0].WaitAll(t, slow) {
		if x.Status != process.Success || x.Attempts != 2 || string(x.Output) != "2" {
			t.Errorf("a run that lost its worker: %s", x.Text)
		}
	}
	restarts := 0
	for _, w := range workersOf(t, l) {
		restarts += w.Restarts
		if w.PID == workers[0] {
			t.Error("the worker that was killed is listed")
		}
	}
	if restarts != 1 {
		t.Errorf("%d workers were started again", restarts)
	}
}

// A server that has lost its spawner can run nothing, and ends, so that a process manager starts it again.
// None of its processes is left.
func TestKilledSpawner(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t, "--workers", "2")
	l := s.Serve(t)
	l.Deploy(t, "stay", process.SleepCode, "timeout", 600)
	id := l.Submit(t, "stay", `{"n":1,"seconds":1}`)
	l.WaitStatus(t, id, process.Started)
	spawner, workers := processesOf(t, l)
	if len(workers) != 2 {
		t.Errorf("the workers are %v", workers)
	}
	kill9(t, spawner)
	if status := l.Wait(t); status.ExitStatus() == 0 {
		t.Error("the server ended well")
	}
	awaitEnds(t, append(workers, spawner)...)
	if said := l.Log(t); !strings.Contains(said, "no function can run") {
		t.Errorf("the log:\n%s", said)
	}
	l = s.Serve(t)
	if x := l.WaitEnd(t, id); x.Status != process.Success {
		t.Errorf("after a restart the run is %s", x.Text)
	}
}

// However a server ends, its processes end with it. Signals that reach all of its processes, as those of a
// terminal and of a process manager do, let runs end.
func TestProcessesEndWithTheServer(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := process.NewSite(t, "--workers", "2", "--grace", process.Patience.String())
			l := s.Serve(t)
			l.Deploy(t, "stay", process.SleepCode)
			id := l.Submit(t, "stay", `{"n":1,"seconds":1}`)
			l.WaitStatus(t, id, process.Started)
			spawner, workers := processesOf(t, l)
			if signal != syscall.SIGKILL {
				for _, pid := range append(slices.Clone(workers), spawner) {
					if err := syscall.Kill(pid, signal); err != nil {
						t.Fatal(err)
					}
				}
			}
			l.Signal(t, signal)
			l.Wait(t)
			awaitEnds(t, append(workers, spawner)...)
			if signal == syscall.SIGKILL {
				return
			}
			if said := l.Log(t); strings.Contains(said, `"level":"WARN"`) || strings.Contains(said, `"level":"ERROR"`) {
				t.Errorf("the log:\n%s", said)
			}
			if x := s.Serve(t).Execution(t, id); x.Status != process.Success || x.Attempts != 1 {
				t.Errorf("the run: %s", x.Text)
			}
		})
	}
}

// hasPrinted reports whether an attempt of an execution has printed something, and so runs in a worker.
func hasPrinted(t *testing.T, c *process.Client, id string, attempt int) bool {
	t.Helper()
	logs := process.Decode[struct {
		Attempt int
		Entries []struct{ Text string }
	}](t, c.Must(t, "GET", "/v1/executions/"+id+"/logs", ""))
	return logs.Attempt == attempt && len(logs.Entries) > 0
}

// workerOf returns the worker in which a function runs: its own, if it has one, else the one that is
// shared.
func workerOf(t *testing.T, l *process.Server, rid string) (pid int) {
	t.Helper()
	for _, w := range workersOf(t, l) {
		switch w.Function {
		case rid:
			return w.PID
		case "":
			pid = w.PID
		}
	}
	return pid
}

// maxWorkerDeaths bounds the kills until a run that ends its worker in each attempt fails.
const maxWorkerDeaths = 12

// A run ends its worker in each of its attempts; here the test kills the worker whenever it sees the run
// started. The run fails after a bounded number of attempts. All other runs succeed.
func TestRunThatEndsItsWorker(t *testing.T) {
	t.Parallel()
	l := process.NewSite(t, "--workers", "1").Serve(t)
	l.Deploy(t, "poison", "import time\ndef main(args, context):\n    print('here', flush=True)\n    time.sleep(900)", "timeout", 900)
	l.Deploy(t, "echo", process.EchoCode)
	l.Deploy(t, "stay", process.SleepCode)
	rid := process.Decode[struct{ RID string }](t, l.Must(t, "GET", "/v1/functions/poison", "")).RID
	beside := l.Submit(t, "stay", `{"n":1,"seconds":2}`)
	poison := l.Submit(t, "poison", `{}`)
	others := l.SubmitBulk(t, "echo", process.NumberedArgs(500))
	deaths := 0
	for ; ; deaths++ {
		var x process.Execution
		process.Until(t, fmt.Sprintf("attempt %d runs", deaths+1), func() bool {
			x = l.Execution(t, poison)
			return x.Done() || hasPrinted(t, l.Client, poison, deaths+1)
		})
		if x.Done() {
			break
		}
		if deaths == maxWorkerDeaths {
			t.Fatalf("after %d deaths it is %s", deaths, x.Text)
		}
		at := workerOf(t, l, rid)
		kill9(t, at)
		awaitEnds(t, at)
	}
	t.Logf("it failed after %d deaths", deaths)
	if x := l.Execution(t, poison); x.Status != process.Failed || x.Error == nil || deaths < 3 {
		t.Errorf("the run that ends its worker, after %d deaths: %s", deaths, x.Text)
	}
	if x := l.WaitEnd(t, beside); x.Status != process.Success || string(x.Output) != "1" {
		t.Errorf("the other run: %s", x.Text)
	}
	for _, x := range l.WaitAll(t, others) {
		if x.Status != process.Success {
			t.Errorf("another run: %s", x.Text)
		}
	}
	if x := l.WaitEnd(t, l.Submit(t, "stay", `{"n":3,"seconds":0}`)); x.Status != process.Success || x.Attempts != 1 {
		t.Errorf("afterwards: %s", x.Text)
	}
}

// A tenant with a worker of its own shares its process with no other tenant, after a restart as well, until
// that is taken back. A server without workers, or without room, refuses.
func TestOwnWorker(t *testing.T) {
	t.Parallel()
	s := process.NewSite(t)
	l := s.Serve(t, "--workers", "1", "--own-workers", "1")
	acme, other := newTenant(t, l, "acme"), newTenant(t, l, "other")
	shared := placeOf(t, l, other)
	if placeOf(t, l, acme) != shared {
		t.Error("there is more than one worker")
	}
	l.Must(t, "PATCH", "/v1/tenants/acme", `{"own_worker":true}`)
	if got := string(l.Must(t, "GET", "/v1/tenants/acme", "").Body); !strings.Contains(got, `"own_worker":true`) {
		t.Errorf("the tenant is %s", got)
	}
	l.Refused(t, http.StatusConflict, "conflict", "PATCH", "/v1/tenants/other", `{"own_worker":true}`)
	apart := func(l *process.Server) {
		t.Helper()
		own, shared := placeOf(t, l, process.NewClient(l.Base, acme.Token)), placeOf(t, l, process.NewClient(l.Base, other.Token))
		if own == shared {
			t.Error("the tenants share a worker")
		}
		for _, w := range workersOf(t, l) {
			if w.PID == own && w.Tenant != "acme" || w.PID == shared && w.Tenant != "" {
				t.Errorf("a worker is %+v", w)
			}
		}
	}
	apart(l)
	l.Kill()

	l = s.Serve(t, "--workers", "2", "--own-workers", "1")
	apart(l)
	l.Must(t, "PATCH", "/v1/tenants/acme", `{"own_worker":false}`)
	l.Must(t, "PATCH", "/v1/tenants/other", `{"own_worker":true}`)
	l.Kill()

	l = s.Serve(t)
	if said := l.Log(t); !strings.Contains(said, "but this server has no workers") {
		t.Errorf("the log does not warn:\n%s", said)
	}
	l.Refused(t, http.StatusConflict, "conflict", "PATCH", "/v1/tenants/acme", `{"own_worker":true}`)
	if got := workersOf(t, l); len(got) != 0 {
		t.Errorf("the workers are %+v", got)
	}
}
