package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// guardedSandbox turns a panic of the sandbox, which runs hostile input, into an error of the one
// call, so that it does not end the server. It gives each run the network of its function.
type guardedSandbox struct {
	runtime.Sandbox
	networks runtime.Networks // nil: no run has a network
	now      func() time.Time // of timelines; nil: runs have none
}

func (g guardedSandbox) Deploy(ctx context.Context, p runtime.Program) (o runtime.Outcome, err error) {
	defer recoverPanic("engine.deploy", &err)
	return g.Sandbox.Deploy(ctx, p)
}

func (g guardedSandbox) Run(ctx context.Context, c runtime.RunCall) (o runtime.Outcome, err error) {
	defer recoverPanic("engine.run", &err)
	if g.now != nil {
		began := g.now()
		defer func() { o.Timeline = g.timeline(ctx, began, &o, err, c.Network) }()
	}
	if len(c.Program.Allow) > 0 && g.networks != nil {
		c.Network = g.networks.Open(&c.Program)
		defer func() { o.Egress = c.Network.Close() }()
	}
	return g.Sandbox.Run(ctx, c)
}

// timeline returns the timeline of a run that has ended, and whose network is closed.
func (g guardedSandbox) timeline(ctx context.Context, began time.Time, o *runtime.Outcome, err error, network runtime.Network) *runtime.Timeline {
	t := &runtime.Timeline{Began: began, Ended: g.now(), Built: o.Usage.Built, Failure: o.Failure}
	if o.Usage.Start > 0 {
		t.Called = began.Add(o.Usage.Start)
	}
	if err != nil {
		t.Failure = &runtime.Failure{Class: classOf(ctx, err)}
	}
	if r, ok := network.(runtime.EgressRecorder); ok {
		t.Calls, t.CallsLost = r.Calls()
	}
	return t
}

// classOf returns the class of a run that has ended with an error of the sandbox.
func classOf(ctx context.Context, err error) runtime.Class {
	switch code := runtime.CodeOf(err); {
	case errors.Is(err, runtime.ErrWorkerLost):
		return runtime.ClassCrashed
	case ctx.Err() != nil:
		return runtime.ClassCancelled
	case code == runtime.CodeTooBusy, code == runtime.CodeUnavailable:
		return runtime.ClassRejected
	}
	return runtime.ClassInternal
}

// checkAllow returns an error for an allow list that the operator permits to no function of a tenant.
func (e *Engine) checkAllow(tenant runtime.Tenant, allow []string) error {
	if e.networks == nil || len(allow) == 0 {
		return nil
	}
	return e.networks.CheckAllow(tenant, allow)
}

// recoverPanic sets err to an internal error if the deferring function panics.
func recoverPanic(op string, err *error) {
	if r := recover(); r != nil {
		*err = runtime.Internal(op, fmt.Errorf("the sandbox panicked: %v\n%s", r, debug.Stack()))
	}
}
