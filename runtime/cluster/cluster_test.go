package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/storage/replog"
)

var (
	seeds = flag.Uint64("cluster.seeds", 200, "number of random schedules of faults")
	first = flag.Uint64("cluster.first", 1, "first of them")
)

const (
	// faultTime is the time for which things go wrong, and settleTime that within which the cluster works
	// again after that.
	faultTime  = 60 * time.Second
	settleTime = 60 * time.Second
	pace       = 100 * time.Millisecond // of clients
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// owner returns the host that can answer for the shard, nil if there is none.
func (w *world) owner() *host {
	for _, h := range w.nodes {
		if p, s := h.serving(); s != nil && p.node.Current() == nil {
			return h
		}
	}
	return nil
}

// await waits until there is an owner.
func (w *world) await(t *testing.T, limit time.Duration) *host {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(pace) {
		if h := w.owner(); h != nil {
			return h
		}
	}
	t.Fatalf("seed %d: there is no owner after %v", w.seed, limit)
	return nil
}

// load lets clients write and read through all nodes until ctx ends.
func (w *world) load(ctx context.Context, l *ledger) {
	for ctx.Err() == nil {
		for _, h := range w.nodes {
			go l.write(h)
			go l.read(h)
		}
		time.Sleep(pace)
	}
}

// trouble lets things go wrong.
func (w *world) trouble(rng *rand.Rand) {
	for end := time.Now().Add(faultTime); time.Now().Before(end); {
		h := w.nodes[rng.IntN(len(w.nodes))]
		if owner := w.owner(); owner != nil && rng.IntN(2) == 0 {
			h = owner
		}
		length := time.Duration(rng.Int64N(int64(12 * time.Second)))
		if rng.IntN(4) == 0 {
			length = time.Duration(rng.Int64N(int64(time.Second)))
		}
		switch rng.IntN(6) {
		case 0, 1:
			h.pause()
			time.Sleep(length)
			h.resume()
		case 2:
			h.crash(rng)
			time.Sleep(length)
			h.start()
		case 3:
			h.cut(true, false)
			time.Sleep(length)
			h.cut(false, false)
		case 4:
			h.cut(false, true)
			time.Sleep(length)
			h.cut(false, false)
		case 5:
			h.cut(true, true)
			time.Sleep(length)
			h.cut(false, false)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(4 * time.Second))))
	}
}

