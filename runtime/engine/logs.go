package engine

import (
	"context"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// GetLogs returns a page of the output of the latest attempt of an execution so far, from a
// position on. If the position is zero or belongs to another attempt, the page starts at the start
// of the latest attempt. If it is beyond the end, the page is empty. While an execution waits for
// its next attempt, its logs are those of the previous one.
//
// Errors: CodeNotFound, CodeUnavailable, CodeInternal.
func (e *Engine) GetLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (p runtime.LogPage, err error) {
	if err := e.enter(); err != nil {
		return runtime.LogPage{}, err
	}
	defer e.gate.leave()
	p, _, err = e.logsFrom(tenant, strings.ToLower(id), from)
	return p, withOp("engine.logs", err)
}

// FollowLogs returns the page of GetLogs as soon as it contains something new: output after the
// position, another attempt, or the end of the execution. If ctx ends first, or the server begins
// to shut down, the page is empty, without an error.
//
// A client that calls FollowLogs with each Next, and does so again before a retry begins, gets
// every byte of every attempt once; of the last attempt in any case. In the end it has the same
// bytes as the store.
func (e *Engine) FollowLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, error) {
	const op = "engine.followlogs"
	if err := e.enter(); err != nil {
		return runtime.LogPage{}, err
	}
	defer e.gate.leave()
	e.records.flush()
	id = strings.ToLower(id)
	for waiting := true; ; {
		event, leave := e.attempts.Wait(id)
		p, written, err := e.logsFrom(tenant, id, from)
		if err != nil || len(p.Logs.Data) > 0 || p.Attempt != from.Attempt || p.State.Terminal() || !waiting {
			leave()
			return p, withOp(op, err)
		}
		select {
		case <-written:
		case <-event:
		case <-ctx.Done():
			waiting = false
		case <-e.background.Stopping():
			waiting = false
		}
		leave()
	}
}

// logsFrom returns a page from memory or, if no attempt of the execution is in memory, from the
// store, which then has all the output: an attempt leaves memory after its end was written. A
// blocking run has no output before it has ended. written is closed when the attempt writes more;
// it is nil if no attempt is in memory.
func (e *Engine) logsFrom(tenant runtime.Tenant, id string, from runtime.LogPosition) (p runtime.LogPage, written <-chan struct{}, err error) {
	if p, written, ok := e.background.Logs(tenant, id, from); ok {
		return p, written, nil
	}
	if x, running := e.blocking.find(tenant, id); running {
		return runtime.LogPage{Attempt: x.Attempt, State: x.State, Next: runtime.LogPosition{Attempt: x.Attempt}}, nil, nil
	}
	if _, p, err = e.store.GetLogs(tenant, id, from); err == nil && p.State.Terminal() {
		return p, nil, nil // nothing that waits for the recorder changes them
	}
	e.records.flush()
	_, p, err = e.store.GetLogs(tenant, id, from)
	return p, nil, err
}
