// Package engine kills a process that runs an engine with the real sandbox and store. The process
// is the test binary itself, so that the race detector sees it.
package engine
