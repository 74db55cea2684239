package engine

import (
	"github.com/faaspot/faaspot/runtime"
)

// startNow reserves memory for a run in the background that is to start at once,
// until release is called: then the run shall be next in the queue. It fails if
// others wait, or there is no memory. So of several who come at the same time no
// more are let in than there is room for.
func (e *Engine) startNow(bytes int64) (release func(), err error) {
	if ahead, idle := e.background.idle(); idle && e.admission.takeNow(bytes, ahead) {
		return func() { e.admission.release(bytes) }, nil
	}
	busy := runtime.Errorf(runtime.CodeTooBusy, "the execution cannot start now: other runs wait, or use the memory").
		WithHint("try again in a moment, or allow it to be queued")
	busy.RetryAfter = runtime.BusyRetry
	return nil, busy
}
