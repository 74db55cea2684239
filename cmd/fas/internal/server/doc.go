// Package server wires the server that `fas serve` runs.
//
// It owns which store, which sandbox and which transport an engine gets, the order in which they
// start and stop, the admin token and the profile in which the command line finds it, the log, and
// the demo. No other package knows the parts together. It refuses to know flags; the command fills
// [Options].
//
//	err := server.Run(ctx, server.Options{Listen: server.DefaultListen, Data: dir, ...})
package server
