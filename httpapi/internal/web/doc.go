// Package web owns what the dialects of the HTTP API share: the table of routes, how bodies
// and query parameters are read, how answers, errors and traces are written, how cursors
// are sealed, and which requests take turns. httpapi composes the dialects' routes into a server.
//
// It refuses to know any one dialect, its paths and its JSON, and how requests are
// authenticated.
//
// Nothing that a handler takes from a *fasthttp.RequestCtx outlives the request: functions
// that return a string return a copy.
package web
