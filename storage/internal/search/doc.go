// Package search owns the index of executions that are done: postings, which find executions by
// their observable properties (status, duration, user, caller, version, reason, trace), and any run
// by the trace that it was accepted with. It writes the postings of a batch, drops old ones, and
// answers queries page by page.
//
// A filter becomes a plan of streams, which yield executions from the newest start to the oldest:
// unions, intersections and differences of the postings of single values. The plan may yield too
// many executions, never too few: each is loaded and checked. Postings are dropped with some delay;
// until then they lead to nothing and are skipped.
//
// It refuses to know how executions are stored (its caller loads them) and when a batch is written.
//
// Its functions may be called concurrently; a Postings and a Trace belong to one goroutine.
package search
