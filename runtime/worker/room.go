package worker

import (
	"context"
	"errors"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// errRoom is the error of a worker that does with the memory of a run what no sandbox does.
var errRoom = errors.New("a run lends memory that it does not have, or takes back what it has not lent")

// onLend lends the memory of a run.
func (w *peer) onLend(payload []byte, parks bool) error {
	d := wire.Decode(payload)
	r, held := w.of(&d), d.Size()
	if err := d.Err(); err != nil || r == nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended:
		return nil
	case r.room == nil || r.memory != hasMemory:
		return errRoom
	}
	r.memory = lendsMemory
	if parks {
		r.room.Park(held)
	} else {
		r.room.Lend(held)
	}
	return nil
}

// onReclaim takes back the memory of a run, and returns when it has it.
func (w *peer) onReclaim(ctx context.Context, payload []byte) error {
	d := wire.Decode(payload)
	r, patience := w.of(&d), time.Duration(d.Size())
	if err := d.Err(); err != nil {
		w.conn.abort(err)
		return err
	}
	if r == nil {
		return errEnded
	}
	ctx, ok := r.beginReclaim(ctx)
	if !ok {
		w.conn.abort(errRoom)
		return errRoom
	}
	err := r.room.Reclaim(ctx, min(patience, r.timeout))
	r.endReclaim(err)
	return err
}

// beginReclaim begins to take back the memory, and reports whether the run may. The context ends with
// the run.
func (r *run) beginReclaim(ctx context.Context) (context.Context, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room == nil || r.memory != lendsMemory || r.ended {
		return nil, false
	}
	r.memory, r.waiting = reclaimsMemory, time.Now()
	ctx, r.cancel = context.WithCancel(ctx)
	return ctx, true
}

func (r *run) endReclaim(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel()
	r.stood += time.Since(r.waiting)
	r.waiting = time.Time{}
	if r.memory = hasMemory; err != nil {
		r.memory = lostMemory
	}
	r.settled.Broadcast()
}

// remoteRoom is the memory of a run in a worker, which the server keeps. It counts what the run has on the
// heap of the worker: less while it lends its memory.
type remoteRoom struct {
	conn *conn
	id   uint64 // of the run's call
	heap *memory.Account
	lent bool
}

var _ runtime.Room = (*remoteRoom)(nil)

// lentHeap is what a run that lends its memory does not have on the heap meanwhile, in bytes.
const lentHeap = runtime.RunOverhead - runtime.WaitingOverhead

// Lend implements [runtime.Room].
func (r *remoteRoom) Lend(held int64) { r.lend(kindLend, held) }

// Park implements [runtime.Room].
func (r *remoteRoom) Park(held int64) { r.lend(kindPark, held) }

func (r *remoteRoom) lend(k kind, held int64) {
	var b [24]byte
	r.conn.send(k, wire.AppendUint(wire.AppendUint(b[:0], r.id), uint64(held)))
	r.lent = true
	r.heap.Give(lentHeap)
}

// Reclaim implements [runtime.Room].
func (r *remoteRoom) Reclaim(ctx context.Context, patience time.Duration) error {
	r.end()
	var b [24]byte
	_, _, err := r.conn.call(ctx, kindReclaim, wire.AppendUint(wire.AppendUint(b[:0], r.id), uint64(max(patience, 0))))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// end counts the heap of a run that lends no memory any more.
func (r *remoteRoom) end() {
	if r.lent {
		r.lent = false
		r.heap.Add(lentHeap)
	}
}
