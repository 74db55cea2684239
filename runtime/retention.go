package runtime

import "time"

// Defaults of how long executions are kept once they are done.
const (
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 1_000_000
)

// retentionPeriod is how often what is too old or too many is dropped.
const retentionPeriod = time.Minute

// expireAll drops executions until stop is closed.
func (e *Engine) expireAll(stop <-chan struct{}, age time.Duration, count int) {
	ticker := time.NewTicker(retentionPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
		if err := e.store.Expire(e.now().UTC(), age, count); err != nil {
			e.log.Error("engine: old executions cannot be dropped", "error", err)
		}
	}
}
