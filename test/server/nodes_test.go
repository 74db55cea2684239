//go:build linux

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog/nats"
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
	keyFile  string
	urls     []string
}

// nodeFlags returns the flags of a node.
func (c *clusterOfNodes) nodeFlags(name string) []string {
	return []string{
		"--cluster", strings.Join(c.urls, ","), "--cluster-name", "test", "--node", name, "--node-listen", "127.0.0.1:0",
		"--cluster-key-file", c.keyFile, "--memory-budget", "1GB", "--grace", "2s",
	}
}

// copyKeys gives a node the keys of secrets, which all nodes have.
func (c *clusterOfNodes) copyKeys(t *testing.T, data string) {
	t.Helper()
	keys, err := os.ReadFile(filepath.Join(c.sites[0].Data, "secrets.keys"))
	if err == nil {
		err = os.WriteFile(filepath.Join(data, "secrets.keys"), keys, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func startCluster(t *testing.T, nodes int) *clusterOfNodes {
	t.Helper()
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &clusterOfNodes{accepted: make(map[string]int), keyFile: keyFile}
	c.engines, c.urls = startEngines(t, dir, keyFile)
	for i := range nodes {
		flags, site := c.nodeFlags(string(rune('a'+i))), process.NewSite(t)
		if i == 0 {
			flags = append(flags, "--cluster-create")
		} else {
			c.copyKeys(t, site.Data)
		}
		c.sites, c.flags = append(c.sites, site), append(c.flags, flags)
		c.nodes = append(c.nodes, nil)
		c.start(t, i)
	}
	return c
}

// start starts a node, and waits until it is ready.
func (c *clusterOfNodes) start(t *testing.T, i int) {
	t.Helper()
	c.nodes[i] = c.sites[i].Serve(t, c.flags[i]...)
	c.serves(t, i)
}

// serves waits until a node is ready.
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
	c.more(t)
	t.Logf("runs were accepted %v after the owner was killed", time.Since(began).Round(time.Millisecond))
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
	c.joinLate(t)
}

// joinLate lets nodes join when the log does not have its first records any more: one with a backup, and one without, which
// is killed while it gets a copy of the data. Then all others are killed.
func (c *clusterOfNodes) joinLate(t *testing.T) {
	t.Helper()
	k, err := key.Read(c.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*process.Patience)
	defer cancel()
	l, err := nats.Open(ctx, nats.Options{Servers: c.urls, Cluster: "test", Generation: 1, Key: k, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	end, err := l.End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	backup := c.nodes[0].Must(t, http.MethodPost, "/v1/server/backup", "")
	if err := l.Trim(ctx, end); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	file, data := filepath.Join(home, "backup"), filepath.Join(home, "restored")
	if err := errors.Join(os.WriteFile(file, backup.Body, 0o600), os.Mkdir(data, process.DataMode)); err != nil {
		t.Fatal(err)
	}
	c.copyKeys(t, data)
	site := &process.Site{Home: home, Data: data, Token: c.sites[0].Token}
	if out, err := admin(t, site, nil, "restore", file, "--data", data); err != nil {
		t.Fatalf("restore: %v, %s", err, out)
	}
	if err := os.Symlink(process.Guest(t), filepath.Join(data, "cache")); err != nil {
		t.Fatal(err)
	}
	late := site.Serve(t, c.nodeFlags("late")...)
	fresh := process.NewSite(t)
	c.copyKeys(t, fresh.Data)
	flags := append(c.nodeFlags("fresh"), "--log-level", "debug")
	node := fresh.Launch(t, flags...)
	node.WaitLog(t, "getting a copy of the data from another node")
	node.Kill()
	node = fresh.Serve(t, flags...)
	process.Until(t, "the node follows", func() bool {
		var s clusterState
		c.command(t, &s, "status")
		return s.role("fresh") == "follower"
	})
	for _, n := range append(c.nodes, late) {
		n.Kill()
	}
	c.nodes = []*process.Server{node}
	c.serves(t, 0)
	c.verify(t)
	if left, err := filepath.Glob(filepath.Join(fresh.Data, "store.*")); err != nil || len(left) > 0 {
		t.Errorf("the copy has left %v, %v", left, err)
	}
}

// A node that has owned the data, has lost them and owns them again serves as before: it is confined since it has
// started, and reports to its service manager what it does.
func TestNodeOwnsTwice(t *testing.T) {
	manager := serviceManager(t)
	c := startCluster(t, 2)
	first := c.owner(t)
	other := 1 - first
	if log := c.nodes[other].Log(t); !strings.Contains(log, `"msg":"confined"`) || strings.Contains(log, "this node owns the shard") {
		t.Errorf("the node that follows is not confined:\n%s", log)
	}
	c.nodes[first].Must(t, http.MethodPut, "/v1/functions/", process.FunctionJSON("square", process.EchoCode))
	for _, from := range []int{first, other} {
		to := 1 - from
		c.nodes[from].Signal(t, syscall.SIGSTOP)
		process.Until(t, "another node is the owner", func() bool { return c.owner(t) == to })
		c.serves(t, to)
		c.nodes[from].Signal(t, syscall.SIGCONT)
		c.nodes[from].WaitLog(t, "this node does not own the shard any more")
		c.serves(t, from)
		for _, node := range c.nodes {
			if r := node.Must(t, http.MethodPost, "/v1/sync/functions/square/rpc", `{"n":7}`); !strings.Contains(string(r.Body), "49") {
				t.Fatalf("%s", r.Body)
			}
		}
	}
	log := c.nodes[first].Log(t)
	if owned, confined := strings.Count(log, "this node owns the shard"), strings.Count(log, `"msg":"confined"`); owned != 2 || confined != 1 {
		t.Errorf("the node has owned the data %d times, and was confined %d times", owned, confined)
	}
	if strings.Contains(log, `"level":"ERROR"`) || strings.Contains(log, "cannot update") {
		t.Error(log)
	}
	// A node that follows says that it stops, too.
	c.nodes[other].Signal(t, syscall.SIGTERM)
	c.nodes[other].WaitExit(t, process.ExitOK)
	_ = manager.SetReadDeadline(time.Now().Add(process.Patience))
	for text := make([]byte, 4096); ; {
		n, err := manager.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		if string(text[:n]) == "STOPPING=1" {
			break
		}
	}
}
