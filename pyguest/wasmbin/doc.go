// Package wasmbin reads and rewrites WebAssembly modules in their binary format: sections, the
// tables of contents that a rewriter needs, and single instructions.
//
// It owns the knowledge of the encoding that the core specification 2.0 defines,
// https://www.w3.org/TR/wasm-core-2/#binary-format, with one memory that is not shared. It refuses
// everything that it does not know with a [FormatError] that has the position. It does not know
// what a module means: it does not validate (a compiler does that), does not run anything and does
// not decide what to change.
//
// All functions are pure. They may be called concurrently as long as nothing writes to the module
// at the same time. Their results share memory with the module that was read. They accept untrusted
// bytes: memory use is bounded by a small multiple of the module's size.
//
// See the example of [SplitData].
package wasmbin
