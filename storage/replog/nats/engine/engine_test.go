package engine_test

import (
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog/nats/engine"
)

var quiet = slog.New(slog.DiscardHandler)

func options(t *testing.T) engine.Options {
	return engine.Options{
		Name: "a", Peers: []engine.Peer{{"a", "127.0.0.1:6222"}}, Listen: "127.0.0.1:0", Dir: t.TempDir(), Log: quiet,
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	k, err := key.New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*engine.Options)
		want   string // in the error; empty: none
	}{
		"one server":            {func(*engine.Options) {}, ""},
		"a key":                 {func(o *engine.Options) { o.Key, o.Listen = k, "0.0.0.0:4222" }, ""},
		"no key":                {func(o *engine.Options) { o.Listen = "0.0.0.0:4222" }, "without a key"},
		"no key, all addresses": {func(o *engine.Options) { o.Listen = ":4222" }, "without a key"},
		"no key between servers": {func(o *engine.Options) {
			o.Peers = []engine.Peer{{"a", "10.0.0.1:1"}, {"b", "10.0.0.2:1"}, {"c", "10.0.0.3:1"}}
		}, "without a key"},
		"no key, the others are elsewhere": {func(o *engine.Options) {
			o.Peers = append(o.Peers, engine.Peer{"b", "10.0.0.2:6222"}, engine.Peer{"c", "log.example:6222"})
		}, "c=log.example:6222 is on another machine: give the cluster a key"},
		"a key, the others are elsewhere": {func(o *engine.Options) {
			o.Key = k
			o.Peers = append(o.Peers, engine.Peer{"b", "10.0.0.2:6222"}, engine.Peer{"c", "log.example:6222"})
		}, ""},
		"two servers": {func(o *engine.Options) { o.Peers = append(o.Peers, engine.Peer{"b", "127.0.0.1:6223"}) }, "cluster of 2"},
		"no servers":  {func(o *engine.Options) { o.Peers = nil }, "cluster of 0"},
		"a name twice": {func(o *engine.Options) {
			o.Peers = append(o.Peers, engine.Peer{"a", "127.0.0.1:1"}, engine.Peer{"c", "127.0.0.1:2"})
		}, "twice"},
		"an address twice": {func(o *engine.Options) {
			o.Peers = append(o.Peers, engine.Peer{"b", "127.0.0.1:1"}, engine.Peer{"c", "127.0.0.1:1"})
		}, "twice"},
		"a name that is no peer's": {func(o *engine.Options) { o.Name = "z" }, "not among"},
		"a name with a dot":        {func(o *engine.Options) { o.Name = "a.b" }, "not valid"},
		"an address without port":  {func(o *engine.Options) { o.Listen = "127.0.0.1" }, "not valid"},
		"a peer with any port":     {func(o *engine.Options) { o.Peers = []engine.Peer{{"a", "127.0.0.1:0"}} }, "not valid"},
	} {
		o := options(t)
		test.change(&o)
		err := o.Check()
		if got := err != nil; got != (test.want != "") || got && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, test.want)
		}
	}
}

func TestAPortThatIsTakenIsReported(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	o := options(t)
	o.Listen = ln.Addr().String()
	if e, err := engine.Start(o); err == nil {
		e.Kill()
		t.Error("two processes listen at one port")
	} else if !strings.Contains(err.Error(), "address already in use") {
		t.Error(err)
	}
}

// Two servers in one folder would write over each other's records.
func TestAFolderThatIsUsedIsRefused(t *testing.T) {
	o := options(t)
	e, err := engine.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Kill()
	if other, err := engine.Start(o); err == nil {
		other.Kill()
		t.Error("two servers use one folder")
	} else if !strings.Contains(err.Error(), "another process uses it") {
		t.Error(err)
	}
	e.Kill()
	if e, err = engine.Start(o); err != nil {
		t.Fatal(err)
	}
	e.Kill()
}

func TestOneServerServes(t *testing.T) {
	e, err := engine.Start(options(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Serves(); err != nil {
		t.Error(err)
	}
	if err := e.Current(); err != nil {
		t.Error(err)
	}
	e.Shutdown()
	if e.Serves() == nil {
		t.Error("a server that was stopped serves")
	}
}
