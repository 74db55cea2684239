// Package wire owns the JSON forms of the HTTP API: one Go type for each object that a
// server answers with and for each that a client sends. The server renders them, and the
// command line's client decodes them, so neither can drift from the other.
//
// It refuses to know HTTP, the engine and what the values mean: it imports nothing but the
// standard library. The names, the order and the omission rules of the fields are the
// contract; openapi.yaml describes them, and golden files hold the bytes.
//
// Types with times have a type parameter for them. The server instantiates it with text in
// the fixed layout of the dialect, a client with a type that parses that layout:
//
//	type Job = wire.Job[time.Time]
package wire
