// Package cpython runs CPython's own regression tests (Lib/test) in functions of a server process
// and compares their outcomes with the committed ones.
//
// The tests come from the pinned source of the guest; fetch.sh downloads and patches it. For each
// module of modules.txt the package packs the module with its helpers and data into a zip, and runs
// driver.py with it: a function that unpacks the zip to /tmp, runs the tests and returns their
// outcomes. A module takes as many runs as its time and the tests that end their run require.
//
// `go test` runs the modules of the general section of modules.txt that are not slow, and fails if a
// test does not pass that passes according to expectations.txt. `make test-cpython` runs all modules, also in a
// native CPython of the same source, and writes expectations.txt and docs/python-compatibility.md.
// Reasons of tests that do not pass are recognised from their errors (classify.go) or written by
// hand (reasons.txt).
package cpython
