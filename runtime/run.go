package runtime

import (
	"context"
	"errors"
)

// Run runs a function and waits for its end. An error means that it did not
// start (CodeNotFound, CodeInvalidArgument, CodeTooLarge, CodeTooBusy,
// CodeUnavailable) or that the platform failed; however the function itself
// ended is told by the Execution.
//
// The end of ctx calls the run off: while it waits for a place this is an
// error, later the execution is cancelled.
func (e *Engine) Run(ctx context.Context, r RunRequest) (*Execution, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.gate.leave()
	created := e.now()

	version, err := e.current.use(ctx, functionKey{r.Tenant, r.Function}, e.load)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil, gaveUp(err)
		}
		return nil, fault("engine.run", err)
	}
	defer e.current.release(version)
	if err := checkObject("args", r.Args, MaxArgs); err != nil {
		return nil, fault("engine.run", err)
	}

	p := &version.program
	if err := e.admission.acquire(ctx, r.Tenant, p.FunctionID, p.reservation()); err != nil {
		return nil, fault("engine.run", err)
	}
	defer e.admission.release(p.reservation())

	x := &Execution{
		ID:         newID(),
		Tenant:     r.Tenant,
		FunctionID: p.FunctionID,
		Function:   r.Function,
		Version:    p.Version,
		State:      StateRunning,
		Created:    created,
		Started:    e.now(),
	}
	outcome, err := e.runIn(ctx, version, orNoMembers(r.Args))
	if err != nil {
		if ctx.Err() == nil {
			return nil, fault("engine.run", err)
		}
		outcome = Outcome{Failure: &Failure{Class: ClassCancelled, Message: "the run was called off"}}
	}
	x.end(outcome, e.now())
	return x, nil
}

// reservation is what a run may use at most, in bytes.
func (p *Program) reservation() int64 { return p.Limits.Memory + p.Limits.Tmp }

// load reads the current version of a function from the store.
func (e *Engine) load(key functionKey) (*loaded, error) {
	// What is no name cannot be stored: the caller shall know why.
	if err := ValidateName(key.name); err != nil {
		return nil, err
	}
	f, v, err := e.stored(key)
	if err != nil {
		return nil, err
	}
	return &loaded{program: program(f, v), context: orNoMembers(v.Context)}, nil
}

// stored reads a function and its current version. Between the two reads the
// function may be changed often enough for that version to be dropped; it is
// then read again.
func (e *Engine) stored(key functionKey) (Function, Version, error) {
	for {
		f, err := e.store.FunctionByName(key.tenant, key.name)
		if err != nil {
			return Function{}, Version{}, err
		}
		v, err := e.store.Version(key.tenant, f.ID, f.Version)
		if CodeOf(err) != CodeNotFound {
			return f, v, err
		}
		again, err := e.store.FunctionByName(key.tenant, key.name)
		if err != nil {
			return Function{}, Version{}, err
		}
		if again.ID == f.ID && again.Version == f.Version {
			return Function{}, Version{}, Internal("engine.load",
				Errorf(CodeInternal, "version %d of function %s is missing in the store", f.Version, f.ID))
		}
	}
}

// program is what the sandbox is to know of a version.
func program(f Function, v Version) Program {
	return Program{
		Tenant:     f.Tenant,
		FunctionID: f.ID,
		Version:    v.Number,
		Name:       v.Name,
		Source:     v.Source,
		Limits:     v.Limits.WithDefaults(),
	}
}
