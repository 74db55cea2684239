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

var _ httpapi.Functions = (*door)(nil)

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

// CreateFunction implements [httpapi.Functions], as the methods below do.
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

func (d *door) DeleteFunction(ctx context.Context, tenant runtime.Tenant, name string) (runtime.Deployment, error) {
	engine, err := d.enter()
	if err != nil {
		return runtime.Deployment{}, err
	}
	return engine.DeleteFunction(ctx, tenant, name)
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
