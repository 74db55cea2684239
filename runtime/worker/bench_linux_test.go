package worker

import (
	"context"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox"
)

const greets = "def main(args, context):\n    return {\"hello\": args[\"name\"]}\n"

// BenchmarkRun compares a trivial run through a worker process with one in a sandbox of the same process,
// by turns: the processor time of both processes per run, in microseconds.
func BenchmarkRun(b *testing.B) {
	box, err := sandbox.Open(b.Context(), sandbox.Options{CacheDir: cacheDir, Log: quiet, Processors: 2})
	if err != nil {
		b.Fatal(err)
	}
	defer box.Close()
	s := &processStarter{b: b}
	pool, err := New(Options{Start: s.start, Memory: memory.New(testMemory, quiet), Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	for _, c := range []struct {
		name  string
		lines int
		live  bool
	}{{"one at once", 1, false}, {"four at once", 4, false}, {"sixteen at once", 16, false}, {"sixteen with live output", 16, true}} {
		b.Run(c.name, func(b *testing.B) {
			direct, through := deployed(b, box, greets, runtime.Limits{}), deployed(b, pool, greets, runtime.Limits{})
			var spent [2]time.Duration
			const batch = 2000
			n := 0
			for b.Loop() {
				for i, side := range []struct {
					box runtime.Sandbox
					p   runtime.Program
				}{{box, direct}, {pool, through}} {
					before := s.processorTime()
					many(b, side.box, side.p, c.lines, batch, c.live)
					spent[i] += s.processorTime() - before
				}
				n += batch
			}
			b.ReportMetric(float64(spent[0].Microseconds())/float64(n), "µs/direct")
			b.ReportMetric(float64(spent[1].Microseconds())/float64(n), "µs/worker")
		})
	}
}

// many makes a number of runs, some at once.
func many(b *testing.B, box runtime.Sandbox, p runtime.Program, lines, n int, live bool) {
	var wg sync.WaitGroup
	c := runtime.RunCall{
		Program: p, Args: []byte(`{"name":"user1"}`), Context: runtime.EmptyObject, Limits: p.Limits,
		Info: runtime.RunInfo{Execution: "0192d3a4-5b6c-7d8e-9f00-112233445566", Attempt: 1, Function: "hello"}, Room: &testRoom{},
	}
	for range lines {
		wg.Go(func() {
			c := c
			for range n / lines {
				if live {
					c.Logs = runtime.NewLogBuffer(runtime.DefaultLogs)
				}
				if outcome, err := box.Run(context.Background(), c); err != nil || outcome.Failure != nil {
					b.Errorf("%+v, %v", outcome.Failure, err)
				}
			}
		})
	}
	wg.Wait()
}

// processStarter starts a worker as a process of its own, from the binary of the tests.
type processStarter struct {
	b   testing.TB
	pid int
}

// realProcess is a worker that is a process.
type realProcess struct {
	*exec.Cmd
	socket *net.UnixConn
}

func (p *realProcess) Conn() *net.UnixConn { return p.socket }
func (p *realProcess) Kill() error         { return p.Process.Kill() }

func (s *processStarter) start(context.Context) (Process, error) {
	server, worker := sockets(s.b)
	f, err := worker.File()
	worker.Close()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &realProcess{Cmd: exec.Command("/proc/self/exe"), socket: server}
	p.Env = append(os.Environ(), serveVariable+"="+cacheDir)
	p.ExtraFiles = []*os.File{f}
	p.Stderr = os.Stderr
	if err := p.Start(); err != nil {
		return nil, err
	}
	s.pid = p.Process.Pid
	return p, nil
}

// processorTime returns the processor time of this process and of the worker.
func (s *processStarter) processorTime() time.Duration {
	return clockOf(s.b, 0) + clockOf(s.b, s.pid)
}

// clockOf returns the processor time of a process; 0 is this one.
func clockOf(b testing.TB, pid int) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
