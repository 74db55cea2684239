//go:build linux

package clusterkill

import (
	"flag"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/clusters"
	"github.com/faaspot/faaspot/test/customers"
	"github.com/faaspot/faaspot/test/process"
)

var (
	faultsFlag = flag.Int("cluster.faults", 4, "number of faults; each kind comes once before one comes twice")
	kindFlag   = flag.String("cluster.kind", "", "text in the names of the kinds of faults; empty: all kinds")
)

// fault is a kind of fault, which ends before it returns.
type fault struct {
	name  string
	cause func(*cluster, *testing.T, *clusters.Network)
}

var faults = []fault{
	{"the owner does not reach the log", (*cluster).cutOwnerFromLog},
	{"the owner does not reach other nodes", (*cluster).cutOwnerFromNodes},
	{"the server that leads the stream does not reach the others", (*cluster).cutLeader},
	{"the owner reaches nobody", (*cluster).isolateOwner},
	{"the owner stands still", (*cluster).stopOwner},
	{"the server that leads the stream stands still", (*cluster).stopLeader},
	{"a server of the log reaches nobody", (*cluster).isolateEngine},
	{"a node that follows reaches nobody", (*cluster).isolateFollower},
	{"a node that follows does not reach the log", (*cluster).cutFollowerFromLog},
	{"the server of the log that all nodes use does not reach the others", (*cluster).cutServerOfAll},
}

// Each of three servers of a log and three nodes has a network namespace of its own. Connections between them are cut, and
// processes stand still, while customers use all nodes, until the cluster has reacted. Every answer that any of them
// received stays true, also those of a former owner, see package customers; and in the end each node has everything.
func TestNothingIsLostToPartitions(t *testing.T) {
	network := clusters.NewNetwork(t)
	c := start(t, network)
	kinds := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !strings.Contains(f.name, *kindFlag) })
	for n := range *faultsFlag {
		if n%len(kinds) == 0 {
			c.rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		}
		f := kinds[n%len(kinds)]
		c.more(t)
		began := time.Now()
		f.cause(c, t, network)
		reacted := time.Since(began)
		c.whole(t)
		t.Logf("%s: %v, and %v until all was well", f.name, reacted.Round(time.Millisecond), (time.Since(began) - reacted).Round(time.Millisecond))
	}
	c.end(t, most)
}

// cut cuts the connections between a host and others, until the function that it returns is called.
func cut(t *testing.T, from *clusters.Host, to []*clusters.Host) (join func()) {
	t.Helper()
	for _, h := range to {
		from.Cut(t, h)
	}
	return func() {
		for _, h := range to {
			from.Join(t, h)
		}
	}
}

func nodeHost(n *clusters.Network, i int) *clusters.Host {
	return n.Host("node-" + clusters.NodeName(i))
}

func (c *cluster) nodeHosts(n *clusters.Network, but int) (all []*clusters.Host) {
	for _, i := range c.Others(but) {
		all = append(all, nodeHost(n, i))
	}
	return all
}

// engineHosts returns the hosts of all servers of the log but one.
func (c *cluster) engineHosts(n *clusters.Network, but int) (all []*clusters.Host) {
	for i, e := range c.Engines {
		if i != but {
			all = append(all, n.Host("engine-"+e.Name))
		}
	}
	return all
}

func (c *cluster) engineHost(n *clusters.Network, i int) *clusters.Host {
	return n.Host("engine-" + c.Engines[i].Name)
}

// unready waits until nodes are not ready.
func (c *cluster) unready(t *testing.T, nodes ...int) {
	t.Helper()
	for _, i := range nodes {
		process.Until(t, "the node "+clusters.NodeName(i)+" is not ready", func() bool {
			time.Sleep(10 * time.Millisecond)
			r, err := c.Nodes[i].Do(t.Context(), http.MethodGet, "/readyz", "")
			return err == nil && r.Status == http.StatusServiceUnavailable
		})
	}
}

// follower returns a node that follows.
func (c *cluster) follower(t *testing.T) int {
	t.Helper()
	return c.Others(c.Owner(t))[c.rng.IntN(len(c.Nodes)-1)]
}

// writeTime is the time for which customers use an owner that does not reach the log: their requests have no answers.
const writeTime = 2 * time.Second

func (c *cluster) cutOwnerFromLog(t *testing.T, n *clusters.Network) {
	owner := c.Owner(t)
	join := cut(t, nodeHost(n, owner), c.engineHosts(n, -1))
	c.load.Begin()
	time.Sleep(writeTime)
	c.turnTo(c.Others(owner)...)
	c.Replaced(t, owner)
	c.more(t)
	answers := c.load.Probe(c.seed, c.Nodes[owner].Client)
	c.more(t)
	join()
	answers()
}

