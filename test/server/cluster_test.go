//go:build linux

package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/clusters"
	"github.com/faaspot/faaspot/test/process"
)

// The state of a cluster is what the nodes and the servers of the log say, also when something is wrong. A node that is
// drained hands over, and does not become the owner again.
func TestClusterCommands(t *testing.T) {
	c := startCluster(t, 3)
	owner := c.Owner(t)
	name := clusters.NodeName
	c.Nodes[owner].Must(t, http.MethodPut, "/v1/functions/", process.FunctionJSON("square", process.EchoCode))
	var s clusters.State
	process.Until(t, "all nodes follow", func() bool { return c.Command(t, &s, "status") == process.ExitOK })
	if len(s.Nodes) != 3 || len(s.Servers) != 3 || s.Log == nil || s.Log.Generation != 1 || s.Role(name(owner)) != "owner" || s.Nodes[0].Version == "" {
		t.Errorf("the cluster is %+v", s)
	}

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	defer load.Wait()
	defer stop()
	load.Go(func() { c.submit(ctx) })
	c.more(t)
	to := (owner + 2) % 3
	var h struct {
		Owner   string
		Drained bool
		Seconds float64
	}
	if status := c.Command(t, &h, "drain", name(owner), "--to", name(to)); status != process.ExitOK || h.Owner != name(to) || !h.Drained || h.Seconds <= 0 {
		t.Errorf("drained: %+v, %d", h, status)
	}
	t.Logf("the node %s has handed over to %s in %.2f s", name(owner), h.Owner, h.Seconds)
	c.more(t)
	if status := c.Command(t, &h, "drain", name(to), "--to", name(owner)); status == process.ExitOK {
		t.Error("the owner has handed over to a node that is drained")
	}
	c.Nodes[to].Signal(t, syscall.SIGTERM)
	c.Nodes[to].WaitExit(t, process.ExitOK)
	third := 3 - owner - to
	process.Until(t, "the third node is the owner", func() bool {
		s = clusters.State{}
		c.Command(t, &s, "status")
		return s.Role(name(third)) == "owner"
	})
	if status := c.Command(t, &h, "drain", name(owner), "--undo"); status != process.ExitOK {
		t.Errorf("undo: %d", status)
	}
	if status := c.Command(t, &h, "drain", name(third)); status != process.ExitOK || h.Owner != name(owner) {
		t.Errorf("drained: %+v, %d", h, status)
	}
	t.Logf("the node %s has handed over to %s in %.2f s", name(third), h.Owner, h.Seconds)
	c.more(t)
	c.StartNode(t, to)
	stop()
	load.Wait()
	c.verify(t)

	// Without a majority the log says nothing, and the nodes still do.
	for _, e := range c.Engines[:2] {
		e.Kill()
	}
	process.Until(t, "the log does not answer", func() bool {
		s = clusters.State{}
		status := c.Command(t, &s, "status")
		return status == process.ExitFailure && s.Log == nil && s.Problem != "" && len(s.Nodes) > 0
	})
}

