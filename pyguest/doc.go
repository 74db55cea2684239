// Package pyguest owns the guest: CPython as a WebAssembly module, built from pinned sources
// (build), instrumented so that every loop yields to the host (instrument), with its standard
// library, its own Python (bootstrap) and the protocol between host and guest (PROTOCOL.md).
//
// It does not know how the guest is run; the sandbox does that. Its functions may be called
// concurrently; each call decompresses again. [Module] returns the WebAssembly module for wazero to
// compile, [Files] the files of the guest's file system.
package pyguest
