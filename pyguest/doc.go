// Package pyguest owns the guest: CPython as a WebAssembly module, built from
// pinned sources (build), instrumented so that no loop escapes the host
// (instrument), with its standard library, its own Python (bootstrap) and the
// protocol that host and guest speak (PROTOCOL.md).
//
// It knows nothing of how the guest is run; the sandbox does that. Its
// functions may be called concurrently; each call decompresses anew.
//
//	module, err := pyguest.Module() // WebAssembly, for wazero to compile
//	files, err := pyguest.Files()   // what the guest is to find in its file system
package pyguest