// The data of a server alone become those of a cluster, with all ids. When the log is lost, a new one begins from a node;
// the other one replaces its data. A backup of the cluster becomes the data of a server alone.
func TestImportHealAndBack(t *testing.T) {
	t.Parallel()
	site := process.NewSite(t)
	l := site.Serve(t)
	l.Deploy(t, "square", process.EchoCode)
	before := l.WaitEnd(t, l.Submit(t, "square", `{"n":7}`))
	l.Kill()

	c := &clusters.Cluster{Log: clusters.StartLog(t)}
	other := process.NewSite(t)
	l = other.Serve(t)
	l.Deploy(t, "other", process.EchoCode)
	l.Kill()
	var f struct{ Generation, After uint64 }
	for range 2 { // it can be repeated
		if status := c.Command(t, &f, "init", "--import", site.Data); status != process.ExitOK || f.Generation != 1 {
			t.Fatalf("import: %d, %+v", status, f)
		}
	}
	if status := c.Command(t, &f, "init", "--import", other.Data); status == process.ExitOK {
		t.Error("a second server was imported into the same cluster")
	}
	other.Serve(t).Kill() // it is what it was

	fresh := process.NewSite(t)
	c.Sites = []*process.Site{site, fresh}
	replaceFile(t, filepath.Join(fresh.Data, "secrets.keys"), base64.StdEncoding.EncodeToString(make([]byte, 32)))
	c.Flags = [][]string{c.NodeFlags("a"), c.NodeFlags("b")}
	c.Nodes = []*process.Server{site.Serve(t, c.Flags[0]...), fresh.Serve(t, c.Flags[1]...)}
	// A node without the keys has the copy, and is ready when it gets them.
	c.Nodes[1].WaitLog(t, "this node does not have the keys of secrets that are used")
	c.CopyKeys(t, fresh.Data)
	c.Nodes[1].Signal(t, syscall.SIGHUP)
	for i := range c.Nodes {
		c.Serves(t, i)
		if x := c.Nodes[i].Execution(t, before.ID); x.Text != before.Text {
			t.Errorf("the node %d has %s\ninstead of %s", i, x.Text, before.Text)
		}
	}
	if n := strings.Count(c.Nodes[1].Log(t), "getting a copy of the data from another node"); n != 1 {
		t.Errorf("the new node has asked for %d copies", n)
	}
	id := c.Nodes[1].Submit(t, "square", `{"n":8}`)
	after := c.Nodes[1].WaitEnd(t, id)
	var s clusters.State
	process.Until(t, "the new node has everything", func() bool {
		s = clusters.State{}
		return c.Command(t, &s, "status") == process.ExitOK && s.Role("b") == "follower" && s.Nodes[1].Lag < 5
	})
	for _, n := range c.Nodes {
		n.Signal(t, syscall.SIGTERM)
		n.WaitExit(t, process.ExitOK)
	}

	// All servers of the log lose their disks.
	c.LoseDisks(t)
	var p struct{ Generation, Applied uint64 }
	if status := c.Command(t, &p, "heal", "--data", fresh.Data, "--show"); status != process.ExitOK || p.Generation != 1 || p.Applied == 0 {
		t.Errorf("the folder of the node is at %+v, %d", p, status)
	}
	if status := c.Command(t, &f, "heal", "--data", fresh.Data); status == process.ExitOK {
		t.Error("a log is made under a name that the servers do not know")
	}
	for range 2 { // it can be repeated
		if status := c.Command(t, &f, "heal", "--data", fresh.Data, "--lose-records"); status != process.ExitOK || f.Generation != 2 || f.After != p.Applied {
			t.Fatalf("heal: %d, %+v", status, f)
		}
	}
	c.Nodes = []*process.Server{site.Serve(t, c.Flags[0]...), fresh.Serve(t, c.Flags[1]...)}
	c.Nodes[0].WaitLog(t, "got a copy of the data from another node")
	for i := range c.Nodes {
		c.Serves(t, i)
		for _, want := range []process.Execution{before, after} {
			if x := c.Nodes[i].Execution(t, want.ID); x.Text != want.Text {
				t.Errorf("the node %d has %s\ninstead of %s", i, x.Text, want.Text)
			}
		}
	}
	if status := c.Command(t, &f, "heal", "--data", fresh.Data); status == process.ExitOK {
		t.Error("a log was replaced while nodes use it")
	}

	backup := c.Nodes[0].Must(t, http.MethodPost, "/v1/server/backup", "")
	home := t.TempDir()
	file, data := filepath.Join(home, "backup"), filepath.Join(home, "data")
	if err := os.WriteFile(file, backup.Body, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(data, process.DataMode); err != nil {
		t.Fatal(err)
	}
	c.CopyKeys(t, data)
	single := &process.Site{Home: home, Data: data, Token: site.Token}
	if out, err := admin(t, single, nil, "restore", file, "--data", data, "--alone"); err != nil {
		t.Fatalf("restore: %v, %s", err, out)
	}
	if err := os.Symlink(process.Guest(t), filepath.Join(data, "cache")); err != nil {
		t.Fatal(err)
	}
	if x := single.Serve(t).Execution(t, after.ID); x.Text != after.Text {
		t.Errorf("the server alone has %s\ninstead of %s", x.Text, after.Text)
	}
}

// The demo of a cluster kills a node, loses nothing, and leaves nothing.
func TestClusterDemo(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	data := filepath.Join(home, "data")
	if err := os.Mkdir(data, process.DataMode); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(process.Guest(t), filepath.Join(data, "cache")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(process.Binary(t), "cluster", "demo", "--json")
	cmd.Env = append(os.Environ(), "HOME="+home, "FAASPOT_DIR="+home, "TMPDIR="+home)
	var talk strings.Builder
	cmd.Stderr = &talk
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	t.Logf("%s\n%s", talk.String(), out)
	var r struct {
		Runs, Ended, Wrong int
		Takeover           float64
	}
	if err := json.Unmarshal(out, &r); err != nil || r.Runs == 0 || r.Ended != r.Runs || r.Wrong != 0 || r.Takeover <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if left, err := filepath.Glob(filepath.Join(home, "faaspot-demo-*")); err != nil || len(left) > 0 {
		t.Errorf("the demo has left %v, %v", left, err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range processes {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), home) {
			t.Errorf("a process of the demo still runs: %q", text)
		}
	}
}
