package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/test/attack"
)

const (
	// waiters is the number of runs that wait at once, each for waitTime.
	waiters  = 5_000
	waitTime = 5 * time.Second
	// waveTime bounds how much longer than waitTime a response may take before its client gives up.
	waveTime = 15 * time.Second
	// residentLimit is the resident memory of the server and this process at which the server is
	// killed.
	residentLimit = 8 * gb
	// sampleTime is the time between two samples of the resident memory.
	sampleTime = 50 * time.Millisecond
	// neighbourPause is the time between two calls of the neighbour.
	neighbourPause = 5 * time.Millisecond
)

// waveNames name the waves in their order.
var waveNames = []string{"first", "second", "third, spread"}

var waitersBench = bench{
	name: "waiters",
	how: "5,000 connections that each request a run that sleeps for 5 s, all at once. The first wave makes the instances; the second one is measured: a response's delay " +
		"is the time since its request was written, less 5 s. Clients give up after 20 s. Meanwhile another connection calls the trivial function every 5 ms. The resident memory is " +
		"the largest sample of `RssAnon` every 50 ms and of `Pss` in the middle of each wave; if it and the load generator's reach 8 GB, the server is killed. " +
		"The server has its default memory budget, half of the machine's memory.",
	rows: []row{
		{
			what: "5,000 runs that wait 5 s at once, second wave: all answered, median delay over 5 s", part: "delay",
			of: "median", goal: "all, at most 100 ms", holds: timeAtMost(100 * time.Millisecond),
		},
		{
			what: "memory: 5,000 runs that wait 5 s at once", part: "memory",
			of: "resident", goal: "at most 6 GB", holds: bytesAtMost(6 * gb), limit: "what a waiting run holds: its pages, its stack, its instance",
		},
		{
			what: "a trivial neighbour's p99 beside 5,000 runs that wait 5 s", part: "neighbour",
			of: "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond),
		},
	},
	measure: measureWaiters,
}

// measureWaiters sends waves of runs that wait. The first one makes the instances, the second one is
// measured, and in the third one the requests are spread over waitTime.
func measureWaiters(ctx context.Context, l *lab) ([]measured, error) {
	if err := needFiles(waiters + 200); err != nil {
		return nil, err
	}
	s, err := l.serve(ctx,
		function{Name: "hello", Code: helloCode()},
		function{Name: "wait", Timeout: 60, Code: fmt.Sprintf("import time\n\n\ndef main(args, context):\n    time.sleep(%g)\n", waitTime.Seconds())},
	)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	watched := watchMemory(s.process, residentLimit)
	defer watched.stop()
	clients := make([]*client, waiters)
	for i := range clients {
		clients[i] = newClient(s.address)
		clients[i].timeout = waitTime + waveTime
		defer clients[i].close()
	}
	var waves []*wave
	for _, spread := range []time.Duration{0, 0, waitTime} {
		l.say("waiters: wave %d", 1+len(waves))
		half := time.AfterFunc(waitTime/2, watched.countShared)
		w, err := s.wave(ctx, clients, spread)
		half.Stop()
		if err != nil && watched.exceeded() == nil {
			return nil, err
		}
		waves = append(waves, w)
		// Further waves would not show more if the server was stopped, if it is busy with what the first
		// one has left, or if the second one misses the target.
		n := len(w.delays)
		if watched.exceeded() != nil || n < waiters/2 || len(waves) == 2 && n < waiters {
			break
		}
	}
	peak := watched.stop()
	return waitersRows(waves, peak, watched.exceeded()), nil
}

// waitersRows returns the rows of the waves, of which there is at least one. The second wave counts,
// or the first one if there was no other.
func waitersRows(waves []*wave, peak int64, exceeded error) []measured {
	at := min(1, len(waves)-1)
	counted := waves[at]
	missed := ""
	if n := len(counted.delays); n < waiters {
		missed = fmt.Sprintf("%d of %d were answered in the %s wave", n, waiters, waveNames[at])
	}
	if exceeded != nil {
		missed = strings.TrimPrefix(missed+"; ", "; ") + exceeded.Error()
	}
	var notes []string
	for i, w := range waves {
		notes = append(notes, waveNames[i]+" wave: "+w.String())
	}
	rows := []measured{
		{limit: counted.usage.limit(), missed: missed, notes: notes},
		{value: quantity{float64(peak), inBytes}, missed: missed},
		{limit: counted.usage.limit(), missed: missed},
	}
	if len(counted.delays) > 0 {
		rows[0].value = elapsed(median(counted.delays))
	}
	if n := len(counted.neighbour); n > 0 {
		rows[2].value = elapsed(percentile(counted.neighbour, 0.99))
		rows[2].notes = []string{fmt.Sprintf("%d calls; median %v, p90 %v, longest %v", n, elapsed(median(counted.neighbour)),
			elapsed(percentile(counted.neighbour, 0.9)), elapsed(percentile(counted.neighbour, 1)))}
	}
	return rows
}

// needFiles returns an error unless a process may have n files open. Go has raised the soft limit to
// the hard one, in this process and in the server.
func needFiles(n uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur < n {
		return fmt.Errorf("a process may have %d files open, and %d are needed: raise the hard limit (ulimit -Hn)", limit.Cur, n)
	}
	return nil
}

// wave is the result of one run of each client at once, with a neighbour that calls the trivial
// function meanwhile.
type wave struct {
	delays    []time.Duration // of the successful runs: from the request to the response, less waitTime
	failures  map[string]int  // the number of clients by what they got instead
	neighbour []time.Duration // of the neighbour's calls
	usage     usage
}

