// Package test checks promises that no single package of the server can keep alone.
//
// The packages below it run the server as a process: kill kills it again and again under load,
// disk runs it on full and failing disks, server covers everything else that shows only in a
// process of its own, and engine kills an engine in the middle of a job. corpus compares functions
// with native CPython. Package process is the harness. This package itself holds docs/guarantees.md to tests that exist.
package test
