package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// submitters is the number of clients that submit runs through each node that does not own the data. A submission
	// without an answer is given up after submitTime, so that together they see each moment at which runs are accepted again.
	submitters  = 16
	submitTime  = 2 * time.Second
	submitPause = 20 * time.Millisecond
	// faultTime is the time after which a fault has shown itself: what is accepted later is accepted after it.
	faultTime = 300 * time.Millisecond
	// outageLimit bounds an outage.
	outageLimit = time.Minute
	// quietTime is how long submissions go on before a fault, and after an outage.
	quietTime = time.Second
)

// fault is what happens to a cluster, and is mended.
type fault struct {
	part, what string
	limit      time.Duration // the target
	limited    string        // what limits the outage
	rounds     int
	inflict    func(ctx context.Context, c *cluster, s clusterState, owner int) error
	mend       func(ctx context.Context, c *cluster, s clusterState, owner int) error
}

var faults = []fault{
	{
		part: "killed", what: "the process of the owner is killed", limit: 4 * time.Second, limited: "the time after which an owner is missed, and a node that takes over", rounds: 5,
		inflict: func(_ context.Context, c *cluster, _ clusterState, owner int) error {
			c.nodes[owner].kill()
			return nil
		},
		mend: func(ctx context.Context, c *cluster, _ clusterState, owner int) error { return c.startNode(ctx, owner) },
	},
	{
		part: "silent", what: "the owner stands still", limit: 9 * time.Second, limited: "the time after which an owner is missed, a question that it does not answer, and a node that takes over", rounds: 2,
		inflict: func(_ context.Context, c *cluster, _ clusterState, owner int) error {
			return c.nodes[owner].cmd.Process.Signal(syscall.SIGSTOP)
		},
		mend: func(_ context.Context, c *cluster, _ clusterState, owner int) error {
			return c.nodes[owner].cmd.Process.Signal(syscall.SIGCONT)
		},
	},
	{
		part: "leader", what: "the server of the log that leads the stream is killed", limit: 15 * time.Second, limited: "elections of the log, whose times are fixed", rounds: 3,
		inflict: func(_ context.Context, c *cluster, s clusterState, _ int) error {
			leader, err := s.leader()
			if err == nil {
				c.servers[leader].kill()
			}
			return err
		},
		mend: func(ctx context.Context, c *cluster, s clusterState, _ int) error {
			leader, err := s.leader()
			if err != nil {
				return err
			}
			return c.startServer(ctx, leader)
		},
	},
	{
		part: "planned", what: "the owner is drained", limit: time.Second, limited: "0.3 s for runs to end, the records that follow, and a node that takes over", rounds: 3,
		inflict: func(ctx context.Context, c *cluster, _ clusterState, owner int) error {
			return c.command(ctx, nil, "drain", nodeName(owner))
		},
		mend: func(ctx context.Context, c *cluster, _ clusterState, owner int) error {
			return c.command(ctx, nil, "drain", nodeName(owner), "--undo")
		},
	},
}

var failoverBench = bench{
	name: "failover",
	how: "A cluster of three nodes and three servers of the log, each a process. Sixteen clients submit background runs through each node that does not own the data, with a pause of 20 ms, and give up after 2 s; " +
		"on the same nodes a client calls the trivial function every 5 ms. Then the owner is killed (SIGKILL), or stopped (SIGSTOP), or the server of the log that leads the stream is killed, or `fas cluster drain` is run for the owner. " +
		"The figure is the longest time between two accepted submissions through one node, from the fault until 1 s after all nodes accept again, at worst. Afterwards what was lost is started again, and the next fault waits for `fas cluster status` to find nothing wrong.",
	rows:    failoverRows(),
	measure: measureFailover,
}

func failoverRows() (rows []row) {
	for _, f := range faults {
		rows = append(rows, row{
			what: "failover, " + f.what + ": until runs are accepted through all other nodes again", part: f.part,
			of: "the worst", goal: "at most " + seconds(f.limit), holds: timeAtMost(f.limit), limit: f.limited,
		})
	}
	return append(rows, row{
		what: "failover, all of these: runs whose callers wait, on the nodes that do not own the data, that failed", part: "blocking",
		of: "failed", goal: "none", holds: func(m measured) bool { return m.value.n == 0 },
		limit: "whether a node knows what it must run without the owner and the log",
	})
}

// seconds formats a number of seconds.
func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

