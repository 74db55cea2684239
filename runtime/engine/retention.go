package engine

import (
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Defaults of how long, and how many, executions that are done are stored.
const (
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 1_000_000
	// DefaultRetentionMinAge is how long an execution that has ended is stored whatever else is:
	// clients that poll, callbacks and their retries find it. It is short, so that results at the
	// rate at which a disk takes them do not fill it.
	DefaultRetentionMinAge = time.Minute
)

// retentionPeriod is the time between two drops of old executions. A function can write some
// hundred megabytes meanwhile.
const retentionPeriod = 10 * time.Second

// setExpiry sets when an execution of a job that is done expires at the latest.
func (e *Engine) setExpiry(x *runtime.JobExecution) {
	if x.State.Terminal() {
		x.Expires = x.Finished.Add(e.retain.Age)
	}
}

// expireAll drops old executions, at once and then every retentionPeriod, until stop is closed.
// start is the time of day now. If the clock jumps ahead of start plus the time that has passed
// since, no execution becomes old, but what is too much is dropped all the same: it would fill the
// disk.
func (e *Engine) expireAll(stop <-chan struct{}, start time.Time, r runtime.Retention) {
	began, now := time.Now(), start
	ticker := time.NewTicker(retentionPeriod)
	defer ticker.Stop()
	for {
		if err := e.store.Expire(now.UTC(), r); err != nil {
			e.log.Error("engine: old executions cannot be dropped", "error", err)
		}
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
		now = e.clock.Now()
		r.Ahead = max(0, now.Round(0).Sub(start.Round(0).Add(time.Since(began))))
	}
}
