package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
)

// A new key of secrets waits for all nodes that were there in the last hour, also for those that only an earlier process has
// heard.
func TestNodesThatCountForAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus{make(chan []byte)}
		n := cluster.New(cluster.Options{Name: "b", Address: "b", Bus: b, Log: quiet})
		ctx, end := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { n.Run(ctx); close(done) }()
		defer func() { end(); <-done }()
		hear := func(node, key string) {
			t.Helper()
			message, err := json.Marshal(cluster.Status{Node: node, Address: node, SecretsKey: key})
			must(t, err)
			b.heard <- message
			synctest.Wait()
		}
		want := func(lacking, counted []string) {
			t.Helper()
			if got := n.Lacking("new"); !slices.Equal(got, lacking) {
				t.Errorf("%v lack the key, want %v", got, lacking)
			}
			if got := n.Counted(); !slices.Equal(got, counted) {
				t.Errorf("%v count, want %v", got, counted)
			}
		}
		want(nil, []string{"b"})
		n.Remember([]string{"a", "b", "c"})
		want([]string{"a", "c"}, []string{"a", "b", "c"})
		hear("c", "old")
		hear("d", "new")
		want([]string{"a", "c"}, []string{"a", "b", "c", "d"})
		hear("c", "new")
		want([]string{"a"}, []string{"a", "b", "c", "d"})
		time.Sleep(cluster.AbsentTime)
		hear("d", "new")
		want([]string{"a"}, []string{"a", "b", "c", "d"})
		time.Sleep(time.Second)
		want(nil, []string{"b", "d"})
		n.Remember([]string{"a", "c"}) // they are in the record until the owner has written it again
		want(nil, []string{"b", "d"})
		hear("a", "old")
		want([]string{"a"}, []string{"a", "b", "d"})
	})
}

// Names that are neither recorded nor heard make room when their time is over, and those for which there is none are returned.
func TestRememberedNodesMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := cluster.New(cluster.Options{Name: "self", Address: "self", Bus: bus{make(chan []byte)}, Log: quiet})
		names := func(prefix string, count int) (all []string) {
			for i := range count {
				all = append(all, fmt.Sprintf("%s%03d", prefix, i))
			}
			return all
		}
		first, later := names("a", 300), names("b", 300)
		room := n.Remember(first)
		if len(room) == 0 || !slices.Equal(room, first[300-len(room):]) {
			t.Errorf("%d of 300 have no room", len(room))
		}
		if left := n.Remember(later); len(left) == 0 || len(left) >= 300 {
			t.Errorf("%d of 300 others have no room while the first count", len(left))
		}
		time.Sleep(cluster.AbsentTime + time.Second)
		if left := n.Remember(first[:100]); len(left) > 0 || len(n.Counted()) != 1 {
			t.Errorf("%d have no room, and %d nodes count", len(left), len(n.Counted()))
		}
		if left := n.Remember(later[:100]); len(left) > 0 || len(n.Counted()) != 101 {
			t.Errorf("%d others have no room, and %d nodes count", len(left), len(n.Counted()))
		}
	})
}

// The owner does not hand over to a node without the keys, and that one leaves it to others to become the owner.
func TestKeylessNodesStepBack(t *testing.T) {
	scene(t, func(t *testing.T, w *world, owner *host, _ *ledger) {
		others := slices.DeleteFunc(slices.Clone(w.nodes), func(h *host) bool { return h == owner })
		keyless, able := others[0], others[1]
		keyless.process().node.SetKeyless(true)
		time.Sleep(3 * time.Second) // all have heard who is who
		former := owner.process().node
		if err := former.Drain(keyless.name); err == nil {
			t.Error("the owner hands over to a node without the keys")
		}
		able.process().node.SetKeyless(true)
		time.Sleep(3 * time.Second)
		if refused, ok := errors.AsType[*cluster.Refusal](former.Drain("")); !ok || !strings.Contains(refused.Hint, "has the keys of secrets") {
			t.Errorf("when no other node has the keys: %v", refused)
		}
		able.process().node.SetKeyless(false)
		time.Sleep(3 * time.Second)
		must(t, former.Drain(""))
		if w.takeover(owner, time.Minute); w.owner() != able {
			t.Error("the next owner is not the node that has the keys")
		}
		former.Undrain()
		time.Sleep(3 * time.Second)
		able.crash(rand.New(rand.NewPCG(6, 1)))
		if w.takeover(able, time.Minute); w.owner() != owner {
			t.Error("a node without the keys owns the shard while another one is there")
		}
		keyless.process().node.SetKeyless(false)
		able.start()
	})
}

// Only the owner says the state of the secrets, and never that of another key.
func TestStateOfSecrets(t *testing.T) {
	n := cluster.New(cluster.Options{Name: "a", Address: "a", Bus: make(queue, 16), Log: quiet})
	want := func(state string) {
		t.Helper()
		if s := n.Status(); s.Secrets != state {
			t.Errorf("the node says %+v, want %q", s, state)
		}
	}
	n.SetSecretsKey("one")
	n.SetSecrets("one", cluster.SecretsCurrent)
	want("")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	must(t, n.Follow(ctx, slow{}))
	want(cluster.SecretsCurrent)
	n.SetSecretsKey("two")
	want("")
	n.SetSecrets("one", cluster.SecretsCurrent) // what was found before
	want("")
	n.SetSecrets("two", cluster.SecretsWaiting)
	want(cluster.SecretsWaiting)
	n.Release(1)
	want("")
}
