// Package metrics owns the figures of a server in the form of Prometheus: which there are, what they are
// called, and how many series they have at most.
//
// Runs that have ended are counted when they end, by [Metrics.OnEnd]; all else is read from the parts of the
// server at each scrape. Tenants and functions are labels of one metric only, and bounded: the busiest have
// series of their own, all others share one.
//
// It refuses to know how the figures come about, and who may read them.
package metrics
