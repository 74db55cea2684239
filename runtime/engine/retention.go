package engine

import "time"

// Defaults of how long executions are kept once they are done.
const (
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 1_000_000
)

// retentionPeriod is how often what is too old or too many is dropped.
const retentionPeriod = time.Minute

// expireAll drops executions, at once and from then on, until stop is closed. It
// is from as it begins. Later it is no later than the time that has passed since
// then says: when the time of day jumps ahead, nothing is to be taken for old.
func (e *Engine) expireAll(stop <-chan struct{}, from time.Time, age time.Duration, count int) {
	began, now := time.Now(), from
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
		now = e.now()
		if steady := from.Add(time.Since(began)); steady.Before(now) {
			now = steady
		}
	}
}
