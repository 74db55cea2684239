package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/storage"
	"github.com/faaspot/faaspot/storage/keyset"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

// The node that creates a cluster stores the key that it has generated, unless it has been given a file meanwhile.
func TestKeysThatAreGivenWhileANodeStarts(t *testing.T) {
	for _, given := range []bool{false, true} {
		s := &server{Options: Options{Data: t.TempDir(), ClusterCreate: true}, log: slog.New(slog.DiscardHandler)}
		n := &node{server: s, cluster: cluster.New(cluster.Options{Name: "a"})}
		if err := n.openKeys(); err != nil {
			t.Fatal(err)
		}
		want := n.sealing.keys.ID()
		if given {
			k, err := new(keyset.Keyset).WithNew()
			if err == nil {
				err = k.Save(n.secretFiles().path())
			}
			if err != nil {
				t.Fatal(err)
			}
			n.reloadKeys()
			want = k.ID()
		}
		if err := n.keepKeys(); err != nil {
			t.Errorf("given %v: %v", given, err)
		}
		stored, err := keyset.Load(n.secretFiles().path())
		if err != nil || stored.ID() != want || n.sealing.keys.ID() != want || n.cluster.Status().SecretsKey != want && given {
			t.Errorf("given %v: the keys are %v, %v", given, stored, err)
		}
		if info, err := os.Stat(n.secretFiles().path()); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("given %v: the file is %v, %v", given, info, err)
		}
	}
}

// ownerReplica lets a node own the shard.
type ownerReplica struct{ cluster.Replica }

func (ownerReplica) Follow(ctx context.Context, _ func(cluster.Record)) error {
	<-ctx.Done()
	return ctx.Err()
}
func (ownerReplica) Own(context.Context, uint64) error   { return nil }
func (ownerReplica) End(context.Context) (uint64, error) { return 0, nil }
func (ownerReplica) Applied() (epoch, seq uint64)        { return 0, 0 }
func (ownerReplica) Beat() error                         { return nil }
func (ownerReplica) Problem() error                      { return nil }

// silentBus has no other nodes.
type silentBus struct{}

func (silentBus) Publish([]byte) error { return nil }
func (silentBus) Subscribe(ctx context.Context, _ func([]byte)) error {
	<-ctx.Done()
	return ctx.Err()
}

// newOwner returns the life of a node that owns the data, whose secrets a key encrypts, with a disk and what it logs.
func newOwner(t *testing.T) (l *life, k *keyset.Keyset, disk smallDisk, logged *strings.Builder) {
	t.Helper()
	k = newKey(t, new(keyset.Keyset))
	disk, logged = smallDisk{vfs.NewMem(), new(atomic.Uint64)}, new(strings.Builder)
	disk.free.Store(1 << 40)
	s := openStore(t, storage.Options{Dir: "store", FS: disk, Keys: k, Replication: &storage.Replication{Log: mem.New().Client(), Generation: 1, Node: "a"}})
	t.Cleanup(func() { _ = s.Close() })
	log := slog.New(slog.NewTextHandler(logged, nil))
	c := cluster.New(cluster.Options{Name: "a", Address: "a", Bus: silentBus{}, Log: slog.New(slog.DiscardHandler)})
	c.SetSecretsKey(k.ID())
	if err := c.Follow(t.Context(), ownerReplica{}); err != nil {
		t.Fatal(err)
	}
	n := &node{server: &server{log: log}, cluster: c}
	n.sealing.keys = k
	l = &life{server: &server{log: log, store: s, node: n}, copying: t.Context()}
	n.life.Store(l)
	return l, k, disk, logged
}

