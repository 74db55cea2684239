//go:build linux

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

const squareRuns = "/v1/sync/functions/square/rpc"

// numberCode is a function that returns a number.
func numberCode(n int) string { return fmt.Sprintf("def main(args, context):\n    return %d\n", n) }

// followers returns the nodes that do not own the data.
func (c *clusterOfNodes) followers(t *testing.T) []int {
	t.Helper()
	return c.Others(c.Owner(t))
}

// callers run a function on some nodes, one run after the other on each, until stop is called.
type callers struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
	ran    atomic.Int64

	mu  sync.Mutex
	ids []string // of the runs
}

func (c *clusterOfNodes) call(t *testing.T, nodes []int) *callers {
	t.Helper()
	l := new(callers)
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(t.Context())
	for _, i := range nodes {
		l.group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				r, err := c.Nodes[i].Do(context.Background(), http.MethodPost, squareRuns, fmt.Sprintf(`{"n":%d}`, n))
				if err != nil || r.Status != http.StatusOK || !strings.Contains(string(r.Body), fmt.Sprint(n*n)) {
					t.Errorf("run %d on node %d: %d %s, %v", n, i, r.Status, r.Body, err)
					return
				}
				l.ran.Add(1)
				l.mu.Lock()
				l.ids = append(l.ids, r.Header.Get("X-Execution-Id"))
				l.mu.Unlock()
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	t.Cleanup(l.cancel)
	return l
}

// more waits until there were further runs.
func (l *callers) more(t *testing.T) {
	t.Helper()
	before := l.ran.Load()
	process.Until(t, "functions are run", func() bool { return l.ran.Load() > before+20 })
}

func (l *callers) stop() {
	l.cancel()
	l.group.Wait()
}

// Each node runs functions for callers that wait. None that is ready runs an old version, or knows an old token, after a
// change was answered. While the log is away, and while the owner is killed and replaced, runs on the other nodes have no
// errors, and all of them are recorded in the end.
func TestNodesRun(t *testing.T) {
	c := startCluster(t, 3)
	c.Settled(t)
	c.changes(t)
	c.tokens(t)
	c.followed(t)

	c.Nodes[0].Must(t, http.MethodPut, "/v1/functions/", process.FunctionJSON("square", process.EchoCode))
	load := c.call(t, c.followers(t))
	load.more(t)
	c.KillServers()
	for _, i := range c.followers(t) {
		process.Until(t, "a node that reads no log is not ready", func() bool {
			r, err := c.Nodes[i].Do(context.Background(), http.MethodGet, "/readyz", "")
			return err == nil && r.Status == http.StatusServiceUnavailable
		})
	}
	load.more(t)
	c.StartServers(t)
	c.Settled(t)
	load.stop()

	owner := c.Owner(t)
	after := c.call(t, c.followers(t))
	after.more(t)
	c.Nodes[owner].Signal(t, syscall.SIGSTOP)
	c.Replaced(t, owner)
	c.Settled(t, owner)
	after.more(t)
	c.Nodes[owner].Signal(t, syscall.SIGCONT)
	c.Settled(t)
	after.stop()

	owner = c.Owner(t)
	last := c.call(t, c.followers(t))
	last.more(t)
	c.Nodes[owner].Kill()
	c.Replaced(t, owner)
	c.Settled(t, owner)
	last.more(t)
	last.stop()
	c.StartNode(t, owner)
	c.recorded(t, load.ids, 0)
	// A node that is not ready for a moment forwards runs, and an owner that is lost loses those that it has just answered.
	c.recorded(t, after.ids, 2)
	c.recorded(t, last.ids, 2)
	t.Logf("%d, %d and %d runs", load.ran.Load(), after.ran.Load(), last.ran.Load())
}

// changes updates a function through one node, and runs it on another one, again and again.
func (c *clusterOfNodes) changes(t *testing.T) {
	t.Helper()
	pairs := 300
	if testing.Short() {
		pairs = 30
	}
	var longest, all time.Duration
	for n := range pairs {
		began := time.Now()
		c.Nodes[n%3].Must(t, http.MethodPut, "/v1/functions/number", fmt.Sprintf(`{"code":%s}`, quoted(numberCode(n))))
		took := time.Since(began)
		longest, all = max(longest, took), all+took
		for i := range c.Nodes {
			node := (n + 1 + i) % 3
			r := c.Nodes[node].Must(t, http.MethodPost, "/v1/sync/functions/number/rpc", "{}")
			if string(r.Body) != fmt.Sprint(n) {
				t.Fatalf("after change %d through node %d, node %d has run %s", n, n%3, node, r.Body)
			}
		}
	}
	t.Logf("%d changes, in %v on average, at most %v", pairs, (all / time.Duration(pairs)).Round(100*time.Microsecond), longest.Round(time.Millisecond))
}

// followed follows the logs of a background run through a node that follows, and cancels the run through another one.
func (c *clusterOfNodes) followed(t *testing.T) {
	t.Helper()
	const code = "import time\ndef main(args, context):\n    print('hello', flush=True)\n    time.sleep(100)\n"
	c.Nodes[0].Must(t, http.MethodPut, "/v1/functions/", process.FunctionJSON("slow", code))
	some := c.followers(t)
	var id string
	if r := c.Nodes[some[0]].Must(t, http.MethodPost, "/v1/functions/slow/rpc", "{}"); json.Unmarshal(r.Body, &id) != nil || id == "" {
		t.Fatalf("%s", r.Body)
	}
	r, err := c.Nodes[some[0]].Open(t.Context(), http.MethodGet, "/v1/executions/"+id+"/logs?follow=1", "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var text []byte
	for part := make([]byte, 4096); !strings.Contains(string(text), "hello"); {
		n, err := r.Body.Read(part)
		if text = append(text, part[:n]...); err != nil {
			t.Fatalf("the logs end with %q, %v", text, err)
		}
	}
	c.Nodes[some[1]].Must(t, http.MethodDelete, "/v1/executions/"+id, "")
	rest, err := io.ReadAll(r.Body)
	if text := string(text) + string(rest); err != nil || !strings.Contains(text, "cancelled") {
		t.Errorf("%q, %v", text, err)
	}
}

func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// tokens makes tokens through one node, and uses them on the others while they are valid, and after that.
func (c *clusterOfNodes) tokens(t *testing.T) {
	t.Helper()
	for n := range 10 {
		var made struct {
			ID    string `json:"id"`
			Token string `json:"token"`
		}
		r := c.Nodes[n%3].Must(t, http.MethodPost, "/v1/tokens", fmt.Sprintf(`{"name":"t%d","scope":"invoke"}`, n))
		if err := json.Unmarshal(r.Body, &made); err != nil || made.Token == "" {
			t.Fatalf("%s: %v", r.Body, err)
		}
		want := func(status int) {
			t.Helper()
			for i, node := range c.Nodes {
				client := process.NewClient(node.Base, made.Token)
				r, err := client.Do(t.Context(), http.MethodPost, "/v1/sync/functions/number/rpc", "{}")
				client.Close()
				if err != nil || r.Status != status {
					t.Errorf("token %d on node %d: %d, %v; want %d", n, i, r.Status, err, status)
				}
			}
		}
		want(http.StatusOK)
		c.Nodes[(n+1)%3].Must(t, http.MethodDelete, "/v1/tokens/"+made.ID, "")
		want(http.StatusUnauthorized)
	}
}

// recorded waits until runs are recorded, as all nodes say, but for some that are lost.
func (c *clusterOfNodes) recorded(t *testing.T, ids []string, lost int) {
	t.Helper()
	process.Until(t, fmt.Sprintf("%d runs are recorded, but for %d", len(ids), lost), func() bool {
		n := 0
		ids = slices.DeleteFunc(ids, func(id string) bool {
			n++
			r, err := c.Nodes[n%len(c.Nodes)].Do(context.Background(), http.MethodGet, "/v1/executions/"+id, "")
			return err == nil && r.Status == http.StatusOK
		})
		return len(ids) <= lost
	})
}
