package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/runtime"
)

// door stands between the transport and the engine, so that the server can
// answer before the engine is there.
type door struct {
	engine atomic.Pointer[runtime.Engine]
}

var (
	_ httpapi.Functions   = (*door)(nil)
	_ httpapi.Executions  = (*door)(nil)
	_ httpapi.DeadLetters = (*door)(nil)
	_ httpapi.Jobs        = (*door)(nil)
	_ httpapi.Jobs        = (*runtime.Engine)(nil)
)

// retrySoon is when a caller may find a server that starts ready.
const retrySoon = time.Second

// open lets requests through to the engine.
func (d *door) open(e *runtime.Engine) { d.engine.Store(e) }

// ready tells why there is nobody behind the door, nil if there is.
func (d *door) ready() error {
	_, err := d.enter()
	return err
}

func (d *door) enter() (*runtime.Engine, error) {
	if engine := d.engine.Load(); engine != nil {
		return engine, nil
	}
	e := runtime.Errorf(runtime.CodeUnavailable, "the server is starting").WithHint("try again in a moment")
	e.RetryAfter = retrySoon
	return nil, e
}

// CreateFunction implements [httpapi.Functions], as the methods below implement
// it and [httpapi.Executions].
func (d *door) CreateFunction(ctx context.Context, s runtime.FunctionSpec) (runtime.Deployment, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.Deployment{}, err
	}
	return engine.CreateFunction(ctx, s)
}

func (d *door) UpdateFunction(ctx context.Context, u runtime.FunctionUpdate) (runtime.Deployment, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.Deployment{}, err
	}
	return engine.UpdateFunction(ctx, u)
}

func (d *door) DeleteFunction(ctx context.Context, f runtime.FunctionDeletion) (runtime.Deployment, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.Deployment{}, err
	}
	return engine.DeleteFunction(ctx, f)
}

func (d *door) Function(ctx context.Context, tenant runtime.Tenant, name string) (runtime.FunctionDetail, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.FunctionDetail{}, err
	}
	return engine.Function(ctx, tenant, name)
}

func (d *door) Functions(ctx context.Context, tenant runtime.Tenant, after string, limit int) ([]runtime.Function, error) {
	engine, err := d.enter()
	if err != nil {
		return nil, err
	}
	return engine.Functions(ctx, tenant, after, limit)
}

func (d *door) Run(ctx context.Context, r runtime.RunRequest) (*runtime.Execution, error) {
	engine, err := d.enter()
	if err != nil {
		return nil, err
	}
	return engine.Run(ctx, r)
}

func (d *door) Submit(ctx context.Context, r runtime.SubmitRequest) (runtime.Acceptance, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.Acceptance{}, err
	}
	return engine.Submit(ctx, r)
}

func (d *door) SubmitBulk(ctx context.Context, r runtime.BulkRequest) (runtime.Acceptance, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.Acceptance{}, err
	}
	return engine.SubmitBulk(ctx, r)
}

func (d *door) Execution(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.Execution{}, err
	}
	return engine.Execution(ctx, tenant, id)
}

func (d *door) Executions(ctx context.Context, tenant runtime.Tenant, ids []string) ([]*runtime.Execution, error) {
	engine, err := d.enter()
	if err != nil {
		return nil, err
	}
	return engine.Executions(ctx, tenant, ids)
}

func (d *door) Await(ctx context.Context, tenant runtime.Tenant, id string) (runtime.Execution, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.Execution{}, err
	}
	return engine.Await(ctx, tenant, id)
}

func (d *door) List(ctx context.Context, tenant runtime.Tenant, filter runtime.Filter, cursor string, limit int) ([]runtime.Execution, error) {
	engine, err := d.enter()
	if err != nil {
		return nil, err
	}
	return engine.List(ctx, tenant, filter, cursor, limit)
}

func (d *door) Cancel(ctx context.Context, tenant runtime.Tenant, id string) (x runtime.Execution, changed bool, err error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.Execution{}, false, err
	}
	return engine.Cancel(ctx, tenant, id)
}

func (d *door) Logs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.LogPage{}, err
	}
	return engine.Logs(ctx, tenant, id, from)
}

func (d *door) ListExecutions(ctx context.Context, tenant runtime.Tenant, q runtime.ObservedQuery) (runtime.ObservedPage, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.ObservedPage{}, err
	}
	return engine.ListExecutions(ctx, tenant, q)
}

func (d *door) FollowLogs(ctx context.Context, tenant runtime.Tenant, id string, from runtime.LogPosition) (runtime.LogPage, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.LogPage{}, err
	}
	return engine.FollowLogs(ctx, tenant, id, from)
}