// String summarises the wave.
func (w *wave) String() string {
	text := fmt.Sprintf("%d of %d answered", len(w.delays), waiters)
	if len(w.delays) > 0 {
		text += fmt.Sprintf(", delay median %v, p99 %v, processor time of the server per answered run %v, and of the load generator %v", elapsed(median(w.delays)),
			elapsed(percentile(w.delays, 0.99)), elapsed(w.usage.server/time.Duration(len(w.delays))), elapsed(w.usage.generator/time.Duration(len(w.delays))))
	}
	kinds := slices.SortedFunc(maps.Keys(w.failures), func(a, b string) int {
		return cmp.Or(cmp.Compare(w.failures[b], w.failures[a]), cmp.Compare(a, b))
	})
	for _, kind := range kinds {
		text += fmt.Sprintf("; %d got %s", w.failures[kind], kind)
	}
	return text
}

// wave sends one request of each client, all at once or spread evenly, and waits until all of them
// have a response or give up. The clients are connected before.
func (s *server) wave(ctx context.Context, clients []*client, spread time.Duration) (*wave, error) {
	w := &wave{failures: map[string]int{}}
	// The server bounds the connections that have not shown a token.
	show := s.request("GET", "/v1/functions/", nil)
	for _, c := range clients {
		if c.conn != nil {
			continue
		}
		if _, err := c.succeed(show); err != nil {
			return w, err
		}
		if ctx.Err() != nil {
			return w, context.Cause(ctx)
		}
	}
	calling, stop := context.WithCancel(ctx)
	var neighbourFailed error
	var neighbour sync.WaitGroup
	neighbour.Go(func() { w.neighbour, neighbourFailed = s.callSlowly(calling) })
	var err error
	w.usage, err = s.observe(goruntime.NumCPU(), func() error { w.run(s.runRequest("wait", "{}"), clients, spread); return nil })
	stop()
	neighbour.Wait()
	if neighbourFailed != nil {
		w.failures["an error as the neighbour: "+neighbourFailed.Error()]++
	}
	return w, cmp.Or(context.Cause(ctx), err)
}

// run sends the requests and collects the responses.
func (w *wave) run(request []byte, clients []*client, spread time.Duration) {
	type response struct {
		at     time.Time
		status int
		err    error
	}
	sent, responses := make([]time.Time, len(clients)), make([]response, len(clients))
	ready := make([]chan struct{}, len(clients)) // closed once the request is sent
	var all sync.WaitGroup
	for i, c := range clients {
		ready[i] = make(chan struct{})
		all.Go(func() {
			<-ready[i]
			if r := &responses[i]; r.err == nil {
				r.status, _, r.err = c.receive()
				r.at = time.Now()
			}
		})
	}
	began := time.Now()
	for i, c := range clients {
		time.Sleep(time.Until(began.Add(spread * time.Duration(i) / time.Duration(len(clients)))))
		sent[i] = time.Now()
		responses[i].err = c.send(request)
		close(ready[i])
	}
	all.Wait()
	for i, r := range responses {
		switch {
		case errors.Is(r.err, os.ErrDeadlineExceeded):
			w.failures["no response in time"]++
		case r.err != nil:
			w.failures["no response: the connection was closed"]++
		case r.status != 200:
			w.failures[fmt.Sprintf("the status %d", r.status)]++
		default:
			w.delays = append(w.delays, r.at.Sub(sent[i])-waitTime)
		}
	}
}

// callSlowly calls the trivial function over and over with pauses, and returns how long each response
// took.
func (s *server) callSlowly(ctx context.Context) ([]time.Duration, error) {
	c := newClient(s.address)
	defer c.close()
	hello := s.runRequest("hello", helloArgs)
	pause := time.NewTicker(neighbourPause)
	defer pause.Stop()
	var times []time.Duration
	for {
		select {
		case <-ctx.Done():
			return times, nil
		case <-pause.C:
		}
		took, err := c.timed(hello)
		if err != nil {
			return times, err
		}
		times = append(times, took)
	}
}

// memoryWatch samples the memory of a server and kills it at a limit.
type memoryWatch struct {
	process *process
	peak    atomic.Int64 // largest sample
	over    atomic.Bool
	end     func()
}

// watchMemory starts to sample RssAnon. The server is killed if it and this process exceed the
// limit, in bytes.
func watchMemory(p *process, limit int64) *memoryWatch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &memoryWatch{process: p}
	var done sync.WaitGroup
	w.end = func() {
		cancel()
		done.Wait()
	}
	done.Go(func() {
		poll := time.NewTicker(sampleTime)
		defer poll.Stop()
		for {
			resident, _ := attack.Resident(p.cmd.Process.Pid) // fails only if the server has ended, which the clients notice
			own, _ := attack.Resident(os.Getpid())
			w.record(resident)
			if resident+own > limit {
				w.over.Store(true)
				_ = p.cmd.Process.Kill()
				return
			}
			select {
			case <-poll.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return w
}

// countShared takes a sample of Pss, which counts shared pages, too, each once. The kernel needs
// longer for it than for RssAnon.
func (w *memoryWatch) countShared() {
	if resident, err := attack.Pss(w.process.cmd.Process.Pid); err == nil {
		w.record(resident)
	}
}

// record adds a sample.
func (w *memoryWatch) record(resident int64) {
	for {
		peak := w.peak.Load()
		if resident <= peak || w.peak.CompareAndSwap(peak, resident) {
			return
		}
	}
}

// stop stops sampling and returns the largest sample.
func (w *memoryWatch) stop() int64 {
	w.end()
	return w.peak.Load()
}

// exceeded returns an error if the server was killed.
func (w *memoryWatch) exceeded() error {
	if !w.over.Load() {
		return nil
	}
	return fmt.Errorf("the server was stopped at %d MB", w.peak.Load()/mb)
}
