// Package nats is a replicated log on NATS JetStream: one stream, whose messages are the records. The
// comparison of an append is that of JetStream with the last sequence of the stream.
//
// It moves bytes and refuses to interpret them. No type of NATS leaves it. Package engine, below it, is
// the server.
package nats
