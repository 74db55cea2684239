package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// holdTime is how long a run waits that holds holdMB of memory.
	holdTime = 500 * time.Millisecond
	holdMB   = 8
	// holdClients is the number of clients that wait for such runs, more than three nodes have memory for.
	holdClients = 120
	// holdRuns is the number of such runs in one request.
	holdRuns = 960
	// quotaProcessors is the number of processors that each node gets, and quotaClients that of clients that wait for the
	// trivial function: enough that each node has some while it has used its part.
	quotaProcessors = 0.25
	quotaClients    = 72
)

// holdBudget is the memory budget of nodes that run functions which hold memory.
var holdBudget = []string{"--memory-budget", "512MB"}

var clusterNodesBench = bench{
	name: "clusternodes",
	how: "A cluster of three nodes and one of a single node, on the same three servers of a log, alternately. " +
		"First a function that allocates 8 MB and waits for 500 ms; each node has `--memory-budget 512MB`, which bounds how many of its runs wait at once. `wrk` with 120 connections waits for its runs, a third at each of three nodes, " +
		"or all at the one; and one request for 960 runs in the background, from sending it to the owner until all are finished. " +
		"Then the trivial function, with 72 connections, likewise; a control group gives each node a quarter of a processor. The servers of the log and the load generator have the rest of the machine. Medians of all repetitions.",
	rows: []row{
		nodesRow("runs that wait 500 ms with 8 MB, whose callers wait", "waiting", "the memory of each node"),
		nodesRow("runs that wait 500 ms with 8 MB, in the background", "background", "the memory of the nodes that run them"),
		nodesRow("trivial runs whose callers wait, a quarter of a processor for each node", "quota", "the part of a processor that each node has"),
	},
	measure: measureClusterNodes,
}

// nodesRow is a row for what three nodes do, and one.
func nodesRow(what, part, limit string) row {
	return row{
		what: what + ", per second: three nodes / one", part: part,
		of: "three", peer: "one", goal: "at least 2.7x", holds: ratioAtLeast(2.7), limit: limit,
	}
}

// nodesLoad is what clusters of three nodes and of one have done.
type nodesLoad struct {
	rates [2][]float64 // runs per second, of three nodes and of one
	usage [2]usage
}

// measure measures a load on both clusters. The load returns the runs per second.
func (n *nodesLoad) measure(both [2]*cluster, load func(c *cluster) (float64, error)) error {
	for i, c := range both {
		var rate float64
		used, err := observe(c.allProcesses(), wrkThreads*len(c.nodes), func() (err error) {
			rate, err = load(c)
			return err
		})
		if err != nil {
			return err
		}
		n.rates[i], n.usage[i] = append(n.rates[i], rate), n.usage[i].add(used)
	}
	return nil
}

// row returns the figures.
func (n *nodesLoad) row() measured {
	return measured{
		value: quantity{median(n.rates[0]), perSecond}, peer: quantity{median(n.rates[1]), perSecond},
		notes: []string{"what limits three nodes: " + n.usage[0].limit(), "what limits one node: " + n.usage[1].limit()},
	}
}

// measureClusterNodes alternates between a cluster of three nodes and one of one.
func measureClusterNodes(ctx context.Context, l *lab) ([]measured, error) {
	if err := need("wrk"); err != nil {
		return nil, err
	}
	three, err := l.startWhole(ctx, holdBudget...)
	if err != nil {
		return nil, err
	}
	defer three.killWhole()
	one, err := three.startCluster(ctx, "single", 1, holdBudget...)
	if err != nil {
		return nil, err
	}
	defer one.kill()
	both := [2]*cluster{three, one}
	hold := function{Name: "hold", Timeout: 60, Memory: 64, Code: fmt.Sprintf(
		"import time\n\n\ndef main(args, context):\n    held = bytearray(b'x') * (%d << 20)\n    time.sleep(%g)\n    return len(held)\n", holdMB, holdTime.Seconds())}
	for _, c := range both {
		if err := c.nodes[0].createAll([]function{hold, {Name: "hello", Code: helloCode()}}); err != nil {
			return nil, err
		}
	}
	length := time.Duration(l.rounds(5, 3)) * time.Second
	rounds := l.rounds(2, 1)
	var waiting, background nodesLoad
	for range rounds {
		err := waiting.measure(both, func(c *cluster) (float64, error) { return c.wrkAll(ctx, "hold", "{}", holdClients, length) })
		if err != nil {
			return nil, err
		}
	}
	time.Sleep(4 * holdTime) // runs whose clients have gone end
	for range rounds {
		err := background.measure(both, func(c *cluster) (float64, error) {
			took, _, err := c.nodes[0].executeBulk("hold", "{}", holdRuns)
			return holdRuns / took.Seconds(), err
		})
		if err != nil {
			return nil, err
		}
	}
	quota, err := measureQuota(ctx, l, both)
	return []measured{waiting.row(), background.row(), quota}, err
}

// measureQuota measures trivial runs on nodes with a part of a processor each. The nodes are killed.
func measureQuota(ctx context.Context, l *lab, both [2]*cluster) (m measured, err error) {
	var quotas []quota
	defer func() {
		for _, c := range both {
			c.kill()
		}
		for _, q := range quotas {
			err = errors.Join(err, q.remove())
		}
	}()
	for _, c := range both {
		for _, s := range c.nodes {
			q, err := newQuota(quotaProcessors)
			if err != nil {
				return measured{err: err}, nil
			}
			quotas = append(quotas, q)
			if err := q.add(s.process); err != nil {
				return measured{}, err
			}
		}
	}
	length := time.Duration(l.rounds(3, 2)) * time.Second
	var trivial nodesLoad
	for range l.rounds(3, 1) {
		err := trivial.measure(both, func(c *cluster) (float64, error) { return c.wrkAll(ctx, "hello", helloArgs, quotaClients, length) })
		if err != nil {
			return measured{}, err
		}
	}
	return trivial.row(), nil
}

// wrkAll sends requests for runs to all nodes at once, each from its part of the clients, and returns the responses per
// second.
func (c *cluster) wrkAll(ctx context.Context, name, args string, clients int, length time.Duration) (rate float64, err error) {
	if _, err := c.peersFolder(); err != nil { // now, because the calls below are concurrent
		return 0, err
	}
	rates, errs := make([]float64, len(c.nodes)), make([]error, len(c.nodes))
	var all sync.WaitGroup
	for i, s := range c.nodes {
		t := s.blockingTarget(name, args)
		t.connections = clients / len(c.nodes)
		all.Go(func() { rates[i], _, errs[i] = c.wrk(ctx, t, length) })
	}
	all.Wait()
	for _, r := range rates {
		rate += r
	}
	return rate, errors.Join(errs...)
}
