// Package replog owns the form of a replicated log, the records that a store writes to it, and their
// chain. [Log] is what a driver implements: package mem in memory, package nats on JetStream.
//
// It refuses to know what a record's batch does to a store, and who may own a log.
package replog
