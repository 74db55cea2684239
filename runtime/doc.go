// Package runtime owns the nouns of faaspot and their life: functions and
// their versions, executions, limits, failures and the one coded error that
// every layer speaks. [Engine] is the service over them: it deploys functions,
// admits runs fairly and within the memory budget of the machine, and carries
// each execution to its one terminal state.
//
// It refuses to know how anything is kept, transported or isolated. What it
// needs of others it names as interfaces ([Store], [Sandbox]) and is given at
// [New]; it imports no other package of this module but strictjson. The name
// shadows the standard library's package; import that one as goruntime.
//
// All methods of Engine may be called concurrently.
//
//	engine, err := runtime.New(runtime.Options{Store: store, Sandbox: box})
//	...
//	fn, err := engine.CreateFunction(ctx, runtime.FunctionSpec{
//		Tenant: runtime.DefaultTenant,
//		Name:   "hello",
//		Source: []byte("def main(args, context):\n    return 'Hello ' + args['name']\n"),
//	})
//	exec, err := engine.Run(ctx, runtime.RunRequest{
//		Tenant: runtime.DefaultTenant, Function: "hello", Args: []byte(`{"name":"you"}`),
//	})
//	// exec.State == runtime.StateSucceeded, exec.Result is JSON
package runtime
