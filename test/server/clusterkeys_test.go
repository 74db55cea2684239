//go:build linux

package server

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/faaspot/faaspot/test/clusters"
	"github.com/faaspot/faaspot/test/process"
)

// replaceFile replaces a file of a node as programs that manage configuration do: by another file.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// rotations returns the entries of the audit log for rotations that are done.
func rotations(t *testing.T, node *process.Server) int {
	t.Helper()
	r := node.Must(t, http.MethodGet, "/v1/audit/?operation=secrets.rotate&outcome=done", "")
	return strings.Count(string(r.Body), `"secrets.rotate"`)
}

// A new key of secrets is used when all nodes have it, while they run. Then the former one is removed, and the cluster survives its
// owner: secrets can be read, and so can cursors of tokens that see only their own executions. A node without the new key is not
// ready, and says why, until it has it. A node that is away counts, also for processes that were started meanwhile.
func TestKeysOfSecretsAreReplaced(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	owner := c.Owner(t)
	other := 1 - owner
	c.Nodes[owner].Deploy(t, "reads", "def main(args, context):\n    return context['key']", "context", map[string]string{"key": canary})
	reads := func(i int) {
		t.Helper()
		if r := c.Nodes[i].Must(t, http.MethodPost, "/v1/sync/functions/reads/rpc", `{}`); !strings.Contains(string(r.Body), canary) {
			t.Fatalf("%s", r.Body)
		}
		if x := c.Nodes[i].WaitEnd(t, c.Nodes[i].Submit(t, "reads", `{}`)); !strings.Contains(x.Text, canary) {
			t.Fatal(x.Text)
		}
	}
	token := process.Decode[struct{ Token string }](t, c.Nodes[owner].Must(t, http.MethodPost, "/v1/tokens", `{"name": "limited", "scope": "invoke", "functions": ["reads"]}`)).Token
	limited := func(i int) *process.Client { return process.NewClient(c.Nodes[i].Base, token) }
	for range 3 {
		limited(owner).WaitEnd(t, limited(owner).Submit(t, "reads", `{}`))
	}
	next := func(page process.Reply) string {
		t.Helper()
		if page.Next() == "" {
			t.Fatalf("there is no next page: %s", page.Body)
		}
		return page.Next()
	}
	const list = "/v1/executions/?include_completed=True&limit=1"
	second := next(limited(owner).Must(t, http.MethodGet, list, ""))

	path := func(i int) string { return filepath.Join(c.Sites[i].Data, "secrets.keys") }
	former, err := os.ReadFile(path(owner))
	if err != nil {
		t.Fatal(err)
	}
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) + "\n"
	both := string(former) + key
	reload := func(i int, keys, logs string) {
		t.Helper()
		before := strings.Count(c.Nodes[i].Log(t), logs)
		replaceFile(t, path(i), keys)
		c.Nodes[i].Signal(t, syscall.SIGHUP)
		process.Until(t, "the node has read the keys", func() bool { return strings.Count(c.Nodes[i].Log(t), logs) > before })
	}
	const read = "read the keys of secrets again"
	reload(owner, key, "the keys of secrets cannot be used") // those before stay
	reload(owner, both, read)
	c.Nodes[owner].WaitLog(t, "the newest key of secrets is not used yet")
	awaitSecrets(t, c, "waiting")
	if n := rotations(t, c.Nodes[owner]); n != 0 {
		t.Errorf("there were %d rotations before all nodes have the key", n)
	}
	reload(other, both, read)
	process.Until(t, "the new key is used", func() bool { return rotations(t, c.Nodes[other]) == 1 })
	c.Nodes[owner].WaitLog(t, "all secrets are encrypted with the newest key")
	awaitSecrets(t, c, "current")
	for _, i := range []int{owner, other} {
		reads(i)
		reload(i, both, read)
	}

	// A node that comes without the new key runs nothing.
	late := process.NewSite(t)
	lateKeys := filepath.Join(late.Data, "secrets.keys")
	replaceFile(t, lateKeys, string(former))
	node := late.Serve(t, c.NodeFlags("late")...)
	node.WaitLog(t, "this node does not have the keys of secrets that are used")
	node.Refused(t, http.StatusServiceUnavailable, "unavailable", http.MethodGet, "/readyz", "")
	if r := node.Must(t, http.MethodPost, "/v1/sync/functions/reads/rpc", `{}`); !strings.Contains(string(r.Body), canary) { // the owner answers
		t.Errorf("%s", r.Body)
	}
	if s := c.State(t); !strings.Contains(s.Problem, "the node late does not have the keys of secrets") {
		t.Errorf("the cluster is %+v", s)
	}
	replaceFile(t, lateKeys, key)
	node.Signal(t, syscall.SIGHUP)
	process.Until(t, "the node has the new key", func() bool {
		r, err := node.Do(t.Context(), http.MethodGet, "/readyz", "")
		return err == nil && r.Status == http.StatusOK
	})
	node.Signal(t, syscall.SIGTERM)
	node.WaitExit(t, process.ExitOK)

	third := next(limited(other).Must(t, http.MethodGet, second, ""))
	c.Nodes[owner].Kill()
	process.Until(t, "another node answers as the owner", func() bool {
		r, err := limited(other).Do(t.Context(), http.MethodGet, second, "")
		return err == nil && r.Status == http.StatusOK
	})
	for _, page := range []string{second, third} { // of the former key, and of the former owner
		limited(other).Must(t, http.MethodGet, page, "")
	}
	for _, i := range []int{owner, other} {
		replaceFile(t, path(i), key)
	}
	reload(other, key, read)
	c.StartNode(t, owner)
	for i := range c.Nodes {
		reads(i)
		limited(i).Must(t, http.MethodGet, third, "")
		limited(i).Refused(t, http.StatusBadRequest, "invalid_argument", http.MethodGet, second, "")
	}
	if n := rotations(t, c.Nodes[owner]); n != 1 {
		t.Errorf("there were %d rotations", n)
	}

	// All nodes are lost, and have a next key when they come back. The first one is alone, and waits for the others, which its
	// process has never heard.
	both = key + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{8}, 32)) + "\n"
	for _, n := range c.Nodes {
		n.Kill()
	}
	replaceFile(t, lateKeys, both)
	for i := range c.Nodes {
		replaceFile(t, path(i), both)
		c.StartNode(t, i)
		if i == 0 {
			c.Nodes[0].WaitLog(t, "the newest key of secrets is not used yet")
		}
	}
	awaitSecrets(t, c, "waiting")
	late.Serve(t, c.NodeFlags("late")...)
	awaitSecrets(t, c, "current")
	for i := range c.Nodes {
		reads(i)
	}
	if n := rotations(t, c.Nodes[0]); n != 2 {
		t.Errorf("there were %d rotations", n)
	}
}

