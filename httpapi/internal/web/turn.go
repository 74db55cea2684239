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
func newTurns() *turns.Turns { return turns.NewLending(max(1, goruntime.GOMAXPROCS(0)/2)) }

// InTurn calls do when it is the turn of a request, and it has the memory for an answer of n bytes. A request holds no
// turn while it waits for memory, and no memory for this answer while it waits for its turn, unless there was too
// little memory when its turn had come. The error is that of do, or CodeTooBusy.
func (h *Host) InTurn(tenant runtime.Tenant, m *Memory, n int64, do func() error) error {
	ready := false
	turn := func() error {
		give, err := h.Turn(tenant)
		if err != nil {
			return err
		}
		defer give()
		if ready = m.tryReserve(n); !ready {
			return nil
		}
		return do()
	}
	if err := turn(); ready || err != nil {
		return err
	}
	if err := m.Reserve(h.Context(), n); err != nil {
		return err
	}
	return turn()
}

// Turn waits until it is the turn of a request to read and render much. The requests of a tenant do so one after
// the other, or a few at once while others leave places free, and tenants take turns, so that many requests of one do
// not delay all others. The caller must call give, also if it panics, and before it waits for memory or the client.
// The error is CodeTooBusy.
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
