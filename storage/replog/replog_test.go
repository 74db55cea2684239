package replog_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var begin = replog.Position{Generation: 1}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func owner(t *testing.T, l replog.Log, chain *replog.Chain) *replog.Writer {
	t.Helper()
	w := replog.NewWriter(l, chain, replog.MaxInFlight)
	_, err := w.Claim(t.Context(), "node")
	must(t, err)
	return w
}

// write sends a batch, and waits for it.
func write(t *testing.T, w *replog.Writer, batch []byte) {
	t.Helper()
	queue := make(chan replog.Append, 1000)
	go func() {
		defer close(queue)
		must(t, w.SendBatch(t.Context(), batch, func(a replog.Append) { queue <- a }))
	}()
	for a := range queue {
		must(t, w.Settle(t.Context(), a))
	}
}

// recordsOf returns the records of a log.
func recordsOf(t *testing.T, l replog.Log) (all [][]byte) {
	t.Helper()
	end, err := l.End(t.Context())
	must(t, err)
	for seq := uint64(1); seq <= end; seq++ {
		r, err := l.Get(t.Context(), seq)
		must(t, err)
		all = append(all, r)
	}
	return all
}

// read returns the batches of records.
func read(chain *replog.Chain, records [][]byte) (batches [][]byte, err error) {
	for i, bytes := range records {
		r, err := chain.Next(uint64(i+1), bytes)
		if err != nil {
			return batches, err
		}
		if r.Kind == replog.KindBatch {
			batches = append(batches, r.Batch)
		}
	}
	return batches, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// Batches of all sizes come back as they were, from records that are no larger than a log takes.
func TestBatches(t *testing.T) {
	l := mem.New().Client()
	w := owner(t, l, replog.NewChain(0, begin))
	var want [][]byte
	for _, n := range []int{0, 1, 1000, replog.MaxRecord - 200, replog.MaxRecord, 3*replog.MaxRecord + 1, 20 << 20} {
		want = append(want, random(n), bytes.Repeat([]byte{7}, n))
	}
	for _, batch := range want {
		write(t, w, batch)
	}
	records := recordsOf(t, l)
	for i, r := range records {
		if len(r) > replog.MaxRecord {
			t.Errorf("record %d has %d bytes", i+1, len(r))
		}
	}
	got, err := read(replog.NewChain(0, begin), records)
	must(t, err)
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d batches came back otherwise", len(got))
	}
	if err := w.SendBatch(t.Context(), make([]byte, replog.MaxBatch+1), nil); err == nil {
		t.Error("a batch that is too large was sent")
	}
}

