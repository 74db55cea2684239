package main

import (
	"context"
	"fmt"
	"time"
)

// manyClients is the larger number of clients that submit background runs at once.
const manyClients = 256

var (
	// clusterBudget is the memory budget of the servers of the benches of clusters, of which several share the machine.
	clusterBudget = []string{"--memory-budget", "1GB"}
	// queueBudget is one for hundreds of thousands of runs that stay queued.
	queueBudget = []string{"--memory-budget", "10GB", "--tenant-runs", "1"}
)

var clusterAcceptBench = bench{
	name: "clusteraccept",
	how: "`wrk` with one thread and 64 or 256 connections submits background runs to a server alone, and to the owner of a cluster, alternately: three servers of the log and " +
		"three nodes, each a process, with the key of a cluster, so with TLS between all of them. The function sleeps, so that accepted runs stay queued, and the nodes that follow are drained, so that they only follow. " +
		"Processor time is that of whole processes, user and system, from the first request until 0.3 s after the last one, divided by the accepted runs. " +
		"All six processes, their three disks, the server alone and `wrk` share one machine: rates are bounded by its processors. What carries over to separate machines is the processor time for each run.",
	rows: []row{
		onLogRow("accepted runs, 64 clients: processor time of the server", "server, 64 clients"),
		onLogRow("accepted runs, 256 clients: processor time of the server", "server, 256 clients"),
		logRow("accepted runs, 256 clients", "log"),
		{
			what: "accepted runs, 64 clients, per second: on the log, all processes on one machine / a server alone", part: "rate, 64 clients",
			of: "on the log", peer: "alone", limit: "the processors, which the seven servers share",
		},
		{
			what: "accepted runs, 256 clients, per second: on the log, all processes on one machine / a server alone", part: "rate, 256 clients",
			of: "on the log", peer: "alone", limit: "the processors, which the seven servers share",
		},
	},
	measure: measureClusterAccept,
}

// onLogRow is a row for the processor time that a server needs for a run, on the log and alone.
func onLogRow(what, part string) row {
	return row{
		what: what + ", the owner of a log / a server alone", part: part,
		of: "on the log", peer: "alone", goal: "at most 1.25x", holds: ratioAtMost(1.25),
		limit: "what a record costs, divided by the runs that share it",
	}
}

// logRow is a row for the processor time of the servers of the log.
func logRow(what, part string) row {
	return row{
		what: what + ": processor time of all three servers of the log", part: part,
		of: "per run", goal: "at most 25 µs", holds: timeAtMost(25 * time.Microsecond),
		limit: "what a record costs, divided by the runs that share it",
	}
}

// acceptLoad is what submissions by some clients have cost, on the log and alone.
type acceptLoad struct {
	clients      int
	onLog, alone loads
	cost         clusterCost
	aloneTime    time.Duration
	aloneRuns    int
}

// measureClusterAccept alternates between submissions to a server alone and to the owner of a cluster.
func measureClusterAccept(ctx context.Context, l *lab) ([]measured, error) {
	if err := need("wrk"); err != nil {
		return nil, err
	}
	c, s, err := l.besideCluster(ctx, heldFunction(), queueBudget...)
	if err != nil {
		return nil, err
	}
	defer c.killWhole()
	defer s.kill()
	idle, err := c.idle()
	if err != nil {
		return nil, err
	}
	all := []*acceptLoad{{clients: acceptClients}, {clients: manyClients}}
	for range l.rounds(6, 2) {
		for _, a := range all {
			if err := a.measure(ctx, l, c, s, time.Second); err != nil {
				return nil, err
			}
		}
	}
	few, many := all[0], all[1]
	return []measured{
		few.server(idle), many.server(),
		{value: elapsed(many.cost.per(many.cost.log)), notes: []string{fmt.Sprintf("64 clients: %v", elapsed(few.cost.per(few.cost.log)))}},
		few.rates(), many.rates(),
	}, nil
}

// besideCluster starts a cluster whose followers are drained, and a server alone, and deploys a function on both.
func (l *lab) besideCluster(ctx context.Context, f function, flags ...string) (*cluster, *server, error) {
	data, err := l.compiledData(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := l.startWhole(ctx, flags...)
	if err != nil {
		return nil, nil, err
	}
	if err = c.drainFollowers(ctx); err == nil {
		err = c.nodes[0].create(f)
	}
	var s *server
	if err == nil {
		s, err = l.serveIn(ctx, data, flags...)
	}
	if err == nil {
		if err = s.create(f); err != nil {
			s.kill()
		}
	}
	if err != nil {
		c.killWhole()
		return nil, nil, err
	}
	return c, s, nil
}

// idle returns a note with the shares of a processor that a cluster without work uses.
func (c *cluster) idle() (string, error) {
	cost := clusterCost{}
	const length = 2 * time.Second
	err := cost.add(c, func() (int, error) { time.Sleep(length); return 1, nil })
	share := func(d time.Duration, processes int) float64 {
		return 100 * d.Seconds() / (length + settledTime).Seconds() / float64(processes)
	}
	return fmt.Sprintf("without work the owner uses %.1f %% of a processor, another node %.1f %%, a server of the log %.1f %%",
		share(cost.owner, 1), share(cost.followers, len(c.nodes)-1), share(cost.log, len(c.servers))), err
}

// measure submits runs to the server alone, and to the owner of the cluster.
func (a *acceptLoad) measure(ctx context.Context, l *lab, c *cluster, s *server, length time.Duration) error {
	submit := func(r *loads, to *server) (runs int, err error) {
		t := to.queueTarget("held", "{}")
		t.connections = a.clients
		before := r.responses
		err = r.measure(ctx, l, t, length)
		return r.responses - before, err
	}
	used, err := spent(func() (err error) {
		n, err := submit(&a.alone, s)
		a.aloneRuns += n
		return err
	}, []*process{s.process})
	if err != nil {
		return err
	}
	a.aloneTime += used[0]
	return a.cost.add(c, func() (int, error) { return submit(&a.onLog, c.nodes[0]) })
}

// server returns the figures of the processor time of the server.
func (a *acceptLoad) server(notes ...string) measured {
	return measured{
		value: elapsed(a.cost.per(a.cost.owner)), peer: elapsed(a.aloneTime / time.Duration(a.aloneRuns)),
		notes: append(notes, fmt.Sprintf("processor time of a node that follows, per accepted run: %v", elapsed(a.cost.per(a.cost.followers)/(clusterNodes-1)))),
	}
}

// rates returns the figures of the rates.
func (a *acceptLoad) rates() measured {
	return measured{
		value: quantity{a.onLog.rate(), perSecond}, peer: quantity{a.alone.rate(), perSecond}, limit: a.cost.limit(a.onLog.usage),
		notes: []string{"what limits the server alone: " + a.alone.usage.limit()},
	}
}

// limit says what kept loads on the owner from being faster. Their usage lacks all other processes of the cluster.
func (c *clusterCost) limit(u usage) string {
	u.server += c.followers + c.log
	return u.limit()
}
