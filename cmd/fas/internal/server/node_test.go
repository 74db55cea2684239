package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
)

// Options of a node that cannot work are refused before anything is started, with what to do.
func TestNodesThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	keyFile, short, open := filepath.Join(dir, "key"), filepath.Join(dir, "short"), filepath.Join(dir, "open")
	for path, text := range map[string]string{keyFile: strings.Repeat("k", 64), short: "k", open: strings.Repeat("k", 64)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	good := func() Options {
		return Options{Cluster: []string{"nats://127.0.0.1:4222", "127.0.0.1:4223"}, ClusterName: "c", Node: "a", NodeListen: "127.0.0.1:0"}
	}
	for name, test := range map[string]struct {
		change func(*Options)
		want   string // in the error; empty: there is none
	}{
		"nothing":                      {func(*Options) {}, ""},
		"a key":                        {func(o *Options) { o.ClusterKeyFile, o.NodeListen = keyFile, "0.0.0.0:8788" }, ""},
		"no cluster":                   {func(o *Options) { *o = Options{NodeListen: DefaultNodeListen} }, ""},
		"a password":                   {func(o *Options) { o.Cluster[1] = "nats://user:s3cret@10.0.0.1:4222" }, "is not the address of a server"},
		"no address":                   {func(o *Options) { o.Cluster[1] = "nats://" }, "is not the address of a server"},
		"a name without a cluster":     {func(o *Options) { o.Cluster = nil }, "has no effect without --cluster"},
		"no name":                      {func(o *Options) { o.ClusterName = "" }, "--cluster-name is missing"},
		"no node":                      {func(o *Options) { o.Node = "" }, "--node is missing"},
		"a name with a dot":            {func(o *Options) { o.ClusterName = "a.b" }, `the name "a.b" of the cluster is not valid`},
		"a node with a space":          {func(o *Options) { o.Node = "a b" }, `the name "a b" of the node is not valid`},
		"an address without a port":    {func(o *Options) { o.NodeListen = "127.0.0.1" }, "is not valid"},
		"another machine, and no key":  {func(o *Options) { o.NodeListen = "10.0.0.1:8788" }, "without a key"},
		"all addresses, and no key":    {func(o *Options) { o.NodeListen = "0.0.0.0:8788" }, "without a key"},
		"a log elsewhere, and no key":  {func(o *Options) { o.Cluster[1] = "nats://10.0.0.1:4222" }, "without a key"},
		"a log by name, and no key":    {func(o *Options) { o.Cluster[1] = "log.example.com" }, "without a key"},
		"a log elsewhere, and a key":   {func(o *Options) { o.Cluster[1], o.ClusterKeyFile = "nats://10.0.0.1:4222", keyFile }, ""},
		"a far address, and no key":    {func(o *Options) { o.NodeAddress = "10.0.0.1:8788" }, "without a key"},
		"a far address, and a key":     {func(o *Options) { o.NodeAddress, o.ClusterKeyFile = "10.0.0.1:8788", keyFile }, ""},
		"a reset of the admin token":   {func(o *Options) { o.ResetAdminToken = true }, "--reset-admin-token cannot be used"},
		"a node address without port":  {func(o *Options) { o.NodeAddress = "host" }, "is not valid"},
		"a short key":                  {func(o *Options) { o.ClusterKeyFile = short }, "has 1 bytes"},
		"a key that others read":       {func(o *Options) { o.ClusterKeyFile = open }, "other than the owner"},
		"certificates of an authority": {func(o *Options) { o.ACMEDomains = []string{"a.example.com"} }, "--acme-domain cannot be used"},
		"a demo":                       {func(o *Options) { o.Demo = true }, "--demo cannot be used"},
	} {
		o := good()
		test.change(&o)
		err := o.checkCluster()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(clierror.Message(err), test.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a node keeps between two lives is bounded, and the next life gets all of it once.
func TestKeptRuns(t *testing.T) {
	var k keptRuns
	run := func(bytes int) []runtime.Execution {
		x := runtime.Execution{ID: runtime.NewID()}
		x.Result = make([]byte, bytes)
		return []runtime.Execution{x}
	}
	first, second := run(10), run(keptBytes/2)
	if !k.add(first) || !k.add(second) || k.add(run(keptBytes/2)) || !k.add(run(10)) {
		t.Error("there is no room for what fits, or for more")
	}
	if all := k.take(); len(all) != 3 || all[0].ID != first[0].ID || all[1].ID != second[0].ID || len(k.take()) > 0 {
		t.Errorf("%d runs were kept", len(all))
	}
	if !k.add(run(keptBytes / 2)) {
		t.Error("what was taken takes room")
	}
}

// A node that becomes the owner does not wait for the former one to take runs.
func TestRecordsAreNotSentByAnOwner(t *testing.T) {
	var r recordLink
	running, done, ok := r.begin()
	if !ok || running.Err() != nil {
		t.Fatal("a node that follows does not send runs")
	}
	r.permit(false)
	if running.Err() == nil {
		t.Error("what is being sent goes on")
	}
	done()
	if _, _, ok := r.begin(); ok {
		t.Error("an owner sends runs")
	}
	r.permit(true)
	if _, done, ok = r.begin(); !ok {
		t.Fatal("a node that follows again does not send runs")
	}
	done()
}
