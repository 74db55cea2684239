package nats_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog/nats"
	"github.com/faaspot/faaspot/storage/replog/nats/engine"
)

func openBus(t *testing.T, o nats.Options) *nats.Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b, err := nats.OpenBus(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// hear returns the messages of a bus.
func hear(t *testing.T, b *nats.Bus) <-chan string {
	t.Helper()
	heard := make(chan string, 10_000)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Subscribe(ctx, func(message []byte) { heard <- string(message) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return heard
}

// publishUntil publishes a message until it is heard, and returns what was heard before.
func publishUntil(t *testing.T, b *nats.Bus, heard <-chan string, message string) (before []string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		_ = b.Publish([]byte(message)) // the connection may be lost
		for wait := time.After(50 * time.Millisecond); wait != nil; {
			select {
			case text := <-heard:
				if text == message {
					return before
				}
				before = append(before, text)
			case <-wait:
				wait = nil
			case <-limit:
				t.Fatalf("%q was not heard", message)
			}
		}
	}
}

// Nodes of one cluster hear each other, through different servers, also when one of them ends; those of other
// clusters do not hear them.
func TestBus(t *testing.T) {
	var addresses []string
	var servers []*engine.Engine
	for _, o := range configurations(t, 3, key.Key{}) {
		e, err := engine.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Kill)
		servers, addresses = append(servers, e), append(addresses, e.Address().String())
	}
	first, second := options(addresses), options(addresses)
	first.Servers, second.Servers = first.Servers[:2], second.Servers[2:]
	other := first
	other.Cluster = "other"
	a, b, c := openBus(t, first), openBus(t, second), openBus(t, other)
	atB, atC := hear(t, b), hear(t, c)
	publishUntil(t, a, atB, "hello")
	for i := range 100 {
		if err := a.Publish([]byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if got := publishUntil(t, a, atB, "end"); len(got) < 100 {
		t.Errorf("%d messages were heard", len(got))
	}
	servers[0].Kill()
	servers[1].Shutdown() // a reaches none
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Publish([]byte("closed")); err == nil {
		t.Error("a closed bus sends")
	}
	publishUntil(t, b, atB, "b alone")
	select {
	case text := <-atC:
		t.Errorf("another cluster hears %q", text)
	default:
	}
}
