// Package engine runs a server of a replicated log in this process: a NATS server with JetStream, whose
// settings are those that [github.com/faaspot/faaspot/storage/replog/nats] needs, and no others. No type
// of NATS leaves it.
package engine