// The parts of a batch whose writer lost the log before the last one are void.
func TestPartsBeforeAnEpoch(t *testing.T) {
	l := mem.New().Client()
	w := owner(t, l, replog.NewChain(0, begin))
	write(t, w, []byte("before"))
	ctx, cancel := context.WithCancel(t.Context())
	sent := 0
	err := w.SendBatch(ctx, random(4*replog.MaxRecord), func(a replog.Append) {
		must(t, w.Settle(t.Context(), a))
		if sent++; sent == 2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	chain := replog.NewChain(0, begin)
	_, err = read(chain, recordsOf(t, l))
	must(t, err)
	write(t, owner(t, l, chain), []byte("after"))
	got, err := read(replog.NewChain(0, begin), recordsOf(t, l))
	must(t, err)
	if !slices.EqualFunc(got, [][]byte{[]byte("before"), []byte("after")}, bytes.Equal) {
		t.Errorf("got %q", got)
	}
}

// What a writer had in flight when it lost the log may arrive behind the epoch of the next one. Nobody
// takes it for that one's, and it is not in the way.
func TestStrays(t *testing.T) {
	for strays := range replog.MaxInFlight {
		shared := mem.New()
		l := shared.Client()
		old := owner(t, l, replog.NewChain(0, begin))
		write(t, old, []byte("before"))
		end, err := l.End(t.Context())
		must(t, err)
		// The first record is lost, the others arrive behind the epoch.
		var late [][]byte
		chain := replog.NewChain(0, begin)
		_, err = read(chain, recordsOf(t, l))
		must(t, err)
		other := replog.NewWriter(collector{l, &late}, chain, replog.MaxInFlight)
		for range replog.MaxInFlight {
			must(t, other.SendBatch(t.Context(), []byte("lost"), func(replog.Append) {}))
		}
		if len(late) != replog.MaxInFlight {
			t.Fatalf("%d records are under way", len(late))
		}
		chain = replog.NewChain(0, begin)
		_, err = read(chain, recordsOf(t, l))
		must(t, err)
		inject := &injector{Log: l, at: end + 1, records: late[1 : 1+min(strays, len(late)-1)]}
		w := replog.NewWriter(inject, chain, replog.MaxInFlight)
		at, err := w.Claim(t.Context(), "next")
		must(t, err)
		if want := end + replog.MaxInFlight; at.Seq != want {
			t.Errorf("%d strays: batches follow behind %d, want %d", strays, at.Seq, want)
		}
		write(t, w, []byte("after"))
		chain = replog.NewChain(0, begin)
		got, err := read(chain, recordsOf(t, l))
		must(t, err)
		if !slices.EqualFunc(got, [][]byte{[]byte("before"), []byte("after")}, bytes.Equal) {
			t.Errorf("%d strays: got %q", strays, got)
		}
		// A later one is no stray, but a broken log.
		now, err := l.End(t.Context())
		must(t, err)
		must(t, l.Append(t.Context(), now, late[0])())
		if _, err := chain.Next(now+1, late[0]); !errors.Is(err, replog.ErrBroken) {
			t.Errorf("a record of an earlier epoch far behind: %v", err)
		}
	}
}

// collector keeps what is sent from a log.
type collector struct {
	replog.Log
	sent *[][]byte
}

func (c collector) Append(_ context.Context, _ uint64, record []byte) func() error {
	*c.sent = append(*c.sent, record)
	return func() error { return mem.ErrFault }
}

// injector puts records into a log behind the record of a sequence.
type injector struct {
	replog.Log
	at      uint64
	records [][]byte
}

func (i *injector) Append(ctx context.Context, after uint64, record []byte) func() error {
	err := i.Log.Append(ctx, after, record)()
	if err == nil && after+1 == i.at {
		for _, r := range i.records {
			after++
			if err := i.Log.Append(ctx, after, r)(); err != nil {
				panic(err)
			}
		}
	}
	return func() error { return err }
}

// No damage of a log passes: changed bytes, and records that lack, are repeated, or belong to another.
func TestDamage(t *testing.T) {
	l := mem.New().Client()
	w := owner(t, l, replog.NewChain(3, begin))
	for i := range 20 {
		write(t, w, random(100+i))
	}
	records := recordsOf(t, l)
	_, err := read(replog.NewChain(3, begin), records)
	must(t, err)
	wantBroken := func(what string, chain *replog.Chain, records [][]byte) {
		t.Helper()
		if _, err := read(chain, records); !errors.Is(err, replog.ErrBroken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		damaged := slices.Clone(records)
		i := rng.IntN(len(damaged))
		r := slices.Clone(damaged[i])
		r[rng.IntN(len(r))] ^= 1 << rng.IntN(8)
		damaged[i] = r
		wantBroken("a flipped bit", replog.NewChain(3, begin), damaged)
	}
	// The end of a log may lack: nobody knows that there was more.
	for i := range len(records) - 1 {
		wantBroken("a record lacks", replog.NewChain(3, begin), slices.Delete(slices.Clone(records), i, i+1))
		wantBroken("a record is repeated", replog.NewChain(3, begin), slices.Insert(slices.Clone(records), i, records[i]))
		swapped := slices.Clone(records)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		wantBroken("two records are swapped", replog.NewChain(3, begin), swapped)
		wantBroken("a record is cut", replog.NewChain(3, begin), slices.Replace(slices.Clone(records), i, i+1, records[i][:len(records[i])/2]))
	}
	other := mem.New().Client()
	w2 := owner(t, other, replog.NewChain(3, begin))
	for i := range 20 {
		write(t, w2, random(100+i))
	}
	wantBroken("the end of another log", replog.NewChain(3, begin), slices.Concat(records[:10], recordsOf(t, other)[10:]))
	wantBroken("another shard", replog.NewChain(4, begin), records)
	wantBroken("another generation", replog.NewChain(3, replog.Position{Generation: 2}), records)
	wantBroken("another beginning", replog.NewChain(3, replog.Position{Generation: 1, Hash: replog.Hash{1}}), records)
}

// A record whose answer was lost, and which others have read and trimmed, may be in the log.
func TestTrimmedBeforeItIsSettled(t *testing.T) {
	shared := mem.New()
	l := shared.Client()
	faults := mem.Fault{}
	w := owner(t, mem.WithFaults(l, func(mem.Op) mem.Fault { return faults }), replog.NewChain(0, begin))
	faults.Kind = mem.Unanswered
	var a replog.Append
	must(t, w.SendBatch(t.Context(), []byte("one"), func(sent replog.Append) { a = sent }))
	faults.Kind = mem.None
	chain := replog.NewChain(0, begin)
	batches, err := read(chain, recordsOf(t, l))
	must(t, err)
	if len(batches) != 1 {
		t.Fatalf("%d batches are in the log", len(batches))
	}
	write(t, owner(t, l, chain), []byte("two"))
	end, err := l.End(t.Context())
	must(t, err)
	must(t, l.Trim(t.Context(), end))
	if err := w.Settle(t.Context(), a); !errors.Is(err, replog.ErrUnknown) || errors.Is(err, replog.ErrFenced) {
		t.Errorf("got %v", err)
	}
}

// A log that has lost what it had is found out.
func TestLostEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := mem.New()
		l := shared.Client()
		w := owner(t, l, replog.NewChain(0, begin))
		write(t, w, []byte("one"))
		write(t, w, []byte("two"))
		end, err := l.End(t.Context())
		must(t, err)
		whole := shared.Clone().Client()
		shared.Cut(end - 1)
		var a replog.Append
		must(t, w.SendBatch(t.Context(), []byte("three"), func(sent replog.Append) { a = sent }))
		if err := w.Settle(t.Context(), a); !errors.Is(err, replog.ErrBroken) {
			t.Errorf("the end is lost: %v", err)
		}
		// Answers of servers that are behind say nothing.
		chain := replog.NewChain(0, begin)
		_, err = read(chain, recordsOf(t, whole))
		must(t, err)
		w = replog.NewWriter(&behind{Log: whole, answers: 100}, chain, replog.MaxInFlight)
		must(t, w.SendBatch(t.Context(), []byte("three"), func(sent replog.Append) { a = sent }))
		if err := w.Settle(t.Context(), a); err != nil {
			t.Errorf("answers of a server that is behind: %v", err)
		}
	})
}

