// Package httpapi owns how faaspot is spoken to over HTTP: its routes, what a
// request may look like, who is let in, and how answers and errors are written.
// docs/http-api.md, docs/jobs.md and docs/observability.md describe it for its
// users, and openapi.yaml, which is served at /openapi.json, for their programs.
//
// Three dialects are spoken: functions, executions and dead letters below /v1 as
// in FaaSpot, jobs below /v0 as in Blaxel, listExecutions below /api/v2 as in
// Foundry. They differ in how requests and answers are written, errors among
// them (dialect.go), and have all else in common.
//
// It refuses to know how functions and jobs are kept or run: it calls what it names
// as [Functions], [Executions], [Jobs] and [DeadLetters] and is given in [Options].
// No type of the HTTP library that it is built on leaves the package.
//
// Four rules hold throughout:
//
//   - Nothing of a request outlives its handler. Whatever is handed to the engine
//     is copied out of the connection's buffers first.
//   - Handlers return errors; one place writes them, one table gives each code
//     its status in all dialects, and an unexpected error is logged once, under
//     the id that its caller is told.
//   - Routes, codes and errors are those of openapi.yaml: tests hold each to the
//     other.
//   - What the HTTP library lets pass although a proxy in front of it might
//     read it differently is refused here, see guard.go.
//
// A panic while a route runs that may write to the store is logged and raised
// again, so that it ends the process: a store that panicked in the middle of a
// commit holds its locks for ever, and a server that carries on would hang
// instead of restarting. Panics on all other routes are answered with 500.
//
// All methods of [Server] may be called concurrently.
//
//	server, err := httpapi.New(httpapi.Options{
//		Functions:   engine,
//		Executions:  engine,
//		Jobs:        engine,
//		DeadLetters: engine,
//		Auth:        httpapi.HashToken(token),
//	})
//	...
//	go server.Serve(listener)
//	...
//	err = server.Shutdown(ctx)
package httpapi