// newKey returns keys with a new one.
func newKey(t *testing.T, k *keyset.Keyset) *keyset.Keyset {
	t.Helper()
	k, err := k.WithNew()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// While the owner cannot record which nodes there are, it does not use a new key, and says so; it uses the key when it can.
func TestKeysWaitForTheRecordOfNodes(t *testing.T) {
	l, former, disk, logged := newOwner(t)
	k := newKey(t, former)
	if err := l.store.UseKeys(k); err != nil {
		t.Fatal(err)
	}
	l.node.cluster.SetSecretsKey(k.ID())
	want := func(key, state string) {
		t.Helper()
		use, err := l.store.KeyUse()
		if s := l.node.cluster.Status(); err != nil || use.Encrypts != key || s.Secrets != state {
			t.Errorf("the key %s encrypts, %v, and the state is %q; want %s and %q", use.Encrypts, err, s.Secrets, key, state)
		}
	}
	var r rotation
	disk.free.Store(storage.DefaultMinFree - 1)
	r.advance(l, l.recordMembers())
	want(former.ID(), cluster.SecretsWaiting)
	if !strings.Contains(logged.String(), "cannot record which nodes count") {
		t.Errorf("the node logs %s", logged)
	}
	said := logged.Len()
	r.advance(l, l.recordMembers())
	if want(former.ID(), cluster.SecretsWaiting); logged.Len() > said {
		t.Error("the node says it at each look")
	}
	disk.free.Store(1 << 40)
	r.advance(l, l.recordMembers())
	want(k.ID(), cluster.SecretsCurrent)
	r.advance(l, errors.New("no")) // nothing waits for the record any more
	want(k.ID(), cluster.SecretsCurrent)
}

// All nodes that count are recorded, or that is an error; names that cannot be removed are none, and none are lost because they
// are many.
func TestRecordOfNodes(t *testing.T) {
	l, _, disk, _ := newOwner(t)
	record := func(names ...string) {
		t.Helper()
		value, err := json.Marshal(names)
		if err == nil {
			err = l.store.PutSetting(settingMembers, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	recorded := func() (names []string) {
		t.Helper()
		value, err := l.store.Setting(settingMembers)
		if err == nil {
			err = json.Unmarshal(value, &names)
		}
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if err := l.recordMembers(); err != nil || !slices.Equal(recorded(), []string{"a"}) {
		t.Errorf("the record has %v, %v", recorded(), err)
	}
	record("b")
	disk.free.Store(storage.DefaultMinFree - 1)
	if err := l.recordMembers(); runtime.CodeOf(err) != runtime.CodeUnavailable {
		t.Errorf("a node is not recorded, and the error is %v", err)
	}
	disk.free.Store(1 << 40)
	record("a", "b", "b")
	disk.free.Store(storage.DefaultMinFree - 1)
	if err := l.recordMembers(); err != nil {
		t.Errorf("all nodes are recorded, and the error is %v", err)
	}
	disk.free.Store(1 << 40)
	many := []string{"a"}
	for i := range 400 {
		many = append(many, fmt.Sprintf("n%03d", i))
	}
	record(many...)
	if err := l.recordMembers(); err == nil || !slices.Equal(slices.DeleteFunc(recorded(), func(name string) bool { return name == "b" }), many) {
		t.Errorf("the record of many nodes has %d, %v", len(recorded()), err)
	}
	if err := l.store.PutSetting(settingMembers, []byte("{")); err != nil {
		t.Fatal(err)
	}
	if err := l.recordMembers(); err == nil {
		t.Error("what cannot be read is no error")
	}
}

// A node refuses keys without those that are needed, but for a store that is closed it takes any: the next life has them. A node
// without a store lacks no keys.
func TestKeysOfAStoreThatIsClosed(t *testing.T) {
	l, _, _, _ := newOwner(t)
	n, foreign := l.node, newKey(t, new(keyset.Keyset))
	if err := n.replaceKeys(foreign); err == nil {
		t.Error("the node takes keys that are not those of its data")
	}
	n.cluster.SetKeyless(true)
	if l.checkKeys(); n.cluster.Status().Keyless {
		t.Error("a node with its keys lacks some")
	}
	n.cluster.SetKeyless(true)
	l.detach()
	if err := l.store.Close(); err != nil {
		t.Fatal(err)
	}
	if l.checkKeys(); n.cluster.Status().Keyless {
		t.Error("a node without a store lacks keys")
	}
	n.life.Store(l)
	if err := n.replaceKeys(foreign); err != nil {
		t.Errorf("when the store is closed: %v", err)
	}
}

// Only of a node that has read all of the log does the state of a cluster say that it lacks keys.
func TestNodesThatAreBehindLackNoKeys(t *testing.T) {
	for name, test := range map[string]struct {
		status cluster.Status
		want   bool
	}{
		"current": {cluster.Status{Applied: 10, Keyless: true}, true},
		"owner":   {cluster.Status{Applied: 10, Keyless: true, Owns: true}, true},
		"behind":  {cluster.Status{Applied: 9, Keyless: true}, false},
		"copies":  {cluster.Status{Applied: 10, Keyless: true, Copies: 10}, false},
		"keys":    {cluster.Status{Applied: 10}, false},
	} {
		test.status.Node, test.status.Ready = "b", true
		one := describe(test.status, &ClusterLog{Last: 10})
		one.Answers = true
		s := ClusterState{Log: &ClusterLog{Last: 10}, Nodes: []ClusterNode{{Node: "a", Role: "owner", Ready: true, Answers: true}, one}}
		if said := strings.Contains(s.problem(nil), "keys of secrets"); one.Keyless != test.want || said != test.want {
			t.Errorf("%s: %+v, %q", name, one, s.problem(nil))
		}
	}
}
