//go:build linux

package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/test/process"
)

// whereCode is a function that reports its number and where it runs, prints that, sleeps, and returns it. The module is loaded once on
// each node. It holds memory while it sleeps, so that no node has room for as many runs as the tests start.
const whereCode = `import random, time, urllib.request
where = random.randrange(10**9)
def main(args, context):
    held = b"x" * (32 << 20)
    urllib.request.urlopen("%s/?n=%%d&where=%%d" %% (args["n"], where)).read()
    print("begins on", where, flush=True)
    time.sleep(args["seconds"])
    print("ends on", where)
    return where
`

// sleepers is a number of runs for which all nodes together have memory, but one node has not.
const sleepers = 9

// ledger counts what runs report.
type ledger struct {
	url string

	mu    sync.Mutex
	begun map[string]int // runs, by their numbers
	on    map[string]int // runs, by where they began
	where map[string]string
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{begun: make(map[string]int), on: make(map[string]int), where: make(map[string]string)}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		n, where := r.URL.Query().Get("n"), r.URL.Query().Get("where")
		l.begun[n]++
		l.on[where]++
		l.where[n] = where
	}))
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

// read returns how often runs with numbers in a range have begun, and on which nodes.
func (l *ledger) read(from, to int) (begun, on map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	begun, on = make(map[string]int), make(map[string]int)
	for n := from; n < to; n++ {
		if text := fmt.Sprint(n); l.begun[text] > 0 {
			begun[text] = l.begun[text]
			on[l.where[text]]++
		}
	}
	return begun, on
}

func whereArgs(n int, seconds float64) string {
	return fmt.Sprintf(`{"n":%d,"seconds":%g}`, n, seconds)
}

// places returns what the function returns on each node.
func (c *clusterOfNodes) places(t *testing.T) (all []string) {
	t.Helper()
	known := make(map[string]bool)
	for _, node := range c.Nodes {
		r := node.Must(t, http.MethodPost, "/v1/sync/functions/where/rpc", whereArgs(-1, 0))
		all = append(all, string(r.Body))
		known[string(r.Body)] = true
	}
	if len(known) != len(c.Nodes) {
		t.Fatalf("the nodes return %v", all)
	}
	return all
}

// spread submits n runs that sleep, and returns the ids of all by number when they have begun. The second half comes when the owner is busy
// and has leased nothing for a moment, so that other nodes get some of it: the owner alone may have begun all of the first.
func (c *clusterOfNodes) spread(t *testing.T, l *ledger, from, n int, seconds float64) map[string]string {
	t.Helper()
	ids := make(map[string]string)
	for _, to := range []int{from + n/2, from + n} {
		first := from + len(ids)
		var args []string
		for i := first; i < to; i++ {
			args = append(args, whereArgs(i, seconds))
		}
		for i, id := range c.Nodes[c.Owner(t)].SubmitBulk(t, "where", args) {
			ids[fmt.Sprint(first+i)] = id
		}
		process.Until(t, "all runs have begun", func() bool {
			begun, _ := l.read(from, to)
			return len(begun) == to-from
		})
	}
	return ids
}

// Tasks of jobs and background runs happen on all nodes. They are followed, cancelled and read through any node. What runs on a node that
// is killed begins again; what runs elsewhere while the owner is killed, or hands over, ends there, once. No node runs an old version.
func TestLending(t *testing.T) {
	c := startCluster(t, 3, "--memory-budget", "500MB", "--egress-allow", "127.0.0.1")
	c.Settled(t)
	l := newLedger(t)
	at, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	c.Nodes[0].Deploy(t, "where", fmt.Sprintf(whereCode, l.url), "allow", []string{at.Host}, "memory", 64)
	c.lentJob(t, l)
	c.lentRun(t, l)
	c.lentVersions(t)
	c.lostLender(t, l)
	c.lostOwner(t, l)
}

// lentJob runs a job: all nodes run some of its tasks, each once.
func (c *clusterOfNodes) lentJob(t *testing.T, l *ledger) {
	t.Helper()
	const tasks = 100
	places := c.places(t)
	c.Nodes[0].Must(t, http.MethodPost, "/v0/jobs", `{"metadata":{"name":"many"},"spec":{"function":"where"}}`)
	args := make([]string, tasks)
	for i := range args {
		args[i] = whereArgs(i, 0.1)
	}
	var started struct {
		ID string `json:"executionId"`
	}
	r := c.Nodes[1].Must(t, http.MethodPost, "/v0/jobs/many/executions", `{"tasks":`+process.JSONArray(args)+`}`)
	if err := json.Unmarshal(r.Body, &started); err != nil || started.ID == "" {
		t.Fatalf("%s", r.Body)
	}
	var text string
	process.Until(t, "the job has ended", func() bool {
		text = string(c.Nodes[2].Must(t, http.MethodGet, "/v0/jobs/many/executions/"+started.ID+"?wait=10", "").Body)
		return strings.Contains(text, fmt.Sprintf(`"success":%d`, tasks))
	})
	begun, on := l.read(0, tasks)
	for _, where := range places {
		if on[where] < tasks/20 {
			t.Errorf("the nodes have run %v of %d tasks: %.300s", on, tasks, text)
		}
	}
	for n := range tasks {
		if begun[fmt.Sprint(n)] != 1 {
			t.Errorf("task %d has begun %d times", n, begun[fmt.Sprint(n)])
		}
	}
	t.Logf("the nodes have run %v tasks", on)
}

