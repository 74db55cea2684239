// Package kv owns how records are read from Pebble: single ones, all of a prefix, and those whose
// keys end in an id. It implements the rules of Pebble's iterators and closers (what is valid until
// when, and what must be closed) in one place, and reports records that break an invariant.
//
// It refuses to know what the records mean: callers decode them. It writes nothing.
//
// Its functions may be called concurrently; an IDIterator belongs to one goroutine.
package kv
