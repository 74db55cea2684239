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
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog/nats"
	"github.com/faaspot/faaspot/test/clusters"
	"github.com/faaspot/faaspot/test/process"
)

// clusterOfNodes is a cluster whose nodes take runs.
type clusterOfNodes struct {
	*clusters.Cluster

	left [3]atomic.Bool // nodes that have handed over, in TestHandOver

	mu       sync.Mutex
	accepted map[string]int // the number that a run got, by id
}

// startCluster starts a cluster. The flags are those of all nodes, besides the usual ones.
func startCluster(t *testing.T, nodes int, more ...string) *clusterOfNodes {
	t.Helper()
	return &clusterOfNodes{Cluster: clusters.Start(t, nodes, more...), accepted: make(map[string]int)}
}

// submit submits runs through all nodes in turn until ctx ends. It does not repeat what has failed.
func (c *clusterOfNodes) submit(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		node := c.Nodes[n%len(c.Nodes)]
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
		node := c.Nodes[n%len(c.Nodes)]
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
	first := c.Owner(t)
	other := (first + 1) % 3
	c.Nodes[other].Must(t, http.MethodPut, "/v1/functions/", process.FunctionJSON("square", process.EchoCode))
	for _, node := range c.Nodes {
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
	c.Nodes[first].Kill()
	c.more(t)
	t.Logf("runs were accepted %v after the owner was killed", time.Since(began).Round(time.Millisecond))
	second := c.Owner(t)
	if second == first {
		t.Fatal("the owner that was killed is the owner")
	}
	c.StartNode(t, first)
	c.more(t)

	began = time.Now()
	c.Nodes[second].Signal(t, syscall.SIGSTOP)
	c.Replaced(t, second)
	c.Serves(t, first)
	t.Logf("requests were answered %v after the owner stood still", time.Since(began).Round(time.Millisecond))
	c.Nodes[second].Signal(t, syscall.SIGCONT)
	c.Nodes[second].WaitLog(t, "this node does not own the shard any more")
	c.Serves(t, second)
	c.more(t)

	c.Engines[0].Kill()
	c.more(t)
	c.Engines[0].Start(t)
	c.Engines[0].Ready(t)

	// A planned stop hands over.
	third := c.Owner(t)
	began = time.Now()
	c.Nodes[third].Signal(t, syscall.SIGTERM)
	c.Nodes[third].WaitExit(t, process.ExitOK)
	c.Serves(t, (third+1)%3)
	t.Logf("requests were answered %v after the owner was asked to stop", time.Since(began).Round(time.Millisecond))
	c.StartNode(t, third)
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
	k, err := key.Read(c.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*process.Patience)
	defer cancel()
	l, err := nats.Open(ctx, nats.Options{Servers: c.URLs, Cluster: "test", Generation: 1, Key: k, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	end, err := l.End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	backup := c.Nodes[0].Must(t, http.MethodPost, "/v1/server/backup", "")
	if err := l.Trim(ctx, end); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	file, data := filepath.Join(home, "backup"), filepath.Join(home, "restored")
	if err := errors.Join(os.WriteFile(file, backup.Body, 0o600), os.Mkdir(data, process.DataMode)); err != nil {
		t.Fatal(err)
	}
	c.CopyKeys(t, data)
	site := &process.Site{Home: home, Data: data, Token: c.Sites[0].Token}
	if out, err := admin(t, site, nil, "restore", file, "--data", data); err != nil {
		t.Fatalf("restore: %v, %s", err, out)
	}
	if err := os.Symlink(process.Guest(t), filepath.Join(data, "cache")); err != nil {
		t.Fatal(err)
	}
	late := site.Serve(t, c.NodeFlags("late")...)
	fresh := process.NewSite(t)
	c.CopyKeys(t, fresh.Data)
	flags := append(c.NodeFlags("fresh"), "--log-level", "debug")
	node := fresh.Launch(t, flags...)
	node.WaitLog(t, "getting a copy of the data from another node")
	node.Kill()
	node = fresh.Serve(t, flags...)
	process.Until(t, "the node follows", func() bool {
		var s clusters.State
		c.Command(t, &s, "status")
		return s.Role("fresh") == "follower"
	})
	for _, n := range append(c.Nodes, late) {
		n.Kill()
	}
	c.Nodes = []*process.Server{node}
	c.Serves(t, 0)
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
	first := c.Owner(t)
	other := 1 - first
	if log := c.Nodes[other].Log(t); !strings.Contains(log, `"msg":"confined"`) || strings.Contains(log, "this node owns the shard") {
		t.Errorf("the node that follows is not confined:\n%s", log)
	}
	c.Nodes[first].Must(t, http.MethodPut, "/v1/functions/", process.FunctionJSON("square", process.EchoCode))
	for _, from := range []int{first, other} {
		to := 1 - from
		c.Nodes[from].Signal(t, syscall.SIGSTOP)
		c.Replaced(t, from)
		c.Serves(t, to)
		c.Nodes[from].Signal(t, syscall.SIGCONT)
		c.Nodes[from].WaitLog(t, "this node does not own the shard any more")
		c.Serves(t, from)
		for _, node := range c.Nodes {
			if r := node.Must(t, http.MethodPost, "/v1/sync/functions/square/rpc", `{"n":7}`); !strings.Contains(string(r.Body), "49") {
				t.Fatalf("%s", r.Body)
			}
		}
	}
	log := c.Nodes[first].Log(t)
	if owned, confined := strings.Count(log, "this node owns the shard"), strings.Count(log, `"msg":"confined"`); owned != 2 || confined != 1 {
		t.Errorf("the node has owned the data %d times, and was confined %d times", owned, confined)
	}
	if strings.Contains(log, `"level":"ERROR"`) || strings.Contains(log, "cannot update") {
		t.Error(log)
	}
	// A node that follows says that it stops, too.
	c.Nodes[other].Signal(t, syscall.SIGTERM)
	c.Nodes[other].WaitExit(t, process.ExitOK)
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

// ask sends requests to a node until ctx ends, each on a connection of its own if they are fresh. None may fail, but for those that have no answer
// on a connection which was idle when the node left the data.
func (c *clusterOfNodes) ask(ctx context.Context, t *testing.T, i int, fresh bool) {
	node := process.NewClient(c.Nodes[i].Base, c.Nodes[i].Token)
	defer node.Close()
	for n := i; ctx.Err() == nil; n += len(c.Nodes) {
		for _, r := range [][3]string{
			{http.MethodPost, "/v1/functions/square/rpc", fmt.Sprintf(`{"n":%d}`, n)},
			{http.MethodGet, "/v1/functions/", ""},
			{http.MethodPost, "/v1/sync/functions/square/rpc", `{"n":7}`},
		} {
			answer, err := node.Do(context.Background(), r[0], r[1], r[2])
			if err != nil && !fresh && c.left[i].Load() {
				continue
			}
			if err != nil || answer.Status != http.StatusOK {
				t.Errorf("%s %s to node %s, fresh %v: %d %s, %v", r[0], r[1], clusters.NodeName(i), fresh, answer.Status, answer.Body, err)
				continue
			}
			var id string
			if json.Unmarshal(answer.Body, &id) == nil && id != "" {
				c.mu.Lock()
				c.accepted[id] = n
				c.mu.Unlock()
			}
			if fresh {
				node.Close()
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// While owners are drained and stopped, no request to a node that stays fails, and nothing that was accepted is lost.
func TestHandOver(t *testing.T) {
	c := startCluster(t, 3)
	c.Nodes[0].Must(t, http.MethodPut, "/v1/functions/", process.FunctionJSON("square", process.EchoCode))
	c.Settled(t)
	var load sync.WaitGroup
	defer load.Wait()
	ends := make([]func(), len(c.Nodes)) // the load on each node
	for i := range c.Nodes {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var own sync.WaitGroup
		for _, fresh := range []bool{false, true} {
			own.Go(func() { c.ask(ctx, t, i, fresh) })
		}
		ends[i] = func() { stop(); own.Wait() }
		load.Go(own.Wait)
	}
	c.more(t)
	for range 2 {
		owner := c.Owner(t)
		c.left[owner].Store(true)
		var h struct{ Seconds float64 }
		if status := c.Command(t, &h, "drain", clusters.NodeName(owner)); status != process.ExitOK {
			t.Fatal("the owner was not drained")
		}
		t.Logf("the node %s has handed over in %.2f s", clusters.NodeName(owner), h.Seconds)
		c.more(t)
		c.Settled(t)
		if status := c.Command(t, &h, "drain", clusters.NodeName(owner), "--undo"); status != process.ExitOK {
			t.Error("a drained node stays drained")
		}
	}
	owner := c.Owner(t)
	ends[owner]()
	c.Nodes[owner].Signal(t, syscall.SIGTERM)
	c.Nodes[owner].WaitExit(t, process.ExitOK)
	c.more(t)
	for _, end := range ends {
		end()
	}
	c.Nodes[owner] = c.Nodes[(owner+1)%3] // verify asks it
	c.verify(t)
}