// lentRun follows and cancels a run that another node runs.
func (c *clusterOfNodes) lentRun(t *testing.T, l *ledger) {
	t.Helper()
	owner, places := c.Owner(t), c.places(t)
	ids := c.spread(t, l, 1000, sleepers, 100)
	followed := false
	for n, id := range ids {
		l.mu.Lock()
		where := l.where[n]
		l.mu.Unlock()
		if where != places[owner] && !followed {
			followed = true
			reader := c.Nodes[(owner+1)%3]
			r, err := reader.Open(t.Context(), http.MethodGet, "/v1/executions/"+id+"/logs?follow=1", "")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			var text []byte
			for part := make([]byte, 4096); !strings.Contains(string(text), "begins on "+where); {
				n, err := r.Body.Read(part)
				if text = append(text, part[:n]...); err != nil {
					t.Fatalf("the logs end with %q, %v", text, err)
				}
			}
			reader.Cancel(t, id)
			if rest, err := io.ReadAll(r.Body); err != nil || !strings.Contains(string(rest), "cancelled") {
				t.Errorf("%q, %v", rest, err)
			}
		} else {
			c.Nodes[owner].Cancel(t, id)
		}
		if x := c.Nodes[owner].WaitEnd(t, id); x.Status != process.Cancelled || x.Attempts < 1 {
			t.Errorf("%s", x.Text)
		}
	}
	if _, on := l.read(1000, 1000+sleepers); !followed {
		t.Errorf("no other node has run one: %v", on)
	}
}

// lentVersions changes a function again and again: no run that begins afterwards has the old version.
func (c *clusterOfNodes) lentVersions(t *testing.T) {
	t.Helper()
	const code = "import time\ndef main(args, context):\n    time.sleep(0.05)\n    return %d\n"
	changes := 20
	if testing.Short() {
		changes = 5
	}
	for n := range changes {
		c.Nodes[n%3].Must(t, http.MethodPut, "/v1/functions/number", fmt.Sprintf(`{"code":%s}`, quoted(fmt.Sprintf(code, n))))
		ids := c.Nodes[(n+1)%3].SubmitBulk(t, "number", process.NumberedArgs(20))
		for _, x := range c.Nodes[(n+2)%3].WaitAll(t, ids) {
			if string(x.Output) != fmt.Sprint(n) {
				t.Fatalf("after change %d: %s", n, x.Text)
			}
		}
	}
}

// lostLender kills a node that runs functions for the owner.
func (c *clusterOfNodes) lostLender(t *testing.T, l *ledger) {
	t.Helper()
	owner, places := c.Owner(t), c.places(t)
	ids := c.spread(t, l, 2000, sleepers, 4)
	victim, other := (owner+1)%3, (owner+2)%3
	if _, on := l.read(2000, 2000+sleepers); on[places[other]] > on[places[victim]] {
		victim = other // one of them may have run nothing
	}
	c.Nodes[victim].Kill()
	killed := time.Now().UTC().Format("2006-01-02 15:04:05.000000+00:00") // as in executions
	lost := 0
	for n, id := range ids {
		x := c.Nodes[owner].WaitEnd(t, id)
		if x.Status != process.Success {
			t.Errorf("%s", x.Text)
		}
		l.mu.Lock()
		begun := l.begun[n]
		l.mu.Unlock()
		if begun > x.Attempts || begun > 2 || string(x.Output) == places[victim] && x.Finished > killed { // a node may refuse an attempt
			t.Errorf("run %s has begun %d times: %s", n, begun, x.Text)
		}
		if begun > 1 {
			lost++
		}
	}
	if lost == 0 {
		t.Error("the node that was killed had run nothing")
	}
	t.Logf("%d runs were lost", lost)
	c.StartNode(t, victim)
	c.Settled(t)
}

// lostOwner kills the owner while other nodes run functions for it, and lets the next one hand over: what they run ends there.
func (c *clusterOfNodes) lostOwner(t *testing.T, l *ledger) {
	t.Helper()
	for i, hard := range []bool{true, false} {
		from := 3000 + 100*i
		owner, places := c.Owner(t), c.places(t)
		ids := c.spread(t, l, from, sleepers, 4)
		if hard {
			c.Nodes[owner].Kill()
		} else {
			c.Nodes[owner].Signal(t, syscall.SIGTERM)
			c.Nodes[owner].WaitExit(t, process.ExitOK)
		}
		other := (owner + 1) % 3
		process.Until(t, "another node is the owner", func() bool {
			r, err := c.Nodes[other].Do(t.Context(), http.MethodGet, "/v1/executions/"+ids[fmt.Sprint(from)], "")
			return err == nil && r.Status == http.StatusOK
		})
		adopted := 0
		for n, id := range ids {
			x := c.Nodes[other].WaitEnd(t, id)
			if x.Status != process.Success {
				t.Errorf("%s", x.Text)
			}
			l.mu.Lock()
			begun, where := l.begun[n], l.where[n]
			l.mu.Unlock()
			if begun > x.Attempts || begun > 2 || string(x.Output) != where {
				t.Errorf("run %s has begun %d times, the last time on %s: %s", n, begun, where, x.Text)
			}
			logs := string(c.Nodes[other].Must(t, http.MethodGet, "/v1/executions/"+id+"/logs", "").Body)
			if !strings.Contains(logs, "begins on "+where) || !strings.Contains(logs, "ends on "+where) {
				t.Errorf("run %s has the logs %s", n, logs)
			}
			if where != places[owner] && begun == 1 {
				adopted++
			}
		}
		if _, on := l.read(from, from+sleepers); adopted == 0 {
			t.Errorf("no run has survived the owner: %v", on)
		}
		t.Logf("%d of %d runs have survived the owner", adopted, sleepers)
		c.StartNode(t, owner)
		c.Settled(t)
	}
}
