package engine

import "time"

// Defaults of how long, and how many, executions that are done are stored.
const (
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 1_000_000
)

// retentionPeriod is the time between two drops of old executions.
const retentionPeriod = time.Minute

// expireAll drops old executions, at once and then every retentionPeriod, until stop is closed.
// start is the time of day now. The time of day that it compares with never runs ahead of start
// plus the time that has passed since: if the clock jumps ahead, no execution becomes old.
func (e *Engine) expireAll(stop <-chan struct{}, start time.Time, age time.Duration, count int) {
	began, now := time.Now(), start
	ticker := time.NewTicker(retentionPeriod)
	defer ticker.Stop()
	for {
		if err := e.store.Expire(now.UTC(), age, count); err != nil {
			e.log.Error("engine: old executions cannot be dropped", "error", err)
		}
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
		now = e.clock.Now()
		if steady := start.Add(time.Since(began)); steady.Before(now) {
			now = steady
		}
	}
}
