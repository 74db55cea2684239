package engine

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/faaspot/faaspot/runtime"
)

// deployIn and runIn call the sandbox. It is where hostile input meets our
// code: a panic there is an error of this one call, not the end of the server.
func (e *Engine) deployIn(ctx context.Context, p runtime.Program) (o runtime.Outcome, err error) {
	defer caught("engine.deploy", &err)
	return e.sandbox.Deploy(ctx, p)
}

func (e *Engine) runIn(ctx context.Context, c runtime.RunCall) (o runtime.Outcome, err error) {
	defer caught("engine.run", &err)
	return e.sandbox.Run(ctx, c)
}

// caught turns a panic into an error for the log.
func caught(op string, err *error) {
	if r := recover(); r != nil {
		*err = runtime.Internal(op, fmt.Errorf("the sandbox panicked: %v\n%s", r, debug.Stack()))
	}
}
