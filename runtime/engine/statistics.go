package engine

import (
	"context"
	"errors"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// historyBatch is the number of runs of the history that are counted at once.
const historyBatch = 512

// errStopped ends the count of the history.
var errStopped = errors.New("the engine stops")

// GetStats returns the statistics of a tenant: of the runs that have ended, and the present queue.
func (e *Engine) GetStats(_ context.Context, tenant runtime.Tenant, q runtime.StatsQuery) (s runtime.Stats, err error) {
	err = e.read("engine.stats", func() error {
		load := e.background.Load(tenant)
		e.blocking.addLoad(tenant, load)
		s = e.stats.Query(tenant, q, load)
		s.Queue = e.queueOf(tenant)
		return nil
	})
	return s, err
}

// queueOf returns the present state of the runs of a tenant. Runs of one without a use are not counted.
func (e *Engine) queueOf(tenant runtime.Tenant) (q runtime.QueueStats) {
	if use := e.useOf(tenant); use != nil {
		u := use.Usage()
		q.Queued, q.Running = int(max(0, u.Queued)), int(max(0, u.Runs))
	}
	q.Memory, q.MemoryLimit = e.admission.Held(tenant), e.admission.Most(tenant)
	if oldest := e.background.Oldest(tenant); !oldest.IsZero() {
		q.Oldest = max(0, e.clock.Now().Sub(oldest))
	}
	return q
}

// Figures returns figures of the Engine for operators.
func (e *Engine) Figures() runtime.EngineFigures {
	b, a, c := e.background.Backlog(), e.admission.Figures(), e.deliveries.Figures()
	f := runtime.EngineFigures{
		Waiting: b.Waiting, Delayed: b.Delayed, Held: b.Held, Paused: b.Paused,
		Running: a.Running, WaitingRuns: a.Waiting, Parked: a.Parked, BlockedCallers: a.Blocked,
		Callbacks: c.Waiting, Delivered: c.Delivered, FailedPosts: c.Failed, DeadLetters: c.Dead,
		Followers: int(e.feeds.count.Load()),
	}
	p := e.background.PlaceFigures()
	f.Away, f.SentAway, f.Returned, f.LostAway, f.Adopted = b.Away, p.Sent, p.Unused, p.Lost, p.Adopted
	f.Lent = int(e.lent.running.Load())
	f.LendBytes, f.LendPlaces = e.Lendable()
	if !b.Oldest.IsZero() {
		f.Oldest = max(0, e.clock.Now().Sub(b.Oldest))
	}
	return f
}

// ForgetTenant drops the statistics of a tenant that was deleted.
func (e *Engine) ForgetTenant(tenant runtime.Tenant) { e.stats.Forget(tenant) }

// countHistory counts the runs that the store held when the Engine was made, until stop is closed. It
// closes the history.
func (e *Engine) countHistory(history runtime.EndedRuns, stop <-chan struct{}) {
	began := time.Now()
	counted := 0
	batch := make([]runtime.EndedRun, 0, historyBatch)
	flush := func() error {
		select {
		case <-stop:
			return errStopped
		default:
		}
		e.stats.Add(batch...)
		counted += len(batch)
		batch = batch[:0]
		return nil
	}
	err := history.Each(func(r runtime.EndedRun) error {
		if batch = append(batch, r); len(batch) == historyBatch {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	err = errors.Join(err, history.Close())
	if errors.Is(err, errStopped) || runtime.CodeOf(err) == runtime.CodeUnavailable { // the store is closed
		return
	}
	if err != nil {
		e.log.Error("engine: the runs of earlier processes cannot be counted; statistics begin with this process", "error", err)
		return
	}
	e.stats.Complete()
	e.log.Debug("engine: the runs of earlier processes are counted", "runs", counted, "took", time.Since(began).Round(time.Millisecond).String())
}
