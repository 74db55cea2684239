//go:build linux

package clusterkill

import (
	"flag"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/clusters"
)

var killTime = flag.Duration("cluster.time", 90*time.Second, "time for which processes are killed")

const (
	// killEvery is the time between two kills; downTime bounds the time until the process is started again.
	killEvery, downTime = 5 * time.Second, 2 * time.Second
)

// Of three servers of a log and three nodes one process is killed every 5 seconds, in random order, while customers use all
// nodes. Every answer that any of them received stays true, see package customers; each tick of a schedule starts one
// execution; and in the end each node has everything.
func TestNothingIsLostToKillsInACluster(t *testing.T) {
	c := start(t, nil)
	var kills, owners, leaders int
	for began := time.Now(); time.Since(began) < *killTime; {
		for _, victim := range c.rng.Perm(len(c.Engines) + len(c.Nodes)) {
			next := time.Now().Add(killEvery)
			if victim < len(c.Engines) {
				if c.killEngine(t, victim) {
					leaders++
				}
			} else if c.killNode(t, victim-len(c.Engines)) {
				owners++
			}
			kills++
			c.load.Report(t)
			time.Sleep(time.Until(next))
		}
	}
	c.more(t)
	t.Logf("%d kills, %d of the owner, %d of the server that led the stream", kills, owners, leaders)
	if owners == 0 {
		t.Error("no owner was killed: the test shows nothing")
	}
	c.end(t, each)
}

// down waits for a part of downTime.
func (c *cluster) down() { time.Sleep(time.Duration(c.rng.Int64N(int64(downTime)))) }

// killEngine kills a server of the log, when the others work, and starts it again. It reports whether it led the stream.
func (c *cluster) killEngine(t *testing.T, i int) (led bool) {
	t.Helper()
	for other, e := range c.Engines {
		if other != i {
			e.Ready(t)
		}
	}
	led = c.Leader(t) == i
	c.Engines[i].Kill()
	c.load.Begin()
	c.down()
	c.Engines[i].Start(t)
	return led
}

// killNode kills a node, and starts it again. It reports whether it was the owner.
func (c *cluster) killNode(t *testing.T, i int) (owned bool) {
	t.Helper()
	owner, ok := c.FindOwner(t)
	c.Nodes[i].Kill()
	c.load.Begin()
	c.turnTo(c.Others(i)...)
	checkLog(t, c.Nodes[i].LogFile, notOwner)
	c.down()
	c.Nodes[i] = c.Sites[i].Launch(t, c.Flags[i]...)
	if !c.Nodes[i].Ready(t, nil) {
		t.Fatalf("the node %s no longer starts", clusters.NodeName(i))
	}
	c.turnTo(c.Others()...)
	return ok && owner == i
}