func (c *cluster) cutOwnerFromNodes(t *testing.T, n *clusters.Network) {
	owner := c.Owner(t)
	join := cut(t, nodeHost(n, owner), c.nodeHosts(n, owner))
	c.load.Begin()
	c.unready(t, c.Others(owner)...)
	c.turnTo(owner)
	c.more(t)
	if now := c.Owner(t); now != owner {
		t.Errorf("the node %s writes, and %s has replaced it", clusters.NodeName(owner), clusters.NodeName(now))
	}
	join()
}

func (c *cluster) cutLeader(t *testing.T, n *clusters.Network) {
	leader := c.Leader(t)
	join := cut(t, c.engineHost(n, leader), c.engineHosts(n, leader))
	c.load.Begin()
	c.moreAfterAll(t)
	join()
}

// moreAfterAll is more for executions that were certainly accepted after the fault began, not just answered.
func (c *cluster) moreAfterAll(t *testing.T) {
	t.Helper()
	time.Sleep(time.Second)
	c.more(t)
}

func (c *cluster) isolateOwner(t *testing.T, n *clusters.Network) {
	owner := c.Owner(t)
	nodeHost(n, owner).Isolate(t)
	c.load.Begin()
	c.turnTo(c.Others(owner)...)
	c.Replaced(t, owner)
	c.more(t)
	answers := c.load.Probe(c.seed, c.Nodes[owner].Client)
	nodeHost(n, owner).Connect(t)
	answers()
}

func (c *cluster) isolateFollower(t *testing.T, n *clusters.Network) {
	const enough = 12 // more than have waited for the node when it was cut off
	i, before := c.follower(t), c.load.Count(customers.Compared)
	nodeHost(n, i).Isolate(t)
	c.load.Begin()
	c.turnTo(c.Others(i)...)
	process.Until(t, "functions are updated", func() bool {
		time.Sleep(10 * time.Millisecond)
		return c.load.Count(customers.Compared) > before+enough
	})
	answers := c.load.Probe(c.seed, c.Nodes[i].Client)
	nodeHost(n, i).Connect(t)
	answers()
}

func (c *cluster) cutFollowerFromLog(t *testing.T, n *clusters.Network) {
	i := c.follower(t)
	join := cut(t, nodeHost(n, i), c.engineHosts(n, -1))
	c.load.Begin()
	c.unready(t, i)
	c.more(t)
	join()
}

func (c *cluster) isolateEngine(t *testing.T, n *clusters.Network) {
	i := c.rng.IntN(len(c.Engines))
	h := c.engineHost(n, i)
	h.Isolate(t)
	c.load.Begin()
	process.Until(t, "the others work without it", func() bool {
		for _, one := range c.State(t).Servers {
			if one.Name == c.Engines[i].Name && !one.Running {
				return true
			}
		}
		return false
	})
	c.more(t)
	h.Connect(t)
}

// cutServerOfAll lets all nodes use one server of the log, and then cuts it off from the other servers.
func (c *cluster) cutServerOfAll(t *testing.T, n *clusters.Network) {
	i := c.rng.IntN(len(c.Engines))
	var joins []func()
	for node := range c.Nodes {
		joins = append(joins, cut(t, nodeHost(n, node), c.engineHosts(n, i)))
	}
	c.load.Begin()
	c.moreAfterAll(t)
	for _, join := range joins {
		join()
	}
	c.whole(t)
	join := cut(t, c.engineHost(n, i), c.engineHosts(n, i))
	c.load.Begin()
	c.moreAfterAll(t)
	join()
}

func (c *cluster) stopOwner(t *testing.T, _ *clusters.Network) {
	owner := c.Owner(t)
	c.Nodes[owner].Signal(t, syscall.SIGSTOP)
	c.load.Begin()
	c.turnTo(c.Others(owner)...)
	c.Replaced(t, owner)
	c.more(t)
	answers := c.load.Probe(c.seed, c.Nodes[owner].Client)
	c.more(t)
	c.Nodes[owner].Signal(t, syscall.SIGCONT)
	answers()
}

func (c *cluster) stopLeader(t *testing.T, _ *clusters.Network) {
	leader := c.Engines[c.Leader(t)]
	leader.Signal(t, syscall.SIGSTOP)
	c.load.Begin()
	c.moreAfterAll(t)
	leader.Signal(t, syscall.SIGCONT)
}
