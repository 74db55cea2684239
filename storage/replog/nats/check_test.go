package nats_test

import (
	"context"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog/nats"
)

// foreign starts a NATS server that was not configured by us, and returns its address.
func foreign(t *testing.T, config string) string {
	t.Helper()
	var o natsserver.Options
	if err := o.ProcessConfigString(config); err != nil {
		t.Fatal(err)
	}
	o.Host, o.Port, o.NoLog, o.NoSigs, o.JetStream, o.StoreDir = "127.0.0.1", natsserver.RANDOM_PORT, true, true, true, t.TempDir()
	s, err := natsserver.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not listen")
	}
	return s.Addr().String()
}

func TestServersThatDoNotSyncAreRefused(t *testing.T) {
	const users = `
accounts {
  SYS { users: [ { user: system, password: s } ] }
  FAS { jetstream: enabled, users: [ { user: node, password: n } ] }
}
system_account: SYS
`
	lazy := foreign(t, users)
	synced := foreign(t, users+`jetstream { sync_interval: always }`)
	node, system := nats.Auth{User: "node", Password: "n"}, nats.Auth{User: "system", Password: "s"}
	for name, test := range map[string]struct {
		address string
		change  func(*nats.Options)
		want    string // in the error; empty: none
	}{
		"synced, seen":          {synced, func(o *nats.Options) { o.System = system }, ""},
		"synced, not seen":      {synced, func(*nats.Options) {}, "cannot be read"},
		"lazy, seen":            {lazy, func(o *nats.Options) { o.System = system }, "not on its disk"},
		"lazy, not seen":        {lazy, func(*nats.Options) {}, "cannot be read"},
		"lazy, unsafe":          {lazy, func(o *nats.Options) { o.System, o.UnsafeSync = system, true }, ""},
		"not seen, unsafe":      {synced, func(o *nats.Options) { o.UnsafeSync = true }, ""},
		"a wrong password":      {synced, func(o *nats.Options) { o.Auth.Password = "x" }, "refuse the client"},
		"no log, not created":   {synced, func(o *nats.Options) { o.Create = false }, "there is no log"},
		"a cluster with a name": {synced, func(o *nats.Options) { o.Cluster = "a.b" }, "not valid"},
		"no servers":            {synced, func(o *nats.Options) { o.Servers = nil }, "no server"},
		"two kinds of auth":     {synced, func(o *nats.Options) { o.Auth.Credentials = "file" }, "exclude each other"},
	} {
		o := options([]string{test.address})
		o.Auth = node
		test.change(&o)
		if err := opensWithin(o, 10*time.Second); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, test.want)
		}
	}
}

func TestStreamsThatAreUnsafeAreRefused(t *testing.T) {
	addresses := start(t, configurations(t, 1, key.Key{}))
	_, js := jetStream(t, "nats://"+addresses[0])
	for name, change := range map[string]func(*jetstream.StreamConfig){
		"drops old records":     func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"expires":               func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"deletes":               func(c *jetstream.StreamConfig) { c.DenyDelete = false },
		"in memory":             func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage; c.MaxBytes = 1 << 10 },
		"answers from anywhere": func(c *jetstream.StreamConfig) { c.AllowDirect = true },
		"other subjects":        func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "fas.more."+c.Name) },
		"few records":           func(c *jetstream.StreamConfig) { c.MaxMsgs = 5 },
		"small records":         func(c *jetstream.StreamConfig) { c.MaxMsgSize = 100 },
	} {
		o := options(addresses)
		if err := opensWithin(o, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		stream := "FAS_test_3_" + generation(o)
		s, err := js.Stream(ctx, stream)
		if err != nil {
			t.Fatal(err)
		}
		c := s.CachedInfo().Config
		if err := js.DeleteStream(ctx, stream); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if _, err := js.CreateStream(ctx, c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := opensWithin(o, 10*time.Second); err == nil || !strings.Contains(err.Error(), "is not safe") {
			t.Errorf("a stream that %s: %v", name, err)
		}
	}
	// One replica, which only tests accept.
	o := options(addresses)
	if err := opensWithin(o, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	o.OneReplica = false
	if err := opensWithin(o, 10*time.Second); err == nil || !strings.Contains(err.Error(), "1 replicas") {
		t.Errorf("one replica: %v", err)
	}
}
