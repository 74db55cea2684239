// Package replogtest has the tests that every driver of a replicated log must pass. It is imported by
// tests only.
package replogtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/storage/replog"
)

// Driver is what is tested.
type Driver struct {
	// New returns a function that makes a client of a new log, which has no records yet. All its
	// clients share the log. The test closes the clients.
	New func(t *testing.T) (client func() replog.Log)
	// Operations is the number of random operations; 0: 2,000.
	Operations int
}

type test struct {
	name string
	run  func(t *testing.T, client func() replog.Log)
}

// Run runs all tests of a driver.
func Run(t *testing.T, d Driver) {
	d.run(t, []test{
		{"AppendsBehindTheEnd", appendsBehindTheEnd},
		{"KeepsTheOrderOfAppends", keepsTheOrder},
		{"TakesTheLargestRecord", takesTheLargestRecord},
		{"HasOneWinner", hasOneWinner},
		{"ReadsWhatComes", readsWhatComes},
		{"Trims", trims},
		{"EndsWithItsContext", endsWithItsContext},
		{"EndsWhenClosed", endsWhenClosed},
	})
	RunFaulty(t, d)
}

// RunFaulty runs the tests that a driver must pass whatever goes wrong with the calls of its clients.
func RunFaulty(t *testing.T, d Driver) {
	d.run(t, []test{
		{"IsLinearizable", func(t *testing.T, client func() replog.Log) { isLinearizable(t, client, d.Operations) }},
		{"WritersTakeTheLogFromEachOther", writersTakeTheLog},
	})
}

func (d Driver) run(t *testing.T, tests []test) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := d.New(t)
			test.run(t, func() replog.Log {
				l := client()
				t.Cleanup(func() { must(t, l.Close()) })
				return l
			})
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func wantEnd(t *testing.T, l replog.Log, want uint64) {
	t.Helper()
	end, err := l.End(t.Context())
	must(t, err)
	if end != want {
		t.Fatalf("the log ends at %d, want %d", end, want)
	}
}

func wantRecord(t *testing.T, l replog.Log, seq uint64, want []byte) {
	t.Helper()
	got, err := l.Get(t.Context(), seq)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Fatalf("record %d has %d bytes, want others (%d)", seq, len(got), len(want))
	}
}

func numbered(n uint64) []byte { return fmt.Appendf(nil, "record %d", n) }

// fill appends records up to a sequence.
func fill(t *testing.T, l replog.Log, from, to uint64) {
	t.Helper()
	for seq := from; seq <= to; seq++ {
		must(t, l.Append(t.Context(), seq-1, numbered(seq))())
	}
}

// A record gets the sequence behind the end that it names, or none.
func appendsBehindTheEnd(t *testing.T, client func() replog.Log) {
	a, b := client(), client()
	wantEnd(t, a, 0)
	_, err := a.Get(t.Context(), 1)
	want(t, err, replog.ErrAbsent)
	want(t, a.Append(t.Context(), 1, numbered(2))(), replog.ErrConflict) // not there yet
	fill(t, a, 1, 3)
	for _, after := range []uint64{0, 1, 2, 4, 1 << 40} {
		want(t, b.Append(t.Context(), after, []byte("other"))(), replog.ErrConflict)
	}
	fill(t, b, 4, 5)
	want(t, a.Append(t.Context(), 3, []byte("other"))(), replog.ErrConflict) // fenced
	for _, l := range []replog.Log{a, b} {
		wantEnd(t, l, 5)
		for seq := uint64(1); seq <= 5; seq++ {
			wantRecord(t, l, seq, numbered(seq))
		}
		_, err := l.Get(t.Context(), 6)
		want(t, err, replog.ErrAbsent)
	}
}

// Records that are sent before the results of earlier ones are known arrive in order; all behind one
// that fails fail.
func keepsTheOrder(t *testing.T, client func() replog.Log) {
	l := client()
	for round := range uint64(20) {
		var waits []func() error
		for i := range uint64(8) {
			seq := round*8 + i + 1
			waits = append(waits, l.Append(t.Context(), seq-1, numbered(seq)))
		}
		for _, wait := range waits {
			must(t, wait())
		}
	}
	wantEnd(t, l, 160)
	waits := []func() error{l.Append(t.Context(), 150, []byte("other"))}
	for after := uint64(161); after < 165; after++ {
		waits = append(waits, l.Append(t.Context(), after, []byte("other")))
	}
	for _, wait := range waits {
		want(t, wait(), replog.ErrConflict)
	}
	wantEnd(t, l, 160)
	fill(t, l, 161, 161)
}

