package engine

import (
	"context"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// GetLogs gives what the latest attempt of an execution has written so far, from a
// position on. If that is of another attempt, or is zero, the page begins where
// the latest one does. A position behind the end gives an empty page. While an
// execution waits for its next attempt, its logs are those of the one before.
//
// Errors: CodeNotFound, CodeUnavailable, CodeInternal.
func (e *Engine) GetLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (p runtime.LogPage, err error) {
	err = e.look("engine.logs", func() error {
		p, _, err = e.logsFrom(tenant, strings.ToLower(id), from)
		return err
	})
	return p, err
}

// FollowLogs gives what Logs does as soon as there is something to tell: more
// behind the position, another attempt, or the end of the execution. When ctx
// ends before, or the server begins to shut down, the page is empty, without an
// error.
//
// Whoever asks for Next again and again, and is back before an execution that is
// tried again begins anew, is told every byte of every attempt once; of the last
// attempt always. In the end that is what is kept.
func (e *Engine) FollowLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, error) {
	const op = "engine.followlogs"
	if err := e.enter(); err != nil {
		return runtime.LogPage{}, err
	}
	defer e.gate.leave()
	e.records.settle()
	id = strings.ToLower(id)
	for waiting := true; ; {
		turn, leave := e.attempts.Wait(id)
		p, written, err := e.logsFrom(tenant, id, from)
		if err != nil || len(p.Logs.Data) > 0 || p.Attempt != from.Attempt || p.State.Terminal() || !waiting {
			leave()
			return p, fault(op, err)
		}
		select {
		case <-written:
		case <-turn:
		case <-ctx.Done():
			waiting = false
		case <-e.background.Stopping():
			waiting = false
		}
		leave()
	}
}

// logsFrom gives a page from memory, or from the store if the execution has no
// attempt under way: then the store has what there is, for an attempt is dropped
// from memory after its end was written. What a caller waits for has no page
// before it has ended. The channel is closed when an attempt that is under way
// writes something.
func (e *Engine) logsFrom(tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, <-chan struct{}, error) {
	if p, written, ok := e.background.Logs(tenant, id, from); ok {
		return p, written, nil
	}
	if x, running := e.blocking.find(tenant, id); running {
		return runtime.LogPage{Attempt: x.Attempt, State: x.State, Next: runtime.LogPosition{Attempt: x.Attempt}}, nil, nil
	}
	e.records.settle()
	x, logs, err := e.store.GetLogs(tenant, id)
	p := runtime.NewLogPage(x.Attempt, logs, from)
	p.State = x.State
	return p, nil, err
}
