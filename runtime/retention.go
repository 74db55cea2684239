package runtime

import "time"

// Defaults of how long executions are kept once they are done.
const (
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 1_000_000
)

// retentionPeriod is how often what is too old or too many is dropped.
const retentionPeriod = time.Minute

// unjumped gives a clock that goes no faster than time does from here on: when the
// time of day jumps ahead, nothing is to be taken for old.
func unjumped(now func() time.Time) func() time.Time {
	from, began := now(), time.Now()
	return func() time.Time {
		at, steady := now(), from.Add(time.Since(began))
		if steady.Before(at) {
			return steady
		}
		return at
	}
}

// expireAll drops executions, at once and from then on, until stop is closed.
func (e *Engine) expireAll(stop <-chan struct{}, now func() time.Time, age time.Duration, count int) {
	ticker := time.NewTicker(retentionPeriod)
	defer ticker.Stop()
	for {
		if err := e.store.Expire(now().UTC(), age, count); err != nil {
			e.log.Error("engine: old executions cannot be dropped", "error", err)
		}
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
	}
}
