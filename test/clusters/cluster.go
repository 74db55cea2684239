//go:build linux

package clusters

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

// Cluster is a cluster of nodes a, b and so on.
type Cluster struct {
	*Log
	Sites []*process.Site
	Flags [][]string // of the nodes
	Nodes []*process.Server
}

// Start starts the servers of a log, and as many nodes, and waits until they are ready. The flags are those of all nodes,
// besides the usual ones.
func Start(t *testing.T, nodes int, more ...string) *Cluster {
	t.Helper()
	return StartIn(t, nil, nodes, more...)
}

// StartIn is Start in a network; nil: on the loopback interface.
func StartIn(t *testing.T, network *Network, nodes int, more ...string) *Cluster {
	t.Helper()
	c := &Cluster{Log: startLog(t, network)}
	for i := range nodes {
		name := NodeName(i)
		h := network.host(t, "node-"+name)
		flags, site := slices.Concat(c.NodeFlags(name), h.nodeFlags(), more), process.NewSite(t)
		site.Enter = h.enter()
		if i == 0 {
			flags = append(flags, "--cluster-create")
		} else {
			c.CopyKeys(t, site.Data)
		}
		c.Sites, c.Flags = append(c.Sites, site), append(c.Flags, flags)
		c.Nodes = append(c.Nodes, nil)
		c.StartNode(t, i)
	}
	return c
}

// NodeName returns the name of a node.
func NodeName(i int) string { return string(rune('a' + i)) }

// NodeFlags returns the flags of a node.
func (l *Log) NodeFlags(name string) []string {
	return []string{
		"--cluster", strings.Join(l.URLs, ","), "--cluster-name", Name, "--node", name, "--node-listen", "127.0.0.1:0",
		"--cluster-key-file", l.KeyFile, "--memory-budget", "1GB", "--grace", "2s",
	}
}

// CopyKeys gives a node the keys of secrets, which all nodes have.
func (c *Cluster) CopyKeys(t *testing.T, data string) {
	t.Helper()
	keys, err := os.ReadFile(filepath.Join(c.Sites[0].Data, "secrets.keys"))
	if err == nil {
		err = os.WriteFile(filepath.Join(data, "secrets.keys"), keys, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// StartNode starts a node, and waits until it is ready.
func (c *Cluster) StartNode(t *testing.T, i int) {
	t.Helper()
	c.Nodes[i] = c.Sites[i].Serve(t, c.Flags[i]...)
	c.Serves(t, i)
}

// IsReady reports whether a node is ready.
func (c *Cluster) IsReady(i int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := c.Nodes[i].Do(ctx, http.MethodGet, "/readyz", "")
	return err == nil && r.Status == http.StatusOK
}

// Serves waits until nodes are ready.
func (c *Cluster) Serves(t *testing.T, nodes ...int) {
	t.Helper()
	for _, i := range nodes {
		process.Until(t, fmt.Sprintf("node %s serves", NodeName(i)), func() bool { return c.IsReady(i) })
	}
}

// Settled waits until all nodes but some are ready.
func (c *Cluster) Settled(t *testing.T, but ...int) {
	t.Helper()
	c.Serves(t, c.Others(but...)...)
}

// Others returns all nodes but some.
func (c *Cluster) Others(but ...int) (all []int) {
	for i := range c.Nodes {
		if len(but) == 0 || i != but[0] {
			all = append(all, i)
		}
	}
	return all
}

// Owner returns the node that became the owner last, by its log.
func (c *Cluster) Owner(t *testing.T) (owner int) {
	t.Helper()
	owner, ok := c.FindOwner(t)
	if !ok {
		t.Fatal("no node was ever the owner")
	}
	return owner
}

// FindOwner is Owner for a cluster whose nodes may all have been started since one became the owner.
func (c *Cluster) FindOwner(t *testing.T) (owner int, ok bool) {
	t.Helper()
	best := 0
	for i, n := range c.Nodes {
		text, err := os.ReadFile(n.LogFile)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			var entry struct {
				Message string `json:"msg"`
				Epoch   int    `json:"epoch"`
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Message == "this node owns the shard" && entry.Epoch > best {
				owner, best = i, entry.Epoch
			}
		}
	}
	return owner, best > 0
}

// Replaced waits until another node is the owner.
func (c *Cluster) Replaced(t *testing.T, owner int) {
	t.Helper()
	process.Until(t, "another node is the owner", func() bool {
		time.Sleep(pollTime)
		return c.Owner(t) != owner
	})
}

// State is the state of a cluster, as `fas cluster status` says it.
type State struct {
	Nodes []struct {
		Node, Role, Version     string
		Ready, Drained, Answers bool
		Keyless                 bool
		Lag                     uint64
	}
	Servers []struct {
		Name                     string
		Running, Leader, Current bool
	}
	Log     *struct{ Generation, Last uint64 }
	Former  []struct{ Generation uint64 }
	Secrets *struct{ Key, State string }
	Problem string
}

// Role returns the role of a node, empty if it is not known.
func (s State) Role(node string) string {
	for _, one := range s.Nodes {
		if one.Node == node && one.Answers {
			return one.Role
		}
	}
	return ""
}

// State asks for the state of the cluster.
func (l *Log) State(t *testing.T) (s State) {
	t.Helper()
	l.Command(t, &s, "status")
	return s
}

// Leader returns the server that leads the stream of the log.
func (c *Cluster) Leader(t *testing.T) (leader int) {
	t.Helper()
	leader = -1
	process.Until(t, "a server leads the stream", func() bool {
		for _, one := range c.State(t).Servers {
			for i, e := range c.Engines {
				if one.Leader && one.Name == e.Name {
					leader = i
				}
			}
		}
		return leader >= 0
	})
	return leader
}

// Command runs a command of `fas cluster` with the settings of the cluster, and decodes its JSON. It returns the exit status.
func (l *Log) Command(t *testing.T, v any, args ...string) (status int) {
	t.Helper()
	cmd := exec.Command(process.Binary(t), append(append([]string{"cluster"}, args...), "--json")...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+home, "FAASPOT_DIR="+home, "FAASPOT_CLUSTER="+strings.Join(l.URLs, ","), "FAASPOT_CLUSTER_NAME="+Name, "FAASPOT_CLUSTER_KEY_FILE="+l.KeyFile)
	var talk strings.Builder
	cmd.Stderr = &talk
	out, _ := cmd.Output() // the status says it
	if err := json.Unmarshal(out, v); err != nil && len(out) > 0 {
		t.Fatalf("fas cluster %v: %v, %s", args, err, out)
	}
	if status = cmd.ProcessState.ExitCode(); status != process.ExitOK {
		t.Logf("fas cluster %v: %s", args, talk.String())
	}
	return status
}
