package storage

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/commit"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/record"
	"github.com/faaspot/faaspot/storage/internal/storetest"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

// onLog returns the options of a replica.
func onLog(fs vfs.FS, dir string, l replog.Log, follow bool) Options {
	o := options(fs, dir)
	o.Replication = &Replication{Log: l, Generation: 1, Node: dir, Follow: follow}
	return o
}

func openReplica(t *testing.T, fs vfs.FS, dir string, l replog.Log, follow bool) *Store {
	t.Helper()
	s, err := Open(onLog(fs, dir, l, follow))
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// follow applies the log up to what the owner has applied.
func follow(t *testing.T, s, owner *Store) {
	t.Helper()
	to, _ := owner.Applied()
	if at, _ := s.Applied(); at == to {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := s.Follow(ctx, func(r replog.Record, _ Changes) {
		if r.At.Seq >= to.Seq {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if at, _ := s.Applied(); at != to {
		t.Fatalf("%v is applied, want %v", at, to)
	}
}

// dump returns all records of a store.
func dump(t *testing.T, s *Store) (all []string) {
	t.Helper()
	it, err := s.db.NewIter(nil)
	must(t, err)
	for ok := it.First(); ok; ok = it.Next() {
		all = append(all, hex.EncodeToString(it.Key())+" "+hex.EncodeToString(it.Value()))
	}
	must(t, errors.Join(it.Error(), it.Close()))
	return all
}

func errorOf[T any](_ T, err error) error { return err }

func wantSame(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: record %d differs:\n%s\n%s", what, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d records, want %d", what, len(got), len(want))
	}
}

// Random moves on a log with faults of all kinds have the effects that they have without one, and stores
// that follow the log have the same records, byte for byte: also those that lose power meanwhile.
func TestReplicasAreEqual(t *testing.T) {
	t.Parallel()
	for seed := range games(3) {
		shared := mem.New()
		p, rng := newPlayer(300+seed), rand.New(rand.NewPCG(seed, 11))
		s := openReplica(t, vfs.NewMem(), "owner", mem.WithFaults(shared.Client(), mem.RandomFaults(seed, 10, 100*time.Microsecond)), false)
		disk := vfs.NewCrashableMem()
		f := openReplica(t, disk, "follower", mem.WithFaults(shared.Client(), mem.RandomFaults(seed+100, 10, 100*time.Microsecond)), true)
		wantUnavailable(t, f.PutSetting("x", nil))
		l := newLedger()
		for i := range 200 {
			m := p.move(l)
			if err := m.do(s); err != nil {
				t.Fatalf("move %d, %s: %v", i, m.name, err)
			}
			l = m.after
			switch rng.IntN(20) {
			case 0:
				follow(t, f, s)
			case 1:
				clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rng})
				must(t, f.Close())
				disk = clone
				f = openReplica(t, disk, "follower", mem.WithFaults(shared.Client(), mem.RandomFaults(seed+uint64(i), 10, 100*time.Microsecond)), true)
			case 2:
				must(t, errorOf(f.Harden()))
			}
		}
		if diff := l.diff(holding(t, s), false); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
		follow(t, f, s)
		wantSame(t, fmt.Sprint("seed ", seed), dump(t, f), dump(t, s))
		// The follower takes over: the other one can write no longer, and has nothing that is not in the log.
		must(t, f.Own(t.Context()))
		checkInvariants(t, f)
		if diff := l.diff(holding(t, f), false); diff != "" {
			t.Errorf("seed %d, taken over: %s", seed, diff)
		}
		before := dump(t, s)
		wantUnavailable(t, s.PutSetting("late", []byte("x")))
		wantUnavailable(t, s.PutSetting("late", []byte("y")))
		wantUnavailable(t, s.Health())
		wantSame(t, "fenced", dump(t, s), before)
		must(t, f.PutSetting("new", []byte("z")))
		must(t, s.Close())
		again := openReplica(t, vfs.NewMem(), "again", shared.Client(), true)
		follow(t, again, f)
		wantSame(t, "from the beginning", dump(t, again), dump(t, f))
	}
}

// Power is lost on the owner at random moments, with any part of what was not synced, while the log stays.
// What was acknowledged is there again, and records are applied once.
func TestOwnerLosesPower(t *testing.T) {
	t.Parallel()
	for seed := range games(3) {
		shared := mem.New()
		p, rng := newPlayer(400+seed), rand.New(rand.NewPCG(seed, 12))
		disk := vfs.NewCrashableMem()
		s := openReplica(t, disk, "store", mem.WithFaults(shared.Client(), mem.RandomFaults(seed, 10, 100*time.Microsecond)), false)
		l := newLedger()
		for i := range 200 {
			m := p.move(l)
			if err := m.do(s); err != nil {
				t.Fatalf("move %d, %s: %v", i, m.name, err)
			}
			l = m.after
			switch rng.IntN(20) {
			case 0:
				disk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rng})
				must(t, s.Close())
				s = openReplica(t, disk, "store", mem.WithFaults(shared.Client(), mem.RandomFaults(seed+uint64(i), 10, 100*time.Microsecond)), false)
				checkInvariants(t, s)
				if diff := l.diff(holding(t, s), false); diff != "" {
					t.Fatalf("seed %d, after move %d: %s", seed, i, diff)
				}
			case 1:
				must(t, s.db.Flush())
			case 2:
				seq, err := s.Harden()
				must(t, err)
				for err = s.Trim(t.Context(), seq+1000); err != nil; err = s.Trim(t.Context(), seq+1000) {
					if !errors.Is(err, mem.ErrFault) {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// Nothing but the log changes a store that follows, whatever is called: not even what writes without a
// request.
func TestFollowersWriteNothing(t *testing.T) {
	shared := mem.New()
	k := newKeys(t)
	sealed := func(dir string, follow bool) *Store {
		o := onLog(vfs.NewMem(), dir, shared.Client(), follow)
		o.Keys = k
		s, err := Open(o)
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		return s
	}
	s, f := sealed("owner", false), sealed("follower", true)
	clock := newAuditClock()
	for range 20 {
		must(t, s.BeginAudit(clock.entry("a", "f")))
	}
	v := version("f", 1, "source")
	v.Context = []byte("secret")
	must(t, s.CreateFunction(function("a", "f", "f", 1), v, by("a")))
	_, release := stage(t, s, "a", 1)
	follow(t, f, s)
	before := dump(t, f)
	wantUnavailable(t, f.Expire(start.Add(100*365*24*time.Hour), runtime.Retention{}))
	wantUnavailable(t, errorOf(f.Reseal()))
	b, content := bundleNumber(2)
	for range 2 { // the second one waits for the turn of the first
		wantUnavailable(t, errorOf(f.StageBundle(t.Context(), "a", b, bytes.NewReader(content))))
	}
	if has := f.Stored("a"); has != (runtime.TenantStored{}) {
		t.Errorf("what was not stored counts: %+v", has)
	}
	wantUnavailable(t, f.PutSetting("x", nil))
	wantSame(t, "a follower", dump(t, f), before)
	release()
}

// A store that cannot read the records of a log, or is closed, does not take the log from its owner.
func TestStoresThatDoNotOwn(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, s, f *Store)
		keys    bool // of the follower, others than the owner's
		want    error
	}{
		"other keys": {func(*testing.T, *Store, *Store) {}, true, errKeys},
		"a newer release": {func(t *testing.T, s, _ *Store) {
			must(t, s.commits.Write(commit.Outcome, func(b *pebble.Batch) error {
				return b.Set(keys.Format(), record.EncodeNumber(formatVersion+1), nil)
			}))
		}, false, errNewer},
		"it is closed": {func(t *testing.T, _, f *Store) { must(t, f.Close()) }, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			shared := mem.New()
			o := onLog(vfs.NewMem(), "owner", shared.Client(), false)
			o.Keys = newKeys(t)
			s, err := Open(o)
			must(t, err)
			defer s.Close()
			o = onLog(vfs.NewMem(), "next", shared.Client(), true)
			if o.Keys = s.db.Keys(); test.keys {
				o.Keys = newKeys(t)
			}
			f, err := Open(o)
			must(t, err)
			defer f.Close()
			test.prepare(t, s, f)
			before, err := shared.Client().End(t.Context())
			must(t, err)
			if err := f.Own(t.Context()); err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if end, err := shared.Client().End(t.Context()); err != nil || end != before {
				t.Errorf("the log has grown from %d to %d, %v", before, end, err)
			}
			must(t, s.Beat()) // it owns the log
		})
	}
}

// OwnAt begins an epoch only if the log has nothing behind the record that is named.
func TestOwnAtTheEndAlone(t *testing.T) {
	shared := mem.New()
	s := openReplica(t, vfs.NewMem(), "owner", shared.Client(), false)
	must(t, s.PutSetting("a", []byte("1")))
	f := openReplica(t, vfs.NewMem(), "follower", shared.Client(), true)
	follow(t, f, s)
	at, _ := f.Applied()
	for _, seq := range []uint64{0, at.Seq - 1, at.Seq + 1} {
		if err := f.OwnAt(t.Context(), seq); runtime.CodeOf(err) != runtime.CodeConflict {
			t.Errorf("at %d of %d: %v", seq, at.Seq, err)
		}
	}
	must(t, s.Beat()) // it owns the log
	if err := f.OwnAt(t.Context(), at.Seq); runtime.CodeOf(err) != runtime.CodeConflict {
		t.Errorf("the log has grown: %v", err)
	}
	must(t, f.Problem())
	must(t, s.Beat())
	follow(t, f, s)
	at, _ = f.Applied()
	must(t, f.OwnAt(t.Context(), at.Seq))
	must(t, f.PutSetting("b", []byte("2")))
	if err := s.Beat(); err == nil || s.Problem() == nil {
		t.Errorf("the former owner: %v, %v", err, s.Problem())
	}
}

// Follow ends when its store is closed, and does not begin after that.
func TestFollowEndsWithItsStore(t *testing.T) {
	shared := mem.New()
	s := openReplica(t, vfs.NewMem(), "owner", shared.Client(), false)
	must(t, s.PutSetting("a", []byte("1")))
	f := openReplica(t, vfs.NewMem(), "follower", shared.Client(), true)
	applied := make(chan struct{}, 100)
	done := make(chan error, 1)
	go func() { done <- f.Follow(t.Context(), func(replog.Record, Changes) { applied <- struct{}{} }) }()
	<-applied
	must(t, f.Close())
	wantUnavailable(t, <-done)
	wantUnavailable(t, f.Follow(t.Context(), nil))
}

// A batch that is larger than a record is one batch for a follower.
func TestLargeBatchesAreReplicated(t *testing.T) {
	shared := mem.New()
	s := openReplica(t, vfs.NewMem(), "owner", shared.Client(), false)
	c := newClerk()
	batch := c.batch(3)
	for i := range batch {
		batch[i].Args = storetest.Noise(4 << 20)
		batch[i].Execution.ArgsSize = len(batch[i].Args)
	}
	_, _, err := s.Accept(batch, nil)
	must(t, err)
	f := openReplica(t, vfs.NewMem(), "follower", shared.Client(), true)
	follow(t, f, s)
	wantSame(t, "large", dump(t, f), dump(t, s))
	args, err := f.GetArgs("default", batch[2].Execution.ID)
	must(t, err)
	if !bytes.Equal(args, batch[2].Args) {
		t.Errorf("%d bytes of args", len(args))
	}
}

// gatedLog holds answers to appends back.
type gatedLog struct {
	replog.Log
	shut  atomic.Bool
	stuck atomic.Int32 // appends whose answer is held back
	open  chan struct{}
}

func (g *gatedLog) Append(ctx context.Context, after uint64, record []byte) func() error {
	wait := g.Log.Append(ctx, after, record)
	if !g.shut.Load() {
		return wait
	}
	return func() error {
		g.stuck.Add(1)
		select {
		case <-g.open:
			return wait()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gatedLog) Get(ctx context.Context, seq uint64) ([]byte, error) {
	if g.shut.Load() && ctx.Err() == nil {
		select {
		case <-g.open:
		case <-ctx.Done():
		}
	}
	return g.Log.Get(ctx, seq)
}

// Nothing can be read before the log has it. Several writes are under way at once, and come out in order.
func TestNothingIsVisibleBeforeTheLogHasIt(t *testing.T) {
	g := &gatedLog{Log: mem.New().Client(), open: make(chan struct{})}
	s := openReplica(t, vfs.NewMem(), "store", g, false)
	before := dump(t, s)
	at, _ := s.Applied()
	g.shut.Store(true)
	const writes = 3
	var wg sync.WaitGroup
	for i := range writes {
		wg.Go(func() {
			if err := s.PutSetting("name", fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		})
		for end := uint64(0); end != at.Seq+uint64(i)+1; { // it is in the log
			time.Sleep(time.Millisecond)
			var err error
			end, err = g.End(t.Context())
			must(t, err)
		}
	}
	wantSame(t, "nothing is acknowledged", dump(t, s), before)
	close(g.open)
	wg.Wait()
	value, err := s.Setting("name")
	must(t, err)
	if string(value) != fmt.Sprint(writes-1) {
		t.Errorf("the last write is %s", value)
	}
}

// putUnknown holds the log back, and puts a setting into a store. It returns when the log has its record. checked
// waits for the result, which must be that it is not known.
func (g *gatedLog) putUnknown(t *testing.T, s *Store) (checked func()) {
	g.shut.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.PutSetting("name", []byte("value"))
		if e, ok := errors.AsType[*runtime.Error](err); !ok || e.Code != runtime.CodeUnavailable || !errors.Is(err, runtime.ErrUnknownOutcome) || !bytes.Contains([]byte(e.Message), []byte("not known")) {
			t.Errorf("got %#v", err)
		}
	})
	for g.stuck.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	return wg.Wait
}

// A write whose outcome is not known when the store is closed is not reported as made, nor as one that was
// not made; what the log has is there when the store is opened again.
func TestUnknownOutcome(t *testing.T) {
	shared := mem.New()
	g := &gatedLog{Log: shared.Client(), open: make(chan struct{})}
	disk := vfs.NewMem()
	s, err := Open(onLog(disk, "store", g, false))
	must(t, err)
	checked := g.putUnknown(t, s)
	_, pipeline := s.replica.now()
	pipeline.Abandon() // as Close does after a while
	checked()
	wantUnavailable(t, s.PutSetting("other", nil))
	must(t, s.Close())
	s = openReplica(t, disk, "store", shared.Client(), false)
	value, err := s.Setting("name")
	must(t, err)
	if string(value) != "value" {
		t.Errorf("the setting is %q", value)
	}
}

// A write that is in the log and cannot be applied, and those behind it, are not reported as not made: other replicas have them.
func TestWritesThatAreNotApplied(t *testing.T) {
	shared := mem.New()
	g := &gatedLog{Log: shared.Client(), open: make(chan struct{})}
	s := openReplica(t, vfs.NewMem(), "owner", g, false)
	at, _ := s.Applied()
	_, pipeline := s.replica.now()
	pipeline.Apply = func(*pebble.Batch, replog.Position) error { return errors.New("the disk is lost") }
	g.shut.Store(true)
	var wg sync.WaitGroup
	for i := range uint64(3) {
		wg.Go(func() {
			if err := s.PutSetting("name", fmt.Append(nil, i)); runtime.CodeOf(err) != runtime.CodeUnavailable || !errors.Is(err, runtime.ErrUnknownOutcome) {
				t.Errorf("got %#v", err)
			}
		})
		for end := uint64(0); end != at.Seq+i+1; { // it is in the log
			time.Sleep(time.Millisecond)
			var err error
			end, err = g.End(t.Context())
			must(t, err)
		}
	}
	close(g.open)
	wg.Wait()
	err := s.PutSetting("name", []byte("later"))
	if wantUnavailable(t, err); errors.Is(err, runtime.ErrUnknownOutcome) {
		t.Errorf("what was not written: %v", err)
	}
	f := openReplica(t, vfs.NewMem(), "next", shared.Client(), false)
	value, err := f.Setting("name")
	must(t, err)
	if string(value) != "2" {
		t.Errorf("the next owner has %q", value)
	}
}

// unanswered is a gatedLog that answers no append that it has held back.
type unanswered struct{ *gatedLog }

func (u unanswered) Append(ctx context.Context, after uint64, record []byte) func() error {
	wait, shut := u.gatedLog.Append(ctx, after, record), u.shut.Load()
	return func() error {
		err := wait()
		if shut {
			err = mem.ErrFault
		}
		return err
	}
}

// A write that others have read and trimmed before its writer could ask for it is not reported as one that was
// not made.
func TestTrimmedOutcome(t *testing.T) {
	shared := mem.New()
	g := unanswered{&gatedLog{Log: shared.Client(), open: make(chan struct{})}}
	s := openReplica(t, vfs.NewMem(), "owner", g, false)
	f := openReplica(t, vfs.NewMem(), "next", shared.Client(), true)
	checked := g.putUnknown(t, s)
	must(t, f.Own(t.Context()))
	end, err := f.Harden()
	must(t, err)
	must(t, f.Trim(t.Context(), end))
	close(g.open)
	checked()
	wantUnavailable(t, s.PutSetting("other", nil))
	value, err := f.Setting("name")
	must(t, err)
	if string(value) != "value" {
		t.Errorf("the setting is %q", value)
	}
}

// A store stops when its log is not the one that it has followed, and keeps what it has.
func TestBrokenLog(t *testing.T) {
	for _, damage := range []struct {
		what string
		do   func(t *testing.T, l *mem.Log, at uint64)
	}{
		{"the next record is another", func(t *testing.T, l *mem.Log, at uint64) {
			r, err := l.Client().Get(t.Context(), at)
			must(t, err)
			l.Replace(at+1, r)
		}},
		{"the next record is damaged", func(t *testing.T, l *mem.Log, at uint64) {
			r, err := l.Client().Get(t.Context(), at+1)
			must(t, err)
			r = bytes.Clone(r)
			r[len(r)/2] ^= 1
			l.Replace(at+1, r)
		}},
		{"the last record is another", func(t *testing.T, l *mem.Log, at uint64) {
			r, err := l.Client().Get(t.Context(), at+1)
			must(t, err)
			l.Replace(at, r)
		}},
	} {
		t.Run(damage.what, func(t *testing.T) {
			t.Parallel()
			shared := mem.New()
			s := openReplica(t, vfs.NewMem(), "owner", shared.Client(), false)
			must(t, s.PutSetting("a", []byte("1")))
			f := openReplica(t, vfs.NewMem(), "follower", shared.Client(), true)
			follow(t, f, s)
			at, _ := f.Applied()
			must(t, s.PutSetting("a", []byte("2")))
			must(t, s.PutSetting("a", []byte("3")))
			damage.do(t, shared, at.Seq)
			before := dump(t, f)
			if err := f.Follow(t.Context(), nil); !errors.Is(err, replog.ErrBroken) {
				t.Errorf("follow: %v", err)
			}
			wantUnavailable(t, f.Health())
			wantUnavailable(t, f.PutSetting("b", nil))
			wantUnavailable(t, f.Own(t.Context()))
			wantUnavailable(t, f.Follow(t.Context(), nil))
			wantSame(t, "what it has", dump(t, f), before)
		})
	}
}

// lackingLog answers Get with the error of the time that has passed.
type lackingLog struct {
	replog.Log
	began  time.Time
	answer func(passed time.Duration) error
}

func (l lackingLog) Get(context.Context, uint64) ([]byte, error) {
	return nil, l.answer(time.Since(l.began))
}

// A log that has lost its end is found out. One whose servers are behind for a while, or do not answer, is
// not broken.
func TestLostEndOfTheLog(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(time.Duration) error
		broken bool
	}{
		"lost": {func(time.Duration) error { return replog.ErrAbsent }, true},
		"behind": {func(passed time.Duration) error {
			if passed < 15*time.Second {
				return replog.ErrAbsent
			}
			return replog.ErrTrimmed
		}, false},
		"behind, now and then": {func(passed time.Duration) error {
			switch second := int(passed.Seconds()); {
			case second > 100:
				return replog.ErrTrimmed
			case second%15 == 0:
				return mem.ErrFault
			}
			return replog.ErrAbsent
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := replica{Replication: Replication{Log: lackingLog{nil, time.Now(), test.answer}}}
				err := r.compare(t.Context(), replog.NewChain(0, replog.Position{Generation: 1, Epoch: 1, Seq: 5}))
				if errors.Is(err, replog.ErrBroken) != test.broken || !test.broken && err != nil {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// A store that lacks records which the log does not have any more says so, and a store whose records are
// not those of the log is refused.
func TestReplicasThatDoNotFit(t *testing.T) {
	shared := mem.New()
	disk := vfs.NewMem()
	s := openReplica(t, disk, "store", shared.Client(), false)
	must(t, s.PutSetting("a", []byte("1")))
	at, _ := s.Applied()
	must(t, s.Trim(t.Context(), at.Seq)) // nothing is hardened yet
	must(t, errorOf(shared.Client().Get(t.Context(), 1)))
	must(t, errorOf(s.Harden()))
	must(t, s.Trim(t.Context(), at.Seq))
	late := openReplica(t, vfs.NewMem(), "late", shared.Client(), true)
	if err := late.Follow(t.Context(), nil); !errors.Is(err, replog.ErrTrimmed) {
		t.Errorf("got %v", err)
	}
	must(t, s.Close())
	alone := options(disk, "store")
	alone.Replication = nil
	wantRefusal(t, alone, "replica")
	other := onLog(disk, "store", shared.Client(), true)
	other.Replication.Generation = 2
	wantRefusal(t, other, "generation")
	o := options(vfs.NewMem(), "alone")
	o.Replication = nil
	lone, err := Open(o)
	must(t, err)
	must(t, lone.Close())
	wantRefusal(t, onLog(o.FS, "alone", mem.New().Client(), false), "not in the log")
}

// An owner that beats shows that it owns the log, and one that was replaced learns it.
func TestBeat(t *testing.T) {
	shared := mem.New()
	s := openReplica(t, vfs.NewMem(), "owner", shared.Client(), false)
	must(t, s.Beat())
	f := openReplica(t, vfs.NewMem(), "next", shared.Client(), true)
	follow(t, f, s)
	wantSame(t, "beaten", dump(t, f), dump(t, s))
	must(t, f.Own(t.Context()))
	wantUnavailable(t, s.Beat())
}

// While the log is nearly full, new work is refused, and what ends work or frees room is not.
func TestNoNewWorkForANearlyFullLog(t *testing.T) {
	s := openReplica(t, vfs.NewMem(), "owner", mem.New().Client(), false)
	for _, full := range []bool{false, true, false} {
		s.RefuseNewWork(full)
		for need, refused := range map[commit.Need]bool{commit.NewWork: full, commit.Outcome: false, commit.Relief: false} {
			err := s.commits.Write(need, func(b *pebble.Batch) error { return b.Set([]byte("key of a test"), nil, nil) })
			if refused {
				wantUnavailable(t, err)
			} else {
				must(t, err)
			}
		}
		must(t, s.Beat())
	}
}

// A log that has taken no records because it was full takes all that was under way when the owner has trimmed it.
func TestFullLogIsTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		l := mem.WithFaults(mem.New().Client(), func(op mem.Op) mem.Fault {
			switch {
			case op == mem.Trim:
				full.Store(false)
			case op == mem.Append && full.Load():
				return mem.Fault{Kind: mem.Lost}
			}
			return mem.Fault{}
		})
		s := openReplica(t, vfs.NewMem(), "owner", l, false)
		must(t, s.PutSetting("a", []byte("1")))
		seq, err := s.Harden()
		must(t, err)
		full.Store(true)
		written := make(chan error, 2)
		go func() { written <- s.PutSetting("b", []byte("2")) }()
		go func() { written <- s.Beat() }()
		time.Sleep(time.Minute)
		if len(written) > 0 {
			t.Error("a full log has taken a record")
		}
		must(t, errorOf(s.Harden()))
		must(t, s.Trim(t.Context(), seq))
		must(t, errors.Join(<-written, <-written))
	})
}

// Writes that a log does not answer end when they are abandoned, and none begins after that.
func TestAbandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var silent atomic.Bool
		l := mem.WithFaults(mem.New().Client(), func(mem.Op) mem.Fault {
			if silent.Load() {
				return mem.Fault{Kind: mem.Lost}
			}
			return mem.Fault{}
		})
		s := openReplica(t, vfs.NewMem(), "owner", l, false)
		must(t, s.Beat())
		silent.Store(true)
		beaten := make(chan error, 1)
		go func() { beaten <- s.Beat() }()
		time.Sleep(time.Minute)
		s.Abandon()
		wantUnavailable(t, <-beaten)
		silent.Store(false)
		wantUnavailable(t, s.PutSetting("a", nil))
	})
}
