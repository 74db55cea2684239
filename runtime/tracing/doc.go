// Package tracing exports what a server has run as spans, by OTLP over HTTP with protobuf.
//
// Spans are made of runs that have ended, by [Exporter.OnAttempt], [Exporter.OnEnd] and
// [Exporter.OnJobEnd], so that no run waits for them. They wait in memory, within a bound; a goroutine posts
// them in batches. What does not fit, and what the collector does not take, is dropped and counted.
//
// A span has no text that a function or a caller has sent: no args, results, messages of errors, paths
// and queries. Its names are those of functions, jobs and the rules of allow lists, which deployments have; of a
// rule for a network, it has the address.
package tracing
