package nats_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/faaspot/faaspot/runtime/cluster/key"
	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/nats"
)

var (
	soak     = flag.Bool("soak", false, "more random operations")
	killTime = flag.Duration("kill.time", 20*time.Second, "time for which servers are killed")
)

const (
	killEvery = 5 * time.Second
	downTime  = time.Second
	// longestTime bounds a test that has not shown anything yet.
	longestTime = 4 * time.Minute
	// tenure is the time for which an owner keeps the log before another takes it.
	tenure = 7 * time.Second
	// silence is the time between two batches of an owner that another wants to replace: as a process that
	// stands still does, it comes back and sends all the same.
	silence = time.Second
	// appendPause is the time between two batches of an owner otherwise.
	appendPause = 4 * time.Millisecond
	batchBytes  = 4000
)

// ledger has what was acknowledged.
type ledger struct {
	mu       sync.Mutex
	settled  map[uint64][sha256.Size]byte // of the records, by sequence
	last     time.Time                    // of the last acknowledgement
	longest  time.Duration                // between two acknowledgements
	claims   int
	fenced   int
	corrupt  error
	unknowns atomic.Int64
	wanted   atomic.Bool // another owner wants the log
}

// conclusive reports whether enough has happened for the test to show something.
func (l *ledger) conclusive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.settled) >= 100 && l.claims >= 2 && l.fenced > 0
}

// add records an acknowledgement.
func (l *ledger) add(at replog.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, there := l.settled[at.Seq]; there && before != at.Hash {
		l.corrupt = errors.Join(l.corrupt, fmt.Errorf("two records were acknowledged at %d", at.Seq))
	}
	l.settled[at.Seq] = at.Hash
	now := time.Now()
	if !l.last.IsZero() {
		l.longest = max(l.longest, now.Sub(l.last))
	}
	l.last = now
}

// counting is a log that counts appends whose outcome is not known.
type counting struct {
	replog.Log
	unknowns *atomic.Int64
}

func (c counting) Append(ctx context.Context, after uint64, record []byte) func() error {
	wait := c.Log.Append(ctx, after, record)
	return func() error {
		err := wait()
		if err != nil && !errors.Is(err, replog.ErrConflict) {
			c.unknowns.Add(1)
		}
		return err
	}
}

var errEnd = errors.New("the end was reached")

// catchUp reads a log up to its present end.
func catchUp(ctx context.Context, l replog.Log, chain *replog.Chain) error {
	for {
		end, err := l.End(ctx)
		if err == nil && end > chain.At().Seq {
			err = l.Read(ctx, chain.At().Seq, func(seq uint64, record []byte) error {
				if _, err := chain.Next(seq, record); err != nil {
					return err
				}
				if seq >= end {
					return errEnd
				}
				return nil
			})
		}
		switch {
		case err == nil, errors.Is(err, errEnd):
			return nil
		case ctx.Err() != nil, errors.Is(err, replog.ErrBroken), errors.Is(err, replog.ErrTrimmed):
			return err
		}
	}
}

// own takes a log whenever it gets the token, and appends to it until another has taken it.
func own(ctx, stop context.Context, l replog.Log, name string, token <-chan struct{}, acked *ledger) error {
	l = counting{l, &acked.unknowns}
	chain := replog.NewChain(0, replog.Position{Generation: 1})
	for {
		select {
		case <-stop.Done():
			return nil
		case <-token:
		}
		var w *replog.Writer
		for {
			if err := catchUp(ctx, l, chain); err != nil {
				return fmt.Errorf("read before the takeover: %w", err)
			}
			w = replog.NewWriter(l, chain, replog.MaxInFlight)
			_, err := w.Claim(ctx, name) // a stray may have its place; the chain has the rest
			if err == nil {
				acked.mu.Lock()
				acked.claims++
				acked.mu.Unlock()
				acked.wanted.Store(false)
				break
			}
			if !errors.Is(err, replog.ErrFenced) {
				return fmt.Errorf("take the log: %w", err)
			}
		}
		if err := write(ctx, stop, w, acked); err != nil {
			return err
		}
	}
}