// awaitSecrets waits until the owner says that the state of the secrets is one.
func awaitSecrets(t *testing.T, c *clusterOfNodes, state string) {
	t.Helper()
	process.Until(t, "the secrets are "+state, func() bool {
		s := c.State(t)
		return s.Secrets != nil && s.Secrets.State == state
	})
}

// The key of a cluster is replaced by restarting its processes one after the other, with a file of both keys; meanwhile the
// cluster answers.
func TestKeyOfTheClusterIsReplaced(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	c.Nodes[0].Deploy(t, "square", process.EchoCode)
	text, err := os.ReadFile(c.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	former, next := string(text), strings.Repeat("fedcba9876543210", 4)+"\n"
	for phase, text := range []string{former + "\n" + next, next + "\n" + former, next} {
		replaceFile(t, c.KeyFile, text)
		for _, e := range c.Engines {
			e.Signal(t, syscall.SIGTERM)
			<-e.Exited
			e.Start(t)
			e.Ready(t)
		}
		for i := range c.Nodes {
			c.Nodes[i].Signal(t, syscall.SIGTERM)
			c.Nodes[i].WaitExit(t, process.ExitOK)
			c.StartNode(t, i)
			r := c.Nodes[i].Must(t, http.MethodPost, "/v1/sync/functions/square/rpc", fmt.Sprintf(`{"n":%d}`, phase))
			if !strings.Contains(string(r.Body), fmt.Sprint(phase*phase)) {
				t.Errorf("%s", r.Body)
			}
		}
		var s clusters.State
		process.Until(t, "all is well", func() bool { return c.Command(t, &s, "status") == process.ExitOK })
	}
	replaceFile(t, c.KeyFile, former)
	var s clusters.State
	if status := c.Command(t, &s, "status"); status == process.ExitOK || len(s.Nodes) > 0 {
		t.Errorf("with the former key: %d, %+v", status, s)
	}
}
