package engine

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/faaspot/faaspot/runtime"
)

// guardedSandbox is where hostile input meets our code: a panic of the sandbox is an error
// of the one call, not the end of the server.
type guardedSandbox struct{ runtime.Sandbox }

func (g guardedSandbox) Deploy(ctx context.Context, p runtime.Program) (o runtime.Outcome, err error) {
	defer recovered("engine.deploy", &err)
	return g.Sandbox.Deploy(ctx, p)
}

func (g guardedSandbox) Run(ctx context.Context, c runtime.RunCall) (o runtime.Outcome, err error) {
	defer recovered("engine.run", &err)
	return g.Sandbox.Run(ctx, c)
}

// recovered turns a panic into an internal error, whose cause is for the log.
func recovered(op string, err *error) {
	if r := recover(); r != nil {
		*err = runtime.Internal(op, fmt.Errorf("the sandbox panicked: %v\n%s", r, debug.Stack()))
	}
}
