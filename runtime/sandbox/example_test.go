package sandbox_test

import (
	"context"
	"fmt"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox"
)

func ExampleSandbox() {
	ctx := context.Background()
	box, err := sandbox.Open(ctx, sandbox.Options{CacheDir: sandbox.CacheDirForTests()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()

	program := runtime.Program{
		Tenant: "acme", FunctionID: "f1", Version: 1, Name: "greet",
		Source: []byte("def main(args, context):\n    return 'Hello ' + args['name']\n"),
	}
	outcome, err := box.Deploy(ctx, program)
	if err != nil || outcome.Failure != nil { // err: the platform failed; Failure: the program is faulty
		fmt.Println(outcome.Failure, err)
		return
	}
	outcome, err = box.Run(ctx, runtime.RunCall{
		Program: program, Args: []byte(`{"name":"Ada"}`), Context: []byte("{}"),
	})
	if err != nil || outcome.Failure != nil {
		fmt.Println(outcome.Failure, err)
		return
	}
	fmt.Printf("%s\n", outcome.Result)
	// Output: "Hello Ada"
}
