package cluster_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
)

// changes is a log with one change after the other: those that an owner has, and the last that it has acknowledged.
type changes struct {
	mu           sync.Mutex
	applied      uint64 // by the owner
	acknowledged uint64
	roll         *cluster.Roll // of the owner
}

func (c *changes) owner() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.applied
}

// change makes a change, and acknowledges it once no ready node lacks it.
func (c *changes) change(ctx context.Context) {
	c.mu.Lock()
	c.applied++
	seq, roll := c.applied, c.roll
	c.mu.Unlock()
	if roll.Wait(ctx, seq) != nil {
		return
	}
	c.mu.Lock()
	c.acknowledged = max(c.acknowledged, seq)
	c.mu.Unlock()
}

// reader is a node that follows, through a log and connections that are slow, or stand still.
type reader struct {
	name     string
	standing *cluster.Standing
	rng      *rand.Rand
	mu       sync.Mutex
	applied  uint64
}

// some is a time, mostly short, and sometimes longer than any bound of the roll.
func (r *reader) some() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rng.IntN(150) == 0 {
		return time.Duration(r.rng.Int64N(int64(2 * cluster.WaitTime)))
	}
	return time.Duration(r.rng.Int64N(int64(20 * time.Millisecond)))
}

func (r *reader) follow(ctx context.Context, c *changes) {
	for ctx.Err() == nil {
		time.Sleep(r.some())
		seq := c.owner()
		r.mu.Lock()
		r.applied = seq
		r.mu.Unlock()
		r.standing.Applied(seq)
	}
}

func (r *reader) report(ctx context.Context, c *changes) {
	for ctx.Err() == nil {
		sent, report := time.Now(), cluster.Report{Node: r.name, Seq: r.standing.Seq()}
		time.Sleep(r.some())
		c.mu.Lock()
		roll := c.roll
		c.mu.Unlock()
		granted := roll.Report(report, c.owner)
		time.Sleep(r.some())
		r.standing.Answered(sent, granted)
		select {
		case <-r.standing.Changed():
		case <-time.After(cluster.ReportTime):
		}
	}
}

// Whatever the log and the connections do, and when another owner follows, no ready node lacks a change that was
// acknowledged, nodes are ready when nothing is wrong, and no change waits for more than WaitTime.
func TestNoReadyNodeLacksAnAcknowledgedChange(t *testing.T) {
	ready, unready, acknowledged := 0, 0, uint64(0)
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			c := &changes{roll: cluster.NewRoll(true)}
			ctx, end := context.WithCancel(t.Context())
			var parts sync.WaitGroup
			var all []*reader
			for i := range 3 {
				r := &reader{name: string(rune('a' + i)), standing: cluster.NewStanding(), rng: rand.New(rand.NewPCG(seed, uint64(i)+10))}
				all = append(all, r)
				parts.Go(func() { r.follow(ctx, c) })
				parts.Go(func() { r.report(ctx, c) })
			}
			parts.Go(func() {
				for ctx.Err() == nil {
					began := time.Now()
					c.change(ctx)
					if took := time.Since(began); took > cluster.WaitTime {
						t.Errorf("seed %d: a change has waited for %v", seed, took)
					}
					time.Sleep(time.Duration(rng.Int64N(int64(100 * time.Millisecond))))
				}
			})
			for step := range 20_000 {
				time.Sleep(5 * time.Millisecond)
				if step == 10_000 { // another owner
					c.mu.Lock()
					c.roll = cluster.NewRoll(false)
					c.mu.Unlock()
				}
				for _, r := range all {
					c.mu.Lock()
					if !r.standing.Ready() {
						unready++
					} else {
						ready++
						r.mu.Lock()
						if r.applied < c.acknowledged {
							t.Errorf("seed %d: the ready node %s has %d of %d", seed, r.name, r.applied, c.acknowledged)
						}
						r.mu.Unlock()
					}
					c.mu.Unlock()
				}
			}
			end()
			parts.Wait()
			acknowledged += c.acknowledged
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("nodes were ready %d times and not %d times; %d changes were acknowledged", ready, unready, acknowledged)
	if ready < unready || unready == 0 || acknowledged < 500 {
		t.Error("the test shows nothing")
	}
}

// A node that has come to a halt is waited for, and no longer than WaitTime, whatever it goes on to report.
func TestRollDoesNotWaitForANodeThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		roll, s := cluster.NewRoll(true), cluster.NewStanding()
		applied := func() uint64 { return 7 }
		report := func(seq uint64) {
			sent := time.Now()
			s.Applied(seq)
			s.Answered(sent, roll.Report(cluster.Report{Node: "a", Seq: seq}, applied))
		}
		waits := func(seq uint64) time.Duration {
			began := time.Now()
			must(t, roll.Wait(t.Context(), seq))
			return time.Since(began)
		}
		if took := waits(8); took != 0 {
			t.Errorf("without nodes a change waits for %v", took)
		}
		report(6)
		report(6)
		if s.Ready() || s.Runs(true) || s.Runs(false) || waits(8) != 0 {
			t.Error("a node that lacks a record is ready")
		}
		report(7)
		if !s.Ready() || !s.Runs(true) {
			t.Error("a node that has all is not ready")
		}
		applied = func() uint64 { return 8 }
		if took := waits(7); took != 0 {
			t.Errorf("a change that the node has waits for %v", took)
		}
		go func() {
			for range 10 {
				time.Sleep(time.Second)
				report(7)
			}
		}()
		if took := waits(8); took < cluster.ReadyTime || took > cluster.WaitTime {
			t.Errorf("a change that the node lacks waits for %v", took)
		}
		if s.Ready() || s.Runs(true) {
			t.Error("a node that was given up is ready")
		}
		time.Sleep(time.Minute)
	})
}

// A node that is not ready any more runs functions as it knows them while no owner answers it, and for at most AloneTime.
func TestRunsOfNodesThatAreNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := cluster.NewStanding()
		want := func(what string, ready, known, unknown bool) {
			t.Helper()
			if s.Ready() != ready || s.Runs(true) != known || s.Runs(false) != unknown {
				t.Errorf("%s: ready %v, runs %v with an owner, %v without", what, s.Ready(), s.Runs(true), s.Runs(false))
			}
		}
		want("at first", false, false, false)
		s.Applied(5)
		s.Answered(time.Now(), cluster.Granted{Granted: true, Seq: 5})
		want("with the last state", true, true, true)
		s.Unanswered()
		want("without an answer", true, true, true)
		s.Answered(time.Now(), cluster.Granted{Seq: 6})
		time.Sleep(cluster.ReadyTime)
		want("when the owner says that it lacks something", false, false, true)
		s.Unanswered()
		want("when the owner is lost", false, true, true)
		time.Sleep(cluster.AloneTime)
		want("for long", false, false, false)
		s.Answered(time.Now(), cluster.Granted{Granted: true, Seq: 6})
		s.Applied(6)
		want("again with the last state", true, true, true)
	})
}
