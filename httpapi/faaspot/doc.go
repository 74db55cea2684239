// Package faaspot owns the faaspot dialect of the HTTP API, everything below /v1: functions,
// blocking and background runs, executions, logs and dead letters. docs/http-api.md describes
// it.
//
// It refuses to know how functions are stored and run: it calls an [Engine]. The server, the
// authentication and the other dialects are httpapi's concern.
package faaspot
