//go:build linux

package server

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog/nats"
	"github.com/faaspot/faaspot/test/clusters"
	"github.com/faaspot/faaspot/test/process"
)

// A new log is not begun from data that lack records without an order, and then the data that have them are kept. A command that
// fails leaves the folder and the log as they are, and one that is repeated changes nothing. A node ends when its log was replaced.
func TestFoundings(t *testing.T) {
	t.Parallel()
	site := process.NewSite(t)
	l := site.Serve(t)
	l.Deploy(t, "square", process.EchoCode)
	l.Kill()
	c := &clusters.Cluster{Log: clusters.StartLog(t), Sites: []*process.Site{site}}
	var f struct{ Generation, After uint64 }
	for range 2 { // without data, too
		if status := c.Command(t, &f, "init"); status != process.ExitOK || f.Generation != 1 || f.After != 0 {
			t.Fatalf("an empty log: %d, %+v", status, f)
		}
	}
	if status := c.Command(t, &f, "init", "--import", site.Data); status == process.ExitOK {
		t.Error("a server was imported into a cluster that has a log")
	}
	l = site.Serve(t) // it is what it was
	l.Execution(t, l.WaitEnd(t, l.Submit(t, "square", `{}`)).ID)
	l.Kill()

	// An import that was interrupted when it had made the log goes on; nobody else's data become those of the log.
	k, err := key.Read(c.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	half := process.NewSite(t)
	half.Serve(t).Kill()
	origin := strings.Repeat("ab", 32)
	if err := os.WriteFile(filepath.Join(half.Data, "log-origin"), []byte(origin), 0o600); err != nil {
		t.Fatal(err)
	}
	o := nats.Options{
		Servers: c.URLs, Cluster: "half", Generation: 1, Key: k, Create: true, Base: 1, Origin: origin, MaxBytes: 64 << 20, Log: slog.New(slog.DiscardHandler),
	}
	made, err := nats.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	if status := c.Command(t, &f, "init", "--cluster-name", "half", "--import", site.Data); status == process.ExitOK {
		t.Error("a second server was imported")
	}
	for range 2 {
		if status := c.Command(t, &f, "init", "--cluster-name", "half", "--import", half.Data); status != process.ExitOK || f.Generation != 1 || f.After != 1 {
			t.Fatalf("an import that was interrupted: %d, %+v", status, f)
		}
	}
	if err := nats.Remove(t.Context(), o); err != nil { // the servers have room for two logs
		t.Fatal(err)
	}

	node := process.NewSite(t)
	c.CopyKeys(t, node.Data)
	stop := func(n *process.Server) {
		t.Helper()
		n.Signal(t, syscall.SIGTERM)
		n.WaitExit(t, process.ExitOK)
	}
	run := func(function string) (id string) {
		t.Helper()
		n := node.Serve(t, c.NodeFlags("a")...)
		process.Until(t, "the node answers", func() bool {
			r, err := n.Do(t.Context(), http.MethodGet, "/v1/functions/", "")
			return err == nil && r.Status == http.StatusOK
		})
		n.Deploy(t, function, process.EchoCode)
		id = n.WaitEnd(t, n.Submit(t, function, `{}`)).ID
		stop(n)
		return id
	}
	run("first")
	old := process.NewSite(t)
	c.CopyKeys(t, old.Data)
	if err := os.CopyFS(filepath.Join(old.Data, "store"), os.DirFS(filepath.Join(node.Data, "store"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(old.Data, "store"), 0o700); err != nil {
		t.Fatal(err)
	}
	show := func(data string) (generation uint64) {
		t.Helper()
		var p struct{ Generation, Applied uint64 }
		if status := c.Command(t, &p, "heal", "--data", data, "--show"); status != process.ExitOK {
			t.Fatal(status)
		}
		return p.Generation
	}
	id := run("second")
	if status := c.Command(t, &f, "heal", "--data", old.Data); status == process.ExitOK || show(old.Data) != 1 {
		t.Fatalf("a log was begun without records that are in the log before: %+v", f)
	}
	if status := c.Command(t, &f, "init"); status == process.ExitOK {
		t.Error("a log with records was made again")
	}
	run("third") // the log is what it was
	for range 2 {
		if status := c.Command(t, &f, "heal", "--data", old.Data, "--lose-records"); status != process.ExitOK || f.Generation != 2 || show(old.Data) != 2 {
			t.Fatalf("heal: %d, %+v", status, f)
		}
	}

	ahead := node.Launch(t, c.NodeFlags("a")...)
	if status := ahead.Wait(t); status.ExitStatus() == process.ExitOK || !strings.Contains(ahead.Log(t), "began without") || show(node.Data) != 1 {
		t.Fatalf("a node with more than the log began with: %v, %s", status, ahead.Log(t))
	}
	if status := c.Command(t, &f, "heal", "--data", node.Data); status == process.ExitOK || show(node.Data) != 1 {
		t.Fatal("a log was begun from data of an earlier generation")
	}
	// The servers have no room for a third log.
	if status := c.Command(t, &f, "heal", "--data", node.Data, "--lose-records"); status == process.ExitOK || show(node.Data) != 1 {
		t.Fatalf("the folder has a generation without a log: %d, %+v", status, f)
	}
	// They lose their disks.
	c.LoseDisks(t)
	if status := c.Command(t, &f, "heal", "--data", node.Data, "--lose-records"); status != process.ExitOK || f.Generation != 2 {
		t.Fatalf("heal: %d, %+v", status, f)
	}
	n := node.Serve(t, c.NodeFlags("a")...)
	process.Until(t, "the node has its records again", func() bool {
		r, err := n.Do(t.Context(), http.MethodGet, "/v1/executions/"+id, "")
		return err == nil && r.Status == http.StatusOK
	})

	// A node that runs ends when there is a later log.
	next, err := nats.Open(t.Context(), nats.Options{Servers: c.URLs, Cluster: "test", Generation: 3, Key: k, Create: true, MaxBytes: 64 << 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	// The log before is not removed while a node may use it, nor while no node uses the later one.
	var removed []struct{ Generation uint64 }
	prune := func() {
		t.Helper()
		if status := c.Command(t, &removed, "prune"); status == process.ExitOK {
			t.Errorf("removed %+v", removed)
		}
	}
	prune()
	if status := n.Wait(t); status.ExitStatus() == process.ExitOK || !strings.Contains(n.Log(t), "a later generation of the log was made") {
		t.Errorf("a node whose log was replaced: %v", status)
	}
	prune()
	fresh := process.NewSite(t)
	c.CopyKeys(t, fresh.Data)
	fresh.Serve(t, c.NodeFlags("b")...)
	for _, former := range []int{1, 0} { // it can be repeated
		var s clusters.State
		process.Until(t, "the node is the owner", func() bool {
			s = clusters.State{}
			c.Command(t, &s, "status") // there is one node alone
			return s.Log != nil && s.Role("b") == "owner" && s.Nodes[0].Ready
		})
		if s.Log.Generation != 3 || len(s.Former) != former {
			t.Errorf("the cluster is %+v", s)
		}
		if status := c.Command(t, &removed, "prune"); status != process.ExitOK || len(removed) != former || former == 1 && removed[0].Generation != 2 {
			t.Errorf("removed %+v, %d", removed, status)
		}
	}
}