// history reads the log, and returns the owners of the epochs, in order.
func (w *world) history(t *testing.T) (owners []string) {
	t.Helper()
	l := w.log.Client()
	chain := replog.NewChain(0, replog.Position{Generation: 1})
	end, err := l.End(t.Context())
	must(t, err)
	for seq := uint64(1); seq <= end; seq++ {
		bytes, err := l.Get(t.Context(), seq)
		must(t, err)
		r, err := chain.Next(seq, bytes)
		must(t, err) // each record that counts is of the owner of its epoch
		if r.Owner != "" {
			owners = append(owners, r.Owner)
		}
	}
	return owners
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// end stops all nodes, and checks what they have.
func (w *world) end(t *testing.T, l *ledger) {
	t.Helper()
	for _, h := range w.nodes {
		p := h.process()
		p.stop()
		<-p.done
		if p.err != nil {
			t.Errorf("seed %d: the node %s: %v", w.seed, h.name, p.err)
		}
	}
	time.Sleep(time.Minute) // processes that were killed end, too
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range w.nodes {
		r := newReplica(&process{h: h, log: w.log.Client()}, h.disk)
		end, err := r.log.End(t.Context())
		must(t, err)
		following, stop := context.WithCancel(t.Context())
		if r.disk.at().Seq < end {
			err = r.Follow(following, func(r cluster.Record) {
				if r.Seq >= end {
					stop()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		lost := 0
		for _, n := range l.acked {
			if !r.disk.has(n) {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("seed %d: the node %s lacks %d of %d records that were acknowledged", w.seed, h.name, lost, len(l.acked))
		}
		stop()
	}
	for _, wrong := range l.wrong {
		t.Errorf("seed %d: %s", w.seed, wrong)
	}
}

// Whatever goes wrong, no acknowledged record is lost, no owner answers with less than was acknowledged, and
// afterwards there is an owner.
func TestFaults(t *testing.T) {
	var reads, refused, acked, epochs int
	if testing.Short() {
		*seeds = min(*seeds, 20)
	}
	for seed := *first; seed < *first+*seeds; seed++ {
		synctest.Test(t, func(t *testing.T) {
			w, l, rng := newWorld(seed, 3), &ledger{}, rand.New(rand.NewPCG(seed, 1))
			for _, h := range w.nodes {
				h.start()
			}
			loading, done := context.WithCancel(t.Context())
			go w.load(loading, l)
			w.trouble(rng)
			w.await(t, settleTime)
			before := l.last.Load()
			time.Sleep(5 * time.Second)
			if l.last.Load() == before {
				t.Errorf("seed %d: the owner takes no writes", seed)
			}
			done()
			time.Sleep(time.Minute) // requests end
			w.end(t, l)
			l.mu.Lock()
			defer l.mu.Unlock()
			reads, refused, acked, epochs = reads+int(l.reads.Load()), refused+int(l.refused.Load()), acked+len(l.acked), epochs+len(w.history(t))
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	what := fmt.Sprintf("%d seeds: %d records acknowledged, %d reads answered and %d refused, %d epochs", *seeds, acked, reads, refused, epochs)
	t.Log(what)
	if n := int(*seeds); reads < 100*n || acked < 100*n || refused == 0 || epochs < 2*n {
		t.Error("too little has happened: the test shows nothing; " + what)
	}
}

// scene runs nodes until there is an owner, and then test. It checks what they have at the end.
func scene(t *testing.T, test func(t *testing.T, w *world, owner *host, l *ledger)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(0, 3), &ledger{}
		for _, h := range w.nodes {
			h.start()
		}
		loading, done := context.WithCancel(t.Context())
		go w.load(loading, l)
		test(t, w, w.await(t, settleTime), l)
		for _, h := range w.nodes {
			h.cut(false, false)
			h.resume()
		}
		w.await(t, settleTime)
		done()
		time.Sleep(time.Minute)
		w.end(t, l)
	})
}

// takeover returns how long it takes until another host than one is the owner; limit if none becomes it.
func (w *world) takeover(from *host, limit time.Duration) time.Duration {
	began := time.Now()
	for time.Since(began) < limit {
		if h := w.owner(); h != nil && h != from {
			return time.Since(began)
		}
		time.Sleep(pace)
	}
	return limit
}

// An owner that stands still and returns is fenced: its writes fail, and it follows.
func TestOwnerThatReturnsFollows(t *testing.T) {
	scene(t, func(t *testing.T, w *world, owner *host, _ *ledger) {
		p, store := owner.serving()
		owner.pause()
		if took := w.takeover(owner, time.Minute); took < cluster.SilenceTime-cluster.BeatTime-pace || took > cluster.SilenceTime+5*time.Second {
			t.Errorf("another node was the owner after %v", took)
		}
		owner.resume()
		if err := store.put(1 << 40); err == nil {
			t.Error("the former owner has written")
		}
		if p.node.Current() == nil {
			t.Error("the former owner answers for the shard")
		}
		time.Sleep(10 * time.Second)
		epoch := w.owner().process().node.Status().Epoch
		if s := p.node.Status(); s.Owns || s.Epoch != epoch {
			t.Errorf("the former owner says %+v; the epoch is %d", s, epoch)
		}
	})
}

// What is not the loss of the owner moves nothing.
func TestOwnerStays(t *testing.T) {
	for name, trouble := range map[string]func(w *world, owner *host){
		"nobody reaches the log": func(w *world, _ *host) {
			for _, h := range w.nodes {
				h.cut(true, false)
			}
			time.Sleep(time.Minute)
			for _, h := range w.nodes {
				h.cut(false, false)
			}
		},
		"the owner does not reach the log for some seconds, and answers": func(_ *world, owner *host) {
			owner.cut(true, false)
			time.Sleep(cluster.StuckTime - 2*time.Second)
			owner.cut(false, false)
		},
		"the nodes do not reach each other": func(w *world, _ *host) {
			for _, h := range w.nodes {
				h.cut(false, true)
			}
			time.Sleep(time.Minute)
		},
		"a follower does not reach the log and the owner": func(w *world, owner *host) {
			for _, h := range w.nodes {
				if h != owner {
					h.cut(true, true)
					break
				}
			}
			time.Sleep(time.Minute)
		},
		"the followers stand still": func(w *world, owner *host) {
			for _, h := range w.nodes {
				if h != owner {
					h.pause()
				}
			}
			time.Sleep(time.Minute)
			for _, h := range w.nodes {
				h.resume()
			}
			time.Sleep(10 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T, w *world, owner *host, _ *ledger) {
				before := len(w.history(t))
				trouble(w, owner)
				time.Sleep(5 * time.Second)
				if now := w.await(t, settleTime); now != owner || len(w.history(t)) != before {
					t.Errorf("%s is the owner instead of %s, epochs: %v", now.name, owner.name, w.history(t))
				}
			})
		})
	}
}

// The shard moves when it must: in time, and not earlier than the lease of the owner allows.
func TestOwnerIsReplaced(t *testing.T) {
	for name, test := range map[string]struct {
		trouble    func(owner *host)
		after, til time.Duration
	}{
		"it is killed":                         {func(owner *host) { owner.crash(rand.New(rand.NewPCG(1, 1))) }, cluster.LeaseTime - cluster.BeatTime, 7 * time.Second},
		"its machine is cut off":               {func(owner *host) { owner.cut(true, true) }, cluster.LeaseTime - cluster.BeatTime, 9 * time.Second},
		"it does not reach the log for longer": {func(owner *host) { owner.cut(true, false) }, cluster.StuckTime, cluster.StuckTime + 5*time.Second},
		"it stops": {func(owner *host) {
			p := owner.process()
			p.stop()
			<-p.done
		}, 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			scene(t, func(t *testing.T, w *world, owner *host, _ *ledger) {
				time.Sleep(3 * time.Second) // the others have heard who is who
				test.trouble(owner)
				took := w.takeover(owner, time.Minute)
				t.Log(took)
				if took < test.after || took > test.til {
					t.Errorf("another node was the owner after %v, want %v to %v", took, test.after, test.til)
				}
				if p := owner.process(); p == nil || p.serving.Err() != nil {
					owner.start()
				}
			})
		})
	}
}

// An owner that is started again need not be waited for until it is silent: it says that it does not own the shard.
func TestOwnerThatRestartsIsReplacedAtOnce(t *testing.T) {
	scene(t, func(t *testing.T, w *world, owner *host, _ *ledger) {
		time.Sleep(3 * time.Second)
		owner.crash(rand.New(rand.NewPCG(2, 1)))
		owner.start()
		began := time.Now()
		w.await(t, time.Minute)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("there was an owner after %v", took)
		}
	})
}

// slow is a replica whose beats take time.
type slow struct {
	cluster.Replica
	takes time.Duration
}

func (s slow) Beat() error {
	time.Sleep(s.takes)
	return nil
}

func (slow) Own(context.Context, uint64) error { return nil }

func (slow) Follow(ctx context.Context, _ func(cluster.Record)) error {
	<-ctx.Done()
	return ctx.Err()
}

func (slow) End(context.Context) (uint64, error) { return 0, nil }

func (slow) Applied() (epoch, seq uint64) { return 0, 0 }

func (slow) Problem() error { return nil }

// An owner may answer for a time that begins when a record was sent, not when it was acknowledged.
func TestLeaseBeginsWhenARecordIsSent(t *testing.T) {
	for takes, want := range map[time.Duration]bool{cluster.LeaseTime - time.Millisecond: true, cluster.LeaseTime + time.Millisecond: false} {
		synctest.Test(t, func(t *testing.T) {
			n := cluster.New(cluster.Options{Name: "a", Log: quiet})
			ctx, end := context.WithCancel(t.Context())
			must(t, n.Follow(ctx, slow{takes: takes}))
			held := make(chan error)
			go func() { held <- n.Hold(ctx, slow{takes: takes}) }()
			time.Sleep(takes)
			synctest.Wait()
			if got := n.Current() == nil; got != want {
				t.Errorf("after a beat of %v, the owner answers: %t", takes, got)
			}
			end()
			<-held
		})
	}
}

// held is the life of an owner whose log does not answer, and whose replica is still in use when it shall be closed.
type held struct {
	slow
	answered chan struct{}
}

func (h held) Beat() error {
	<-h.answered
	return nil
}

func (held) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (held) Close() error { return fmt.Errorf("a run did not end: %w", cluster.ErrInUse) }

// A node whose runs do not end stops with an error, whatever the log does, and does not say that it has given the shard
// up.
func TestNodeThatCannotCloseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := cluster.New(cluster.Options{Name: "a", Log: quiet, Bus: bus{}})
		h := held{answered: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		lived := make(chan error, 1)
		go func() { lived <- n.Live(ctx, func() (cluster.Life, error) { return h, nil }) }()
		time.Sleep(time.Minute)
		stop()
		synctest.Wait()
		select {
		case err := <-lived:
			if !errors.Is(err, cluster.ErrInUse) {
				t.Errorf("got %v", err)
			}
		default:
			t.Error("the node waits for a log that does not answer")
		}
		if s := n.Status(); !s.Owns || s.Released > 0 {
			t.Errorf("the node says %+v", s)
		}
		close(h.answered)
	})
}

// A node that lacks records which the log does not have any more begins its next life with a copy, follows from there,
// and can become the owner.
func TestNodeThatIsBehindGetsACopy(t *testing.T) {
	scene(t, func(t *testing.T, w *world, owner *host, l *ledger) {
		late := w.nodes[0]
		if late == owner {
			late = w.nodes[1]
		}
		late.crash(rand.New(rand.NewPCG(3, 1)))
		late.disk = new(disk)
		time.Sleep(10 * time.Second)
		must(t, w.log.Client().Trim(t.Context(), owner.disk.at().Seq))
		first := l.last.Load()
		late.start()
		time.Sleep(10 * time.Second)
		synctest.Wait() // it has another disk now
		if !late.disk.has(first) || late.disk.at().Seq+5 < owner.disk.at().Seq {
			t.Errorf("the node is at %d, the owner at %d", late.disk.at().Seq, owner.disk.at().Seq)
		}
		for _, h := range w.nodes {
			if h != late {
				h.cut(true, true)
			}
		}
		if w.takeover(owner, time.Minute); w.owner() != late {
			t.Error("the node does not become the owner")
		}
	})
}

// A node that stops while it waits for a copy stops without an error.
func TestNodeThatWaitsForACopyStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := cluster.New(cluster.Options{Name: "a", Log: quiet, Bus: bus{}})
		ctx, stop := context.WithCancel(t.Context())
		lived := make(chan error, 1)
		go func() {
			lived <- n.Live(ctx, func() (cluster.Life, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
		}()
		time.Sleep(time.Minute)
		stop()
		must(t, <-lived)
	})
}

