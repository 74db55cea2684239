//go:build linux

package clusterkill

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/clusters"
	"github.com/faaspot/faaspot/test/customers"
	"github.com/faaspot/faaspot/test/process"
)

func TestMain(m *testing.M) { process.Main(m) }

var seedFlag = flag.Uint64("cluster.seed", 0, "seed of the load and of the faults; 0: random")

// cluster is a cluster under load.
type cluster struct {
	*clusters.Cluster
	load *customers.Load
	cron *schedules
	seed uint64
	rng  *rand.Rand
}

// start starts three servers of a log, three nodes, and a load that uses all of them.
func start(t *testing.T, network *clusters.Network) *cluster {
	t.Helper()
	c := &cluster{Cluster: clusters.StartIn(t, network, 3), load: customers.New(t), seed: cmp.Or(*seedFlag, rand.Uint64())}
	t.Logf("-cluster.seed=%d", c.seed)
	c.rng = rand.New(rand.NewPCG(c.seed, 0))
	c.load.Late = true
	c.load.Refusals = 20 // a node that does not know the version yet, for example
	c.load.Begin()
	c.load.Deploy(t, c.Nodes[0].Client)
	c.cron = newSchedules(t, c.Nodes[0].Client)
	c.turnTo(c.Others()...)
	c.load.Start(c.seed)
	return c
}

// turnTo lets the customers use some of the nodes.
func (c *cluster) turnTo(nodes ...int) {
	var clients []*process.Client
	for _, i := range nodes {
		clients = append(clients, c.Nodes[i].Client)
	}
	c.load.TurnTo(clients...)
}

// more waits until further executions are accepted, and others end.
func (c *cluster) more(t *testing.T) {
	t.Helper()
	const enough = 30
	given, done := c.load.Accounts()
	process.Until(t, "executions are accepted and end", func() bool {
		time.Sleep(10 * time.Millisecond)
		nowGiven, nowDone := c.load.Accounts()
		return nowGiven > given+enough && nowDone > done+enough
	})
}

// whole waits until the cluster is what it was before a fault.
func (c *cluster) whole(t *testing.T) {
	t.Helper()
	for _, e := range c.Engines {
		e.Ready(t)
	}
	c.Settled(t)
	c.turnTo(c.Others()...)
	c.load.Report(t)
}

// end stops the load, and compares what each of the nodes has, as the owner, with what customers know.
func (c *cluster) end(t *testing.T, ticks started) {
	t.Helper()
	c.whole(t)
	c.load.Stop()
	c.load.LookAtEnd(t, c.Nodes[0].Client)
	c.cron.check(t, c.Nodes[0].Client, ticks)
	owners := map[string]bool{clusters.NodeName(c.Owner(t)): true}
	for len(owners) < len(c.Nodes) {
		var h struct{ Owner string }
		from := clusters.NodeName(c.Owner(t))
		if status := c.Command(t, &h, "drain", from); status != process.ExitOK || owners[h.Owner] {
			t.Fatalf("the node %s has handed over to %q: %d", from, h.Owner, status)
		}
		owners[h.Owner] = true
		c.Settled(t)
		c.load.LookUp(t, c.Nodes[0].Client, c.load.All())
	}
	c.load.Report(t)
	given, _ := c.load.Accounts()
	t.Logf("%d executions", given)
	if given < 500 || c.load.Count(customers.Compared) == 0 {
		t.Error("too little has happened: the test shows nothing")
	}
	for _, e := range c.Engines {
		checkLog(t, e.LogFile, `"level":"ERROR"`) // a server says so of each connection that it loses
	}
	for _, n := range c.Nodes {
		checkLog(t, n.LogFile, notOwner)
	}
}

// notOwner is in the errors of a node that is not the owner any more.
const notOwner = "unavailable: "

// checkLog checks that the log of a process has no panics, and no errors but expected ones.
func checkLog(t *testing.T, file, expected string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"level":"ERROR"`) && !strings.Contains(line, expected) || strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			t.Errorf("the log: %s", line)
		}
	}
}

// schedules are jobs that start each minute.
type schedules struct {
	names []string
	since time.Time // the first tick is after that
}

func newSchedules(t *testing.T, node *process.Client) *schedules {
	t.Helper()
	s := &schedules{names: []string{"tick-1", "tick-2", "tick-3"}}
	node.Deploy(t, customers.Foreign+"tick", "def main(args, context): pass")
	for _, name := range s.names {
		node.Must(t, http.MethodPost, "/v0/jobs", `{"metadata":{"name":"`+name+`"},"spec":{"function":"`+customers.Foreign+`tick","triggers":[
			{"type":"cron","configuration":{"schedule":"* * * * *"}}]}}`)
	}
	s.since = time.Now()
	return s
}

// started is what must be true of ticks, which may start no more than one execution.
type started int

const (
	each started = iota // starts one
	most                // may start none, because nothing was accepted for the minute after it
)

// check checks that each tick has started one execution, in the minute after it.
func (s *schedules) check(t *testing.T, node *process.Client, want started) {
	t.Helper()
	until := time.Now()
	for _, name := range s.names {
		process.Until(t, "the ticks of "+name+" have started executions", func() bool {
			r, err := node.Do(t.Context(), http.MethodGet, "/v0/jobs/"+name+"/executions?limit=100", "")
			if err != nil || r.Status != http.StatusOK {
				return false
			}
			all := process.Decode[[]struct {
				Metadata struct {
					CreatedAt time.Time `json:"createdAt"`
				} `json:"metadata"`
			}](t, r)
			of := map[time.Time]int{}
			for _, x := range all {
				tick := x.Metadata.CreatedAt.Truncate(time.Minute)
				if of[tick]++; of[tick] > 1 {
					t.Fatalf("the tick %s of %s has started %d executions", tick, name, of[tick])
				}
			}
			ticks := 0
			for tick := s.since.Truncate(time.Minute).Add(time.Minute); tick.Before(until); tick = tick.Add(time.Minute) {
				if ticks++; want == each && of[tick.UTC()] == 0 {
					time.Sleep(100 * time.Millisecond)
					return false
				}
			}
			t.Logf("%d ticks of %s", ticks, name)
			return true
		})
	}
}