// write appends until another owner has the log, or stop ends.
func write(ctx, stop context.Context, w *replog.Writer, acked *ledger) error {
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan replog.Append, replog.MaxInFlight)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(queue)
	failed := make(chan error, 1)
	wg.Go(func() {
		for a := range queue {
			err := w.Settle(ctx, a)
			if err == nil {
				acked.add(a.At)
				continue
			}
			if errors.Is(err, replog.ErrFenced) {
				err = nil
				acked.mu.Lock()
				acked.fenced++
				acked.mu.Unlock()
			}
			failed <- err
			cancel()
			for range queue { // nothing behind it is there
			}
			return
		}
	})
	batch := make([]byte, batchBytes)
	for stop.Err() == nil {
		if _, err := rand.Read(batch); err != nil {
			return err
		}
		if w.SendBatch(sending, batch, func(a replog.Append) { queue <- a }) != nil {
			break
		}
		pause := appendPause
		if acked.wanted.Load() {
			pause = silence
		}
		select {
		case err := <-failed:
			return err
		case <-time.After(pause):
		}
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// TestNothingIsLostToKills kills servers while owners take a log from each other. What was acknowledged
// is there, in one chain, whichever server leads the stream.
func TestNothingIsLostToKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take time")
	}
	var servers []*process
	var addresses []string
	for _, o := range configurations(t, 3, key.Key{}) {
		servers = append(servers, startProcess(t, o))
		addresses = append(addresses, o.Listen)
	}
	o := options(addresses)
	o.MaxBytes = 8 << 30
	ctx, cancel := context.WithTimeout(t.Context(), *killTime+10*time.Minute)
	defer cancel()
	stop, end := context.WithCancel(ctx)
	defer end()
	acked := &ledger{settled: map[uint64][sha256.Size]byte{}}
	token := make(chan struct{}, 1)
	token <- struct{}{}
	errs := make(chan error, 3)
	for i := range 3 {
		l := open(t, o)
		defer l.Close()
		go func() { errs <- own(ctx, stop, l, fmt.Sprint("owner ", i), token, acked) }()
	}
	go func() {
		ticker := time.NewTicker(tenure)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				select {
				case token <- struct{}{}:
					acked.wanted.Store(true)
				default:
				}
			case <-stop.Done():
				return
			}
		}
	}()
	kills := 0
	for began := time.Now(); time.Since(began) < *killTime || !acked.conclusive() && time.Since(began) < longestTime; {
		time.Sleep(killEvery)
		victim := servers[mathrand.IntN(len(servers))]
		victim.kill()
		kills++
		time.Sleep(downTime)
		victim.start(t)
	}
	end()
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if acked.corrupt != nil {
		t.Error(acked.corrupt)
	}
	t.Logf("%d kills, %d records acknowledged, %d takeovers, %d owners fenced, %d outcomes unknown, longest pause %v",
		kills, len(acked.settled), acked.claims, acked.fenced, acked.unknowns.Load(), acked.longest.Round(time.Millisecond))
	if !acked.conclusive() {
		t.Error("too little has happened: the test shows nothing")
	}
	for _, server := range servers {
		lead(t, ctx, o, server.o.Name)
		verify(t, ctx, o, server.o.Name, acked)
	}
}

// lead makes a server the leader of a stream.
func lead(t *testing.T, ctx context.Context, o nats.Options, server string) {
	t.Helper()
	conn, js := jetStream(t, o.Servers[0], natsgo.MaxReconnects(-1), natsgo.RetryOnFailedConnect(true))
	name := fmt.Sprintf("FAS_%s_%d_%d", o.Cluster, o.Shard, o.Generation)
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, 2*time.Second)
		s, err := js.Stream(limited, name)
		cancel()
		if err == nil && s.CachedInfo().Cluster.Leader == server {
			return
		}
		_, _ = conn.Request("$JS.API.STREAM.LEADER.STEPDOWN."+name, []byte(`{"placement":{"preferred":"`+server+`"}}`), 2*time.Second)
		time.Sleep(300 * time.Millisecond)
	}
	t.Fatalf("the server %s does not become the leader", server)
}

// verify reads a log, and compares it with what was acknowledged.
func verify(t *testing.T, ctx context.Context, o nats.Options, leader string, acked *ledger) {
	t.Helper()
	l := open(t, o)
	defer l.Close()
	chain := replog.NewChain(0, replog.Position{Generation: 1})
	end, err := l.End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var differ []uint64
	err = l.Read(ctx, 0, func(seq uint64, record []byte) error {
		if _, err := chain.Next(seq, record); err != nil {
			return err
		}
		if hash, there := acked.settled[seq]; there && hash != sha256.Sum256(record) {
			differ = append(differ, seq)
		}
		if seq >= end {
			return errEnd
		}
		return nil
	})
	if !errors.Is(err, errEnd) {
		t.Errorf("with %s as leader: %v", leader, err)
	}
	lost := 0
	for seq := range acked.settled {
		if seq > end {
			lost++
		}
	}
	t.Logf("with %s as leader: %d records, lost %d, different %d", leader, end, lost, len(differ))
	if lost > 0 || len(differ) > 0 {
		t.Errorf("with %s as leader, %d acknowledged records are lost and those at %v differ", leader, lost, differ)
	}
}