// measureFailover inflicts all faults on a cluster, one after the other.
func measureFailover(ctx context.Context, l *lab) ([]measured, error) {
	c, err := l.startWhole(ctx, clusterBudget...)
	if err != nil {
		return nil, err
	}
	defer c.killWhole()
	if err := c.nodes[0].create(function{Name: "hello", Code: helloCode()}); err != nil {
		return nil, err
	}
	var rows []measured
	var runs, failed int
	var notes []string
	for _, f := range faults {
		var outages []time.Duration
		var problem string
		fruns, ffailed := 0, 0
		for range l.rounds(f.rounds, 1) {
			o, err := c.suffer(ctx, &f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.what, err)
			}
			outages = append(outages, o.length)
			fruns, ffailed, problem = fruns+o.runs, ffailed+o.failed, cmp.Or(problem, o.problem)
		}
		rows = append(rows, measured{value: elapsed(slices.Max(outages)), notes: []string{fmt.Sprintf("%d times, median %v", len(outages), elapsed(median(outages)))}})
		runs, failed = runs+fruns, failed+ffailed
		note := fmt.Sprintf("%s: %d of %d failed", f.what, ffailed, fruns)
		if problem != "" {
			note += ", the first with: " + problem
		}
		notes = append(notes, note)
	}
	return append(rows, measured{value: quantity{float64(failed), number}, notes: append(notes, fmt.Sprintf("%d of %d", failed, runs))}), nil
}

// outage is the result of a fault.
type outage struct {
	length       time.Duration // the longest time between two accepted submissions
	runs, failed int           // of callers that wait
	problem      string        // of the first that has failed
}

// suffer inflicts a fault on a whole cluster, and mends it when runs are accepted again.
func (c *cluster) suffer(ctx context.Context, f *fault) (o outage, err error) {
	s, err := c.whole(ctx)
	if err != nil {
		return o, err
	}
	owner, err := s.owner()
	if err != nil {
		return o, err
	}
	watching, stop := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	var watches []*watch
	for i, n := range c.nodes {
		if i != owner {
			w := &watch{server: n}
			w.start(watching, &clients)
			watches = append(watches, w)
		}
	}
	time.Sleep(quietTime)
	began := time.Now()
	if err := f.inflict(ctx, c, s, owner); err != nil {
		return o, err
	}
	after := began.Add(faultTime)
	if now := time.Now(); now.After(after) {
		after = now
	}
	for slices.ContainsFunc(watches, func(w *watch) bool { return !w.acceptsSince(after) }) {
		if time.Since(began) > outageLimit || ctx.Err() != nil {
			return o, fmt.Errorf("no run is accepted after %v: %w", elapsed(time.Since(began)), context.Cause(ctx))
		}
		time.Sleep(submitPause)
	}
	time.Sleep(quietTime)
	stop()
	clients.Wait()
	for _, w := range watches {
		o.length = max(o.length, w.longest(began))
		o.runs, o.failed, o.problem = o.runs+w.runs, o.failed+w.failed, cmp.Or(o.problem, w.problem)
	}
	return o, f.mend(ctx, c, s, owner)
}

// watch is what happens to requests to a node.
type watch struct {
	server *server

	mu       sync.Mutex
	accepted []acceptance

	// Of the callers that wait; of one goroutine until it has ended.
	runs, failed int
	problem      string
}

// acceptance is when a submission that was accepted was sent, and answered.
type acceptance struct{ sent, answered time.Time }

// start starts all clients of a node.
func (w *watch) start(ctx context.Context, clients *sync.WaitGroup) {
	for range submitters {
		clients.Go(func() { w.submit(ctx) })
	}
	clients.Go(func() { w.call(ctx) })
}

// submit submits runs until ctx ends.
func (w *watch) submit(ctx context.Context) {
	c := newClient(w.server.address)
	c.timeout = submitTime
	defer c.close()
	request := w.server.queueRequest("hello", helloArgs)
	for ctx.Err() == nil {
		sent := time.Now()
		if _, err := c.succeed(request); err == nil {
			w.mu.Lock()
			w.accepted = append(w.accepted, acceptance{sent, time.Now()})
			w.mu.Unlock()
		}
		time.Sleep(submitPause)
	}
}

// call calls the trivial function until ctx ends.
func (w *watch) call(ctx context.Context) {
	c := newClient(w.server.address)
	defer c.close()
	request := w.server.runRequest("hello", helloArgs)
	for ctx.Err() == nil {
		w.runs++
		if _, err := c.succeed(request); err != nil {
			w.failed++
			w.problem = cmp.Or(w.problem, err.Error())
		}
		time.Sleep(neighbourPause)
	}
}

// acceptsSince reports whether a submission was accepted that was sent after a time.
func (w *watch) acceptsSince(t time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.accepted, func(a acceptance) bool { return a.sent.After(t) })
}

// longest returns the longest time between two answers, of which the second came after a time. All clients must
// have ended.
func (w *watch) longest(began time.Time) (longest time.Duration) {
	slices.SortFunc(w.accepted, func(a, b acceptance) int { return a.answered.Compare(b.answered) })
	for i, a := range w.accepted {
		if i > 0 && a.answered.After(began) {
			longest = max(longest, a.answered.Sub(w.accepted[i-1].answered))
		}
	}
	return longest
}
