package web

import (
	"context"
	goruntime "runtime"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/turns"
)

// turnPatience is how long a request waits for its turn.
const turnPatience = 10 * time.Second

// newTurns returns turns that leave half of the processors to other work.
func newTurns() *turns.Turns { return turns.New(max(1, goruntime.GOMAXPROCS(0)/2)) }

// Turn waits until it is the turn of a request to read and render much. The requests of a tenant do so one after
// the other, and tenants take turns, so that many requests of one do not delay all others. The caller must call
// give before it waits for memory or the client. The error is CodeTooBusy.
func (h *Host) Turn(tenant runtime.Tenant) (give func(), err error) {
	ctx, cancel := context.WithTimeout(h.Context(), turnPatience)
	defer cancel()
	if h.turns.Take(ctx, tenant) {
		return func() { h.turns.Give(tenant) }, nil
	}
	if err := h.Context().Err(); err != nil {
		return nil, runtime.AbandonedError(err)
	}
	busy := runtime.Errorf(runtime.CodeTooBusy, "too many requests of this workspace read large results or logs").WithHint("try again in a moment, with fewer requests at once")
	busy.RetryAfter = runtime.BusyRetry
	return nil, busy
}
