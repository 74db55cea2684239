package nats_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/nats"
	"github.com/faaspot/faaspot/storage/replog/nats/engine"
	"github.com/faaspot/faaspot/storage/replog/replogtest"
	"github.com/faaspot/faaspot/test/freeport"
)

var quiet = slog.New(slog.DiscardHandler)

// freeAddresses returns addresses of this machine at which nothing listens.
func freeAddresses(t testing.TB, n int) (all []string) {
	t.Helper()
	for range n {
		all = append(all, freeport.Address(t))
	}
	return all
}

// configurations returns the options of n servers of a cluster.
func configurations(t testing.TB, n int, secret key.Key) (all []engine.Options) {
	t.Helper()
	addresses := freeAddresses(t, 2*n)
	var peers []engine.Peer
	for i := range n {
		peers = append(peers, engine.Peer{Name: string(rune('a' + i)), Address: addresses[n+i]})
	}
	dir := t.TempDir()
	for i, p := range peers {
		all = append(all, engine.Options{
			Name: p.Name, Peers: peers, Listen: addresses[i], Dir: filepath.Join(dir, p.Name), MaxStore: 16 << 30, Key: secret, Log: quiet,
		})
	}
	return all
}

// start starts servers in this process, and returns their addresses.
func start(t testing.TB, all []engine.Options) (addresses []string) {
	t.Helper()
	for _, o := range all {
		e, err := engine.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Kill)
		addresses = append(addresses, e.Address().String())
	}
	return addresses
}

var logs atomic.Uint64

// options returns the options of a new log on servers.
func options(addresses []string) nats.Options {
	o := nats.Options{Cluster: "test", Shard: 3, Generation: logs.Add(1), Create: true, OneReplica: len(addresses) == 1, MaxBytes: 1 << 30, Log: quiet}
	for _, a := range addresses {
		o.Servers = append(o.Servers, "nats://"+a)
	}
	return o
}

// open opens a log, which the caller closes.
func open(t testing.TB, o nats.Options) replog.Log {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l, err := nats.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// jetStream connects to a server, until the test ends.
func jetStream(t *testing.T, url string, options ...natsgo.Option) (*natsgo.Conn, jetstream.JetStream) {
	t.Helper()
	conn, err := natsgo.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, js
}

// driver returns the driver to the servers at some addresses.
func driver(addresses []string, change func(*nats.Options)) replogtest.Driver {
	return replogtest.Driver{New: func(t *testing.T) func() replog.Log {
		o := options(addresses)
		change(&o)
		return func() replog.Log { return open(t, o) }
	}}
}

func secret(t testing.TB, of string) key.Key {
	t.Helper()
	k, err := key.New([]byte(strings.Repeat(of, 64)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLogOfThreeServers(t *testing.T) {
	k := secret(t, "k")
	d := driver(start(t, configurations(t, 3, k)), func(o *nats.Options) { o.Key = k })
	replogtest.Run(t, d)
}

// A server alone, without a key.
func TestLogOfOneServer(t *testing.T) {
	d := driver(start(t, configurations(t, 1, key.Key{})), func(*nats.Options) {})
	replogtest.Run(t, d)
}

// opensWithin returns the error of opening a log.
func opensWithin(o nats.Options, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	l, err := nats.Open(ctx, o)
	if err == nil {
		err = l.Close()
	}
	return err
}

// generation returns the last part of the name of a log.
func generation(o nats.Options) string { return strconv.FormatUint(o.Generation, 10) }

func TestOnlyClientsWithTheKeyOpenALog(t *testing.T) {
	o := options(start(t, configurations(t, 1, secret(t, "k"))))
	for name, test := range map[string]struct {
		key  key.Key
		open bool
	}{"the key": {secret(t, "k"), true}, "another": {secret(t, "x"), false}, "none": {key.Key{}, false}} {
		o.Key = test.key
		if err := opensWithin(o, 3*time.Second); (err == nil) != test.open {
			t.Errorf("with the key %q: %v", name, err)
		}
	}
}

func TestMain(m *testing.M) {
	if text := os.Getenv(processVar); text != "" {
		if err := serve(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
