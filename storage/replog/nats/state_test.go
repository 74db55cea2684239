package nats_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/nats"
	"github.com/faaspot/faaspot/storage/replog/nats/engine"
)

// A log that was made from a copy begins behind a sequence: earlier records are gone, and none is there yet.
func TestLogFromACopy(t *testing.T) {
	addresses := start(t, configurations(t, 1, key.Key{}))
	o := options(addresses)
	o.Cluster, o.Base, o.Origin = "copy", 41, "abc"
	l, err := nats.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if end, err := l.End(t.Context()); err != nil || end != 41 {
		t.Errorf("the log ends at %d, %v", end, err)
	}
	for seq, want := range map[uint64]error{1: replog.ErrTrimmed, 41: replog.ErrTrimmed, 42: replog.ErrAbsent} {
		if _, err := l.Get(t.Context(), seq); !errors.Is(err, want) {
			t.Errorf("record %d: %v", seq, err)
		}
	}
	none := func(uint64, []byte) error { return errors.New("got a record") }
	if err := l.Read(t.Context(), 0, none); !errors.Is(err, replog.ErrTrimmed) {
		t.Errorf("read from the beginning: %v", err)
	}
	if err := l.Append(t.Context(), 40, []byte("x"))(); !errors.Is(err, replog.ErrConflict) {
		t.Errorf("a record at the wrong place: %v", err)
	}
	if err := l.Append(t.Context(), 41, []byte("x"))(); err != nil {
		t.Error(err)
	}
	first := errors.New("the first record")
	if err := l.Read(t.Context(), 41, func(seq uint64, record []byte) error {
		if seq != 42 || string(record) != "x" {
			t.Errorf("record %d is %q", seq, record)
		}
		return first
	}); !errors.Is(err, first) {
		t.Error(err)
	}
	again, err := nats.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("made again from the same data: %v", err)
	}
	_ = again.Close()
	found, err := nats.Find(t.Context(), o)
	if err != nil || *found != (nats.Generation{Base: 41, Origin: "abc", Last: 42}) || found.Empty() {
		t.Errorf("found %+v, %v", found, err)
	}
	other := o
	other.Generation = 7
	if found, err := nats.Find(t.Context(), other); err != nil || found != nil {
		t.Errorf("a generation that is not there: %+v, %v", found, err)
	}
	for range 2 { // it can be repeated
		if sealed, err := nats.Seal(t.Context(), o); err != nil || *sealed != *found {
			t.Errorf("closed: %+v, %v", sealed, err)
		}
	}
	if err := l.Append(t.Context(), 42, []byte("y"))(); err == nil {
		t.Error("a log that was closed takes a record")
	}
	if end, err := l.End(t.Context()); err != nil || end != 42 {
		t.Errorf("the log that was closed ends at %d, %v", end, err)
	}
	o.Origin = "def"
	if _, err := nats.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "made from other data") {
		t.Errorf("made from other data: %v", err)
	}
}

// The latest generation of a log is found among the logs of other clusters, with the servers that have it.
func TestState(t *testing.T) {
	t.Parallel()
	all := configurations(t, 3, key.Key{})
	addresses := start(t, all)
	o := options(addresses)
	o.Cluster = "state"
	if generation, err := nats.Latest(t.Context(), o); err != nil || generation != 0 {
		t.Errorf("without a log: %d, %v", generation, err)
	}
	if s, err := nats.Look(t.Context(), o); err != nil || s.Generation != 0 || len(s.Servers) != 3 {
		t.Errorf("without a log: %+v, %v", s, err)
	}
	for _, generation := range []uint64{2, 10, 9} {
		o.Generation = generation
		l, err := nats.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Append(t.Context(), 0, make([]byte, generation*1000))(); err != nil {
			t.Error(err)
		}
		_ = l.Close()
	}
	other := o
	other.Cluster, other.Generation = "state-2", 99
	l, err := nats.Open(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	o.Generation = 1
	if generation, err := nats.Latest(t.Context(), o); err != nil || generation != 10 {
		t.Errorf("the latest generation is %d, %v", generation, err)
	}
	s, err := nats.Look(t.Context(), o)
	if err != nil || s.Generation != 10 || s.First != 1 || s.Last != 1 || s.Bytes < 10_000 || s.MaxBytes != o.MaxBytes || len(s.Servers) != 3 {
		t.Errorf("got %+v, %v", s, err)
	}
	leaders := 0
	for i, one := range s.Servers {
		if one.Leader {
			leaders++
		}
		if !one.Running || one.Name != all[i].Name {
			t.Errorf("server %d is %+v", i, one)
		}
	}
	if leaders != 1 {
		t.Errorf("%d servers lead the log: %+v", leaders, s.Servers)
	}
	if len(s.Former) != 2 || s.Former[0].Generation != 9 || s.Former[1].Generation != 2 || s.Former[0].Bytes < 9_000 || s.Former[0].MaxBytes != o.MaxBytes {
		t.Errorf("the former logs are %+v", s.Former)
	}

	// Those before a generation are removed, and no others.
	removed, err := nats.RemoveFormer(t.Context(), o, 9)
	if err != nil || !slices.Equal(removed, s.Former[1:]) {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if removed, err = nats.RemoveFormer(t.Context(), o, 10); err != nil || len(removed) != 1 || removed[0].Generation != 9 {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if removed, err = nats.RemoveFormer(t.Context(), o, 10); err != nil || len(removed) != 0 {
		t.Errorf("removed %+v again, %v", removed, err)
	}
	if s, err := nats.Look(t.Context(), o); err != nil || s.Generation != 10 || s.Last != 1 || len(s.Former) != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err := nats.Look(t.Context(), other); err != nil || s.Generation != 99 {
		t.Errorf("the log of another cluster: %+v, %v", s, err)
	}
}

// A former log whose servers are gone is shown, and removed like all others.
func TestFormerLogWithoutServers(t *testing.T) {
	t.Parallel()
	all := configurations(t, 3, key.Key{})
	servers := make(map[string]func())
	addresses := make(map[string]string)
	for _, o := range all {
		e, err := engine.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		kill := sync.OnceFunc(e.Kill)
		t.Cleanup(kill)
		servers[o.Name], addresses[o.Name] = kill, e.Address().String()
	}
	o := options(slices.Collect(maps.Values(addresses)))
	o.Cluster = "gone"
	for _, generation := range []uint64{1, 3} {
		o.Generation = generation
		if err := opensWithin(o, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	_, js := jetStream(t, o.Servers[0])
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "FAS_gone_3_2", Subjects: []string{"lost"}, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	gone := stream.CachedInfo().Cluster.Leader
	servers[gone]()
	delete(addresses, gone)
	o.Servers = nil
	for _, address := range addresses {
		o.Servers = append(o.Servers, "nats://"+address)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var s nats.State
	for { // until the others have elected leaders
		s, err = nats.Look(ctx, o)
		if err == nil && len(s.Former) == 2 && s.Former[1].MaxBytes > 0 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("got %+v, %v", s, err)
		}
	}
	if s.Former[0] != (nats.Former{Generation: 2}) || s.Former[1].Generation != 1 {
		t.Errorf("the former logs are %+v", s.Former)
	}
	if removed, err := nats.RemoveFormer(ctx, o, 3); err != nil || !slices.Equal(removed, s.Former) {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if s, err := nats.Look(ctx, o); err != nil || s.Generation != 3 || len(s.Former) != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
}
