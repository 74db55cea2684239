package engine

import (
	"context"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/queue"
	"github.com/faaspot/faaspot/runtime/redact"
)

// trialGroup is the group of all trials of a tenant: together they take the turns of one function.
const trialGroup = "trial"

// Try deploys code and runs it once, as [Engine.CreateFunction] and [Engine.Run] do, with the same
// limits, and keeps nothing: there is no function, no execution and no image afterwards. The bundle
// of the request, if it has one, is stored until the run has ended. Code that does not deploy is
// CodeDeployFailed; a failure of the run is part of the Trial.
//
// Other errors: CodeInvalidArgument, CodeTooLarge, CodeTooBusy, CodeUnavailable, CodeInternal.
func (e *Engine) Try(ctx context.Context, r runtime.TryRequest) (runtime.Trial, error) {
	const op = "engine.try"
	if err := e.enter(); err != nil {
		return runtime.Trial{}, err
	}
	defer e.gate.leave()
	defer e.secrets.Hold(redact.Texts(r.Function.Context)...)()
	if r.Upload != nil {
		source, err := e.readMain(ctx, r.Upload)
		if err != nil {
			return runtime.Trial{}, withOp(op, err)
		}
		r.Function.Source, r.Function.Bundle = source, r.Upload.Bundle
	}
	if err := r.Validate(); err != nil {
		return runtime.Trial{}, withOp(op, err)
	}
	use := e.useOf(r.Function.Tenant)
	if err := use.BeginRun(); err != nil {
		return runtime.Trial{}, withOp(op, err)
	}
	defer e.endRun(r.Function.Tenant, use)
	t, err := e.try(ctx, &r)
	return t, withOp(op, err)
}

func (e *Engine) try(ctx context.Context, r *runtime.TryRequest) (t runtime.Trial, err error) {
	now, id := e.clock.Stamp()
	f := runtime.Function{ID: id, Tenant: r.Function.Tenant, Name: r.Function.Name, Version: 1, Created: now, Updated: now}
	v := r.Function.FirstVersion(f)
	if err := e.checkAllow(f.Tenant, v.Allow); err != nil {
		return t, err
	}
	release, err := e.stage(ctx, &runtime.FunctionUpdate{Tenant: f.Tenant, Bundle: r.Upload})
	if err != nil {
		return t, err
	}
	defer release()
	deployed, err := e.deploy(ctx, f, v, trialGroup)
	if err != nil {
		return t, err
	}
	defer e.sandbox.Forget(f.ID, v.Number)
	outcome, err := e.runTrial(ctx, f, v, deployed.Logs, r.Args)
	if err != nil {
		return t, err
	}
	x := runtime.Execution{Created: now, Started: now}
	x.Finish(outcome, e.clock.Now())
	return runtime.Trial{Outcome: x.Outcome, State: x.State, Deploy: deployed.Usage}, nil
}

// runTrial runs a version that was deployed for it. The logs of the run follow those of the deployment.
func (e *Engine) runTrial(ctx context.Context, f runtime.Function, v runtime.Version, logs runtime.Logs, args []byte) (runtime.Outcome, error) {
	p := runtime.NewProgram(f, v)
	space := &queue.Run{Tenant: p.Tenant, Function: p.FunctionID, Group: trialGroup, Bytes: p.Limits.Reservation()}
	if err := e.admission.Acquire(ctx, space, int64(len(args))); err != nil {
		return runtime.Outcome{}, err
	}
	defer space.Release()
	written := runtime.NewLogBuffer(p.Limits.Logs)
	written.AppendAll(logs)
	outcome, err := e.sandbox.Run(ctx, runtime.RunCall{
		Program: p, Args: runtime.ObjectOrEmpty(args), Context: runtime.ObjectOrEmpty(v.Context), Limits: p.Limits.Blocking(), Room: space, Logs: written,
		Info: runtime.RunInfo{Execution: f.ID, Attempt: 1, Function: f.Name},
	})
	switch {
	case err != nil && ctx.Err() != nil:
		err = runtime.AbandonedError(ctx.Err())
	case err == nil && outcome.Failure != nil && outcome.Failure.Class == runtime.ClassTimeout && p.Limits.Timeout > runtime.MaxBlocking:
		outcome.Failure = blockingTimeout(p.Limits.Timeout)
	}
	return outcome, err
}
