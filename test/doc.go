// Package test checks promises that no single package of the server can keep alone.
//
// The packages below it run the server as a process: kill kills it again and again under load,
// disk runs it on full and failing disks, attack sends it what hostile clients send, soak does so beside
// normal clients for as long as you like, clients drives it with the clients that the vendors publish, examples runs the samples and the commands of the
// documents, and server covers everything else that shows only in a process of its own. engine kills
// an engine in the middle of a job, and linear looks for costs that grow faster than their input.
// corpus compares functions with native CPython, cpython runs CPython's own tests as functions.,
// and packages does so with packages of PyPI. network runs clients of PyPI in functions against servers of
// Debian.
// Package process is the harness. This package itself holds docs/guarantees.md to tests that exist.
//
// Package release tests the release archives, and its script the build for arm64. packages.sh installs the Debian packages
// that the tests need, and native-python.sh builds the CPython that functions are compared with.
package test
