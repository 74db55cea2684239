// Package clusters runs clusters of real processes, for the tests below test/: the servers of a log ([Log]) and
// nodes ([Cluster]), on the loopback interface, or each in a network namespace of its own ([Network]), whose
// connections can be cut.
//
// It refuses to know what any test asserts.
package clusters
