package nats_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog"
)

// A record that is lost in the middle of the log is noticed by Read and by Get, and readers that have ended
// are not left behind.
func TestLostRecord(t *testing.T) {
	t.Parallel()
	addresses := start(t, configurations(t, 1, key.Key{}))
	o := options(addresses)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	l := open(t, o)
	defer l.Close()
	_, js := jetStream(t, "nats://"+addresses[0])
	// The stream of a log refuses to delete records: one that does not takes its place.
	name := "FAS_test_3_" + generation(o)
	s, err := js.Stream(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.DenyDelete = false
	if err := js.DeleteStream(ctx, name); err != nil {
		t.Fatal(err)
	}
	if s, err = js.CreateStream(ctx, c); err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(5) {
		if err := l.Append(ctx, seq, fmt.Append(nil, seq))(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteMsg(ctx, 3); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := l.Get(ctx, 3)
		got <- err
	}()
	last := uint64(0)
	err = l.Read(ctx, 0, func(seq uint64, _ []byte) error { last = seq; return nil })
	if !errors.Is(err, replog.ErrBroken) || last != 2 {
		t.Errorf("read up to %d, then %v", last, err)
	}
	info, err := s.Info(ctx)
	if err != nil || info.State.Consumers != 0 {
		t.Errorf("%d readers are left, %v", info.State.Consumers, err)
	}
	if err := <-got; !errors.Is(err, replog.ErrBroken) {
		t.Errorf("get: %v", err)
	}
}
