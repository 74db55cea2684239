package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// Deploy implements [runtime.Sandbox].
func (p *Pool) Deploy(ctx context.Context, program runtime.Program) (runtime.Outcome, error) {
	if err := p.enter(); err != nil {
		return runtime.Outcome{}, err
	}
	defer p.active.Done()
	return p.use(ctx, &program, func(w *peer) (runtime.Outcome, error) { return w.deploy(ctx, &program) })
}

func (w *peer) deploy(ctx context.Context, p *runtime.Program) (runtime.Outcome, error) {
	known := w.programs.use(p, nil)
	defer w.programs.release(known)
	call := &pendingCall{kind: kindDeploy, limit: maxPayload, done: make(chan struct{}, 1)}
	id, err := w.conn.begin(call)
	if err != nil {
		return runtime.Outcome{}, err
	}
	c := &runtime.RunCall{Program: *p}
	limits := p.Limits.WithDefaults()
	r := &run{began: time.Now(), timeout: limits.Timeout, most: limits.Memory}
	w.add(id, r, c)
	defer w.remove(id, c)
	reply, _, err := w.conn.await(ctx, call, id, appendLimits(wire.AppendUint(nil, known.number), p.Limits), nil)
	switch {
	case errors.Is(err, errEnded):
		return runtime.Outcome{}, w.lost(p)
	case err != nil:
		return runtime.Outcome{}, err
	}
	o, err := decodeOutcome(reply, boundOf(limits.Logs, r.began))
	if err != nil {
		w.conn.abort(fmt.Errorf("the outcome of a deployment: %w", err))
		return runtime.Outcome{}, runtime.Internal("worker.deploy", err)
	}
	r.bound(&o.Usage)
	return o, nil
}

// Forget implements [runtime.Sandbox].
func (p *Pool) Forget(functionID string, version uint64) {
	for _, w := range p.peers() {
		w.programs.retire(programKey{functionID, version})
	}
}

const (
	// maxImports bounds the modules of RunImports.
	maxImports = 200
	// importsTime is the longest time that RunImports waits for workers: one may have stopped.
	importsTime = 500 * time.Millisecond
	// maxAsked bounds the questions of RunImports that a worker has not answered.
	maxAsked = 16
)

// RunImports implements [runtime.Sandbox]. Of a worker that does not answer soon, it returns nothing.
func (p *Pool) RunImports(functionID string, version uint64) []string {
	ctx, cancel := context.WithTimeout(context.Background(), importsTime)
	defer cancel()
	for _, w := range p.peers() {
		if w.programs.knows(programKey{functionID, version}) {
			if names := w.runImports(ctx, functionID, version); len(names) > 0 {
				return names
			}
		}
	}
	return nil
}

// runImports asks a worker until ctx ends.
func (w *peer) runImports(ctx context.Context, functionID string, version uint64) []string {
	select {
	case w.asked <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	answer := make(chan []string, 1)
	go func() {
		defer func() { <-w.asked }()
		answer <- w.askImports(functionID, version)
	}()
	select {
	case names := <-answer:
		return names
	case <-ctx.Done():
		return nil
	}
}

func (w *peer) askImports(functionID string, version uint64) (names []string) {
	reply, err := w.ask(kindImports, wire.AppendUint(wire.AppendBytes(nil, functionID), version))
	if err != nil {
		return nil
	}
	d := wire.Decode(reply)
	for range d.Count(maxImports) {
		names = append(names, text(&d))
	}
	if err := d.Err(); err != nil {
		w.conn.abort(fmt.Errorf("the imports of a version: %w", err))
		return nil
	}
	return names
}
