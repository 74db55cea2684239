// Package stats counts the runs that have ended, in memory: by tenant, function, outcome and duration, in
// steps of time. An answer costs as much as the steps that it spans, not as the runs that it counts.
//
// Three levels keep steps of a minute for two hours, of a quarter of an hour for a day, and of two hours
// for eight days. A step of a function that had no run takes no memory. All steps together have a bound:
// beyond it, the tenant that holds most loses its oldest steps, and its answers say from when on they are
// complete.
//
// It refuses to know where runs come from, and it stores nothing: the engine adds the runs that the store
// holds when it starts.
package stats