// A drained owner hands over at once, to the node that was chosen, and stays a follower until it may own again. While no
// other node is there, it owns the shard all the same.
func TestDrainedOwner(t *testing.T) {
	scene(t, func(t *testing.T, w *world, owner *host, _ *ledger) {
		time.Sleep(3 * time.Second) // the others have heard who is who
		var others []*host
		for _, h := range w.nodes {
			if h != owner {
				others = append(others, h)
			}
		}
		drained := owner.process().node
		if err := drained.Drain("nobody"); err == nil {
			t.Error("the owner hands over to a node that is not there")
		}
		last := others[len(others)-1] // which would not be the first by its name
		must(t, drained.Drain(last.name))
		if took := w.takeover(owner, time.Minute); took > time.Second || w.owner() != last {
			t.Errorf("after %v, the owner is not the node that was chosen", took)
		}
		// All others are lost, one after the other.
		last.crash(rand.New(rand.NewPCG(4, 1)))
		w.takeover(last, time.Minute)
		if now := w.owner(); now != others[0] {
			t.Error("a drained node is the owner while another one is there")
		}
		others[0].crash(rand.New(rand.NewPCG(5, 1)))
		if w.takeover(others[0], time.Minute); w.owner() != owner {
			t.Error("the last node does not own the shard")
		}
		if err := drained.Drain(""); err == nil {
			t.Error("the last node is drained")
		}
		drained.Undrain()
		last.start()
		others[0].start()
	})
}

