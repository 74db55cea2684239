// Package apitest owns what the tests of httpapi and its dialects share: a fake engine, an
// engine whose every value is set, a server with a client and its log, a server over a real
// engine and store, connections that write their own HTTP, and checks of answers.
package apitest