func takesTheLargestRecord(t *testing.T, client func() replog.Log) {
	l := client()
	large := bytes.Repeat([]byte("0123456789abcde\n"), replog.MaxRecord/16)
	large[0] = 0xFF
	must(t, l.Append(t.Context(), 0, large)())
	must(t, l.Append(t.Context(), 1, []byte{0})())
	wantRecord(t, l, 1, large)
	wantRecord(t, client(), 2, []byte{0})
}

// Of writers that append at the same place, one wins, and its record is there.
func hasOneWinner(t *testing.T, client func() replog.Log) {
	const rounds, writers = 20, 4
	clients := make([]replog.Log, writers)
	for i := range clients {
		clients[i] = client()
	}
	for round := range uint64(rounds) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var winners []int
		for i, l := range clients {
			wg.Go(func() {
				switch err := l.Append(t.Context(), round, fmt.Appendf(nil, "%d of %d", i, round))(); {
				case err == nil:
					mu.Lock()
					winners = append(winners, i)
					mu.Unlock()
				case !errors.Is(err, replog.ErrConflict):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(winners) != 1 {
			t.Fatalf("place %d was taken by %v", round+1, winners)
		}
		wantRecord(t, clients[0], round+1, fmt.Appendf(nil, "%d of %d", winners[0], round))
	}
}

// Readers get what is there and what comes, in order, once.
func readsWhatComes(t *testing.T, client func() replog.Log) {
	l := client()
	fill(t, l, 1, 50)
	const last = 120
	var wg sync.WaitGroup
	for _, after := range []uint64{0, 1, 49, 50} {
		reader := client()
		wg.Go(func() {
			done := errors.New("done")
			next := after + 1
			err := reader.Read(t.Context(), after, func(seq uint64, record []byte) error {
				if seq != next || !bytes.Equal(record, numbered(seq)) {
					return fmt.Errorf("got record %d, %q, want %d", seq, record, next)
				}
				if next++; seq == last {
					return done
				}
				return nil
			})
			if !errors.Is(err, done) {
				t.Error(err)
			}
		})
	}
	fill(t, l, 51, last)
	wg.Wait()
}

// Records are trimmed before a sequence, and the others stay where they are.
func trims(t *testing.T, client func() replog.Log) {
	l, other := client(), client()
	must(t, l.Trim(t.Context(), 10))
	fill(t, l, 1, 10)
	for _, before := range []uint64{0, 1, 5, 5, 3} {
		must(t, l.Trim(t.Context(), before))
	}
	for seq := uint64(1); seq <= 10; seq++ {
		if seq >= 5 {
			wantRecord(t, other, seq, numbered(seq))
			continue
		}
		_, err := other.Get(t.Context(), seq)
		want(t, err, replog.ErrTrimmed)
	}
	none := func(uint64, []byte) error { return errors.New("got a record") }
	want(t, other.Read(t.Context(), 0, none), replog.ErrTrimmed)
	want(t, other.Read(t.Context(), 3, none), replog.ErrTrimmed)
	first := errors.New("first")
	want(t, other.Read(t.Context(), 4, func(seq uint64, _ []byte) error {
		if seq != 5 {
			return fmt.Errorf("the first record is %d", seq)
		}
		return first
	}), first)
	must(t, l.Trim(t.Context(), 1000)) // the last one stays
	wantEnd(t, other, 10)
	wantRecord(t, other, 10, numbered(10))
	fill(t, other, 11, 12)
	wantEnd(t, l, 12)
}

func endsWithItsContext(t *testing.T, client func() replog.Log) {
	l := client()
	fill(t, l, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	read := make(chan struct{})
	wg.Go(func() {
		if err := l.Read(ctx, 0, func(uint64, []byte) error { close(read); return nil }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	<-read
	cancel()
	wg.Wait()
	err := l.Append(ctx, 1, numbered(2))()
	if err == nil || errors.Is(err, replog.ErrConflict) {
		t.Fatalf("an append that was abandoned: %v", err)
	}
	// The record may be stored or not: a second append finds out.
	if err := l.Append(t.Context(), 1, numbered(2))(); err != nil {
		want(t, err, replog.ErrConflict)
	}
	wantRecord(t, l, 2, numbered(2))
}

func endsWhenClosed(t *testing.T, client func() replog.Log) {
	l, other := client(), client()
	fill(t, l, 1, 1)
	var wg sync.WaitGroup
	read := make(chan struct{})
	wg.Go(func() {
		if err := l.Read(t.Context(), 0, func(uint64, []byte) error { close(read); return nil }); err == nil {
			t.Error("a reader of a closed log has no error")
		}
	})
	<-read
	must(t, l.Close())
	wg.Wait()
	must(t, l.Close())
	if err := l.Append(t.Context(), 1, numbered(2))(); err == nil {
		t.Error("a closed log takes a record")
	}
	fill(t, other, 2, 2)
}
