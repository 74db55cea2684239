// Package wasmbin reads and rewrites WebAssembly modules in their binary format: sections, the few tables of contents
// that a rewriter needs, and single instructions.
//
// It owns the knowledge of the encoding as the core specification 2.0 defines it, https://www.w3.org/TR/wasm-core-2/#binary-format,
// with one memory that is not shared: it refuses what it does not know, by a [FormatError] that says where. It refuses to know what
// a module means: it does not validate (a compiler does that), does not run anything and has no opinion on what to change.
//
// All functions are pure: they may be called concurrently, as long as nobody writes to the module meanwhile. What they
// return shares memory with the module that was read. They take untrusted bytes: memory use is bounded by a small
// multiple of the module's size.
//
//	image, segments, err := wasmbin.SplitData(module)
//	if err != nil {
//		return err
//	}
//	for _, s := range segments {
//		copy(memory[s.Offset:], s.Bytes)
//	}
package wasmbin
