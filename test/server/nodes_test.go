//go:build linux

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

// clusterOfNodes is a cluster of real processes.
type clusterOfNodes struct {
	engines []*engineProcess
	sites   []*process.Site
	flags   [][]string
	nodes   []*process.Server

	mu       sync.Mutex
	accepted map[string]int // the number that a run got, by id
}

func startCluster(t *testing.T, nodes int) *clusterOfNodes {
	t.Helper()
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &clusterOfNodes{accepted: make(map[string]int)}
	var urls []string
	c.engines, urls = startEngines(t, dir, keyFile)
	for i := range nodes {
		flags := []string{
			"--cluster", strings.Join(urls, ","), "--cluster-name", "test", "--node", string(rune('a' + i)), "--node-listen", "127.0.0.1:0",
			"--cluster-key-file", keyFile, "--memory-budget", "1GB", "--grace", "2s",
		}
		if i == 0 {
			flags = append(flags, "--cluster-create")
		}
		site := process.NewSite(t)
		if i > 0 { // all nodes have the keys of the first
			keys, err := os.ReadFile(filepath.Join(c.sites[0].Data, "secrets.keys"))
			if err == nil {
				err = os.WriteFile(filepath.Join(site.Data, "secrets.keys"), keys, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		c.sites, c.flags = append(c.sites, site), append(c.flags, flags)
		c.nodes = append(c.nodes, nil)
		c.start(t, i)
	}
	return c
}

// start starts a node, and waits until it serves, or leads requests to one that does.
func (c *clusterOfNodes) start(t *testing.T, i int) {
	t.Helper()
	c.nodes[i] = c.sites[i].Serve(t, c.flags[i]...)
	c.serves(t, i)
}

// serves waits until requests to a node are answered.
func (c *clusterOfNodes) serves(t *testing.T, i int) {
	t.Helper()
	process.Until(t, fmt.Sprintf("node %d serves", i), func() bool {
		r, err := c.nodes[i].Do(context.Background(), http.MethodGet, "/readyz", "")
		return err == nil && r.Status == http.StatusOK
	})
}

// owner returns the node that became the owner last, by its log.
func (c *clusterOfNodes) owner(t *testing.T) (owner int) {
	t.Helper()
	best := 0
	for i, n := range c.nodes {
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
	if best == 0 {
		t.Fatal("no node was ever the owner")
	}
	return owner
}

// submit submits runs through all nodes in turn until ctx ends. It does not repeat what has failed.
func (c *clusterOfNodes) submit(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		node := c.nodes[n%len(c.nodes)]
		limited, cancel := context.WithTimeout(ctx, 2*time.Second)
		r, err := node.Do(limited, http.MethodPost, "/v1/functions/square/rpc", fmt.Sprintf(`{"n":%d}`, n))
		cancel()
		if err != nil || r.Status != http.StatusOK {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		var id string
		if json.Unmarshal(r.Body, &id) == nil && id != "" {
			c.mu.Lock()
			c.accepted[id] = n
			c.mu.Unlock()
		}
	}
}

func (c *clusterOfNodes) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.accepted)
}

// more waits until further runs are accepted.
func (c *clusterOfNodes) more(t *testing.T) {
	t.Helper()
	before := c.count()
	process.Until(t, "runs are accepted", func() bool { return c.count() > before+20 })
}

// verify checks that each accepted run has ended once, with its own result, as all nodes say.
func (c *clusterOfNodes) verify(t *testing.T) {
	t.Helper()
	for id, n := range c.accepted {
		node := c.nodes[n%len(c.nodes)]
		var x process.Execution
		process.Until(t, "the run "+id+" has ended", func() bool {
			r, err := node.Do(context.Background(), http.MethodGet, "/v1/executions/"+id, "")
			if err != nil || r.Status == http.StatusServiceUnavailable {
				return false
			}
			if r.Status != http.StatusOK {
				t.Fatalf("run %d: %d %s", n, r.Status, r.Body)
			}
			return json.Unmarshal(r.Body, &x) == nil && x.Done()
		})
		if want := fmt.Sprintf(`{"n":%d,"square":%d}`, n, n*n); x.Status != process.Success || strings.ReplaceAll(string(x.Output), " ", "") != want {
			t.Errorf("run %d: %s", n, x.Text)
		}
	}
}

// Three nodes on three servers of the log, all processes: requests may be sent to any node. The owner is killed,
// and stands still, and a server of the log is killed; no accepted run is lost, and each ends once.
func TestNodes(t *testing.T) {
	c := startCluster(t, 3)
	first := c.owner(t)
	other := (first + 1) % 3
	c.nodes[other].Must(t, http.MethodPut, "/v1/functions/", process.FunctionJSON("square", process.EchoCode))
	for _, node := range c.nodes {
		r := node.Must(t, http.MethodPost, "/v1/sync/functions/square/rpc", `{"n":7}`)
		if !strings.Contains(string(r.Body), "49") {
			t.Fatalf("%s", r.Body)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	defer load.Wait()
	defer stop()
	load.Go(func() { c.submit(ctx) })
	c.more(t)

	began := time.Now()
	c.nodes[first].Kill()
	c.serves(t, other)
	t.Logf("requests were answered %v after the owner was killed", time.Since(began).Round(time.Millisecond))
	c.more(t)
	second := c.owner(t)
	if second == first {
		t.Fatal("the owner that was killed is the owner")
	}
	c.start(t, first)
	c.more(t)

	began = time.Now()
	c.nodes[second].Signal(t, syscall.SIGSTOP)
	process.Until(t, "another node is the owner", func() bool { return c.owner(t) != second })
	c.serves(t, first)
	t.Logf("requests were answered %v after the owner stood still", time.Since(began).Round(time.Millisecond))
	c.nodes[second].Signal(t, syscall.SIGCONT)
	c.nodes[second].WaitLog(t, "this node does not own the shard any more")
	c.serves(t, second)
	c.more(t)

	_ = c.engines[0].cmd.Process.Kill()
	c.more(t)
	c.engines[0].start(t)
	c.engines[0].ready(t)

	// A planned stop hands over.
	third := c.owner(t)
	began = time.Now()
	c.nodes[third].Signal(t, syscall.SIGTERM)
	c.nodes[third].WaitExit(t, process.ExitOK)
	c.serves(t, (third+1)%3)
	t.Logf("requests were answered %v after the owner was asked to stop", time.Since(began).Round(time.Millisecond))
	c.start(t, third)
	c.more(t)
	stop()
	load.Wait()
	t.Logf("%d runs were accepted", len(c.accepted))
	c.verify(t)
}
