package engine

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/faaspot/faaspot/runtime"
)

// guardedSandbox turns a panic of the sandbox, which runs hostile input, into an error of the one
// call, so that it does not end the server.
type guardedSandbox struct{ runtime.Sandbox }

func (g guardedSandbox) Deploy(ctx context.Context, p runtime.Program) (o runtime.Outcome, err error) {
	defer recoverPanic("engine.deploy", &err)
	return g.Sandbox.Deploy(ctx, p)
}

func (g guardedSandbox) Run(ctx context.Context, c runtime.RunCall) (o runtime.Outcome, err error) {
	defer recoverPanic("engine.run", &err)
	return g.Sandbox.Run(ctx, c)
}

// recoverPanic sets err to an internal error if the deferring function panics.
func recoverPanic(op string, err *error) {
	if r := recover(); r != nil {
		*err = runtime.Internal(op, fmt.Errorf("the sandbox panicked: %v\n%s", r, debug.Stack()))
	}
}