// A drained node owns the shard again if the others follow, and cannot own it.
func TestDrainedOwnerOfUnfitNodes(t *testing.T) {
	scene(t, func(t *testing.T, w *world, owner *host, _ *ledger) {
		time.Sleep(3 * time.Second) // the others have heard who is who
		for _, h := range w.nodes {
			h.unfit.Store(h != owner)
		}
		must(t, owner.process().node.Drain(""))
		time.Sleep(5 * time.Second)
		if w.owner() != nil {
			t.Error("the shard has an owner while the drained node steps back")
		}
		if now := w.await(t, time.Minute); now != owner {
			t.Error("a node owns the shard that cannot")
		}
		time.Sleep(time.Minute)
		if w.owner() != owner {
			t.Error("the drained node gives up the shard again")
		}
		for _, h := range w.nodes {
			h.unfit.Store(false)
		}
	})
}

// An owner that answers requests says so, also if it does before its first beat.
func TestOwnerThatServesAtOnce(t *testing.T) {
	n := cluster.New(cluster.Options{Name: "a", Address: "a", Bus: make(queue, 16), Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	must(t, n.Follow(ctx, slow{}))
	n.Serves()
	stop()
	if err := n.Hold(ctx, slow{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if s := n.Status(); !s.Owns || !s.Ready {
		t.Errorf("the owner says %+v", s)
	}
}

// queue is a bus with one subscriber.
type queue chan []byte

func (q queue) Publish(message []byte) error {
	q <- message
	return nil
}

func (q queue) Subscribe(ctx context.Context, each func([]byte)) error {
	for {
		select {
		case message := <-q:
			each(message)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A node hears nothing of those that use another generation of the log.
func TestOtherGenerationsAreNotHeard(t *testing.T) {
	b := make(queue, 16)
	n := cluster.New(cluster.Options{Name: "a", Address: "a", Bus: b, Generation: 2, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { n.Run(ctx); close(ran) }()
	defer func() { stop(); <-ran }()
	for _, generation := range []uint64{1, 3, 2} {
		text, err := json.Marshal(cluster.Status{Node: fmt.Sprint("node-", generation), Generation: generation, Owns: true, Epoch: 10 - generation, Applied: 1})
		must(t, err)
		must(t, b.Publish(text))
	}
	for len(n.Members()) == 0 {
		runtime.Gosched()
	}
	if all := n.Members(); len(all) != 1 || all[0].Node != "node-2" {
		t.Errorf("the members are %+v", all)
	}
	if owner, ok := n.Owner(); !ok || owner.Node != "node-2" {
		t.Errorf("the owner is %+v", owner)
	}
}