// behind is a log whose answers are those of a server that is behind, but for each twentieth.
type behind struct {
	replog.Log
	answers int
}

func (b *behind) late() bool {
	b.answers--
	return b.answers > 0 && b.answers%20 > 0
}

func (b *behind) Append(ctx context.Context, after uint64, record []byte) func() error {
	if b.answers > 0 {
		return func() error { return mem.ErrFault }
	}
	return b.Log.Append(ctx, after, record)
}

func (b *behind) Get(ctx context.Context, seq uint64) ([]byte, error) {
	if b.answers > 0 {
		return nil, replog.ErrAbsent
	}
	return b.Log.Get(ctx, seq)
}

func (b *behind) End(ctx context.Context) (uint64, error) {
	if b.late() {
		return 1, nil
	}
	return b.Log.End(ctx)
}

// FuzzNext reads hostile records.
func FuzzNext(f *testing.F) {
	l := mem.New().Client()
	w := replog.NewWriter(l, replog.NewChain(0, begin), 1)
	if _, err := w.Claim(context.Background(), "node"); err != nil {
		f.Fatal(err)
	}
	for seq := uint64(1); seq <= replog.MaxInFlight; seq++ {
		r, err := l.Get(context.Background(), seq)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seq, r)
	}
	f.Fuzz(func(t *testing.T, seq uint64, record []byte) {
		chain := replog.NewChain(0, begin)
		before := chain.At()
		_, err := chain.Next(seq, record)
		if err != nil && (!errors.Is(err, replog.ErrBroken) || chain.At() != before) {
			t.Errorf("%v, at %v", err, chain.At())
		}
	})
}
