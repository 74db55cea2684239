// Package httpapi owns how faaspot is spoken to over HTTP: the routes of the
// /v1 API, what a request may look like, who is let in, and how answers and
// errors are written. docs/http-api.md describes it for its users.
//
// It refuses to know how functions are kept or run: it calls what it names as
// [Functions] and is given in [Options]. No type of the HTTP library that it
// is built on leaves the package.
//
// Three rules hold throughout:
//
//   - Nothing of a request outlives its handler. Whatever is handed to
//     [Functions] is copied out of the connection's buffers first.
//   - Handlers return errors; one place writes them, one table gives each code
//     its status, and an unexpected error is logged once, under the id that
//     its caller is told.
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
//		Functions: engine,
//		Auth:      httpapi.HashToken(token),
//	})
//	...
//	go server.Serve(listener)
//	...
//	err = server.Shutdown(ctx)
package httpapi
