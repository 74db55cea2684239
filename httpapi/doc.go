// Package httpapi owns the HTTP server: its listeners and limits, the checks of a request,
// authentication, the router, and its shutdown. openapi.yaml, which is served at /openapi.json,
// describes the API for programs; docs/http-api.md, docs/jobs.md and docs/observability.md describe
// it for people.
//
// The server speaks three dialects, each in a package of its own: functions, executions and dead
// letters below /v1 as in FaaSpot (faaspot), jobs below /v0 as in Blaxel (blaxel), and
// listExecutions below /api/v2 as in Foundry (foundry). They differ in their JSON, errors included,
// and share everything else: internal/web has the parts of handlers, and wire the JSON types, which
// clients use too.
//
// A request is checked in this order; the first error is the response:
//
//  1. its framing: what a proxy might read differently is refused (guard.go),
//  2. its path and method (routes.go),
//  3. its token, and its body's size and encoding for this route (dispatch.go),
//  4. the memory for its body, which is then read (body.go),
//  5. its content, in the handler.
//
// Connections, bodies and answers take their memory from the budget of the server: a connection
// when it is accepted (connections.go), a body before it is read, a large answer before it is read
// from the store. The answer of a run that was carried out is only counted. The connection gives
// back what a request held once its answer was sent, or when it is closed (conn.go).
//
// Package httpapi refuses to know how functions and jobs are stored or run: it calls an
// [Engine]. No type of the HTTP library leaves httpapi and the packages below it.
//
// Four rules hold throughout:
//
//   - Nothing of a request outlives its handler. What the engine gets is copied out of the
//     connection's buffers first.
//   - Handlers return errors. One place writes them, one table has the status of each code for
//     all dialects, and an unexpected error is logged once, under the id that the caller gets.
//   - Routes, codes and errors are those of openapi.yaml: tests compare the two in both
//     directions.
//   - No answer changes by accident: testdata/answers.golden has the bytes of each.
//
// A panic in a route that may write to the store is logged and raised again, so that it ends
// the process: a store that panicked in the middle of a commit holds its locks forever, and the
// server would hang instead of restarting. A panic in any other route is answered with 500.
//
// All methods of [Server] may be called concurrently.
//
//	server, err := httpapi.New(httpapi.Options{Engine: engine, Auth: httpapi.HashToken(token)})
//	...
//	go server.Serve(listener)
//	...
//	err = server.Shutdown(ctx)
package httpapi
