# How the guest is linked and optimised. Sourced by the stages; MANIFEST.json repeats it.
# shellcheck shell=bash
# shellcheck disable=SC2034 # read by the scripts that source this file

emulation_libs=(-lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks)

# The C stack comes first, so that running over its end traps at address zero instead of writing over data.
stack_bytes=8388608
# Static data and stack, and enough beyond them that the interpreter starts without memory.grow.
initial_memory_bytes=20971520
# Inlining across files at the usual threshold makes the code 15 % larger and nothing measurably faster (README.md, "Speed").
# shellcheck disable=SC2054 # commas are part of the options
link=(-mexec-model=reactor -z "stack-size=$stack_bytes" -Wl,--stack-first "-Wl,--initial-memory=$initial_memory_bytes"
  -Wl,--lto-O3 -Wl,-mllvm,-inline-threshold=40 -Wl,--strip-debug -Wl,--export=__stack_pointer)

# The same features as in flags.sh, in wasm-opt's words.
wasm_opt_features=(--mvp-features --enable-bulk-memory --enable-sign-ext --enable-nontrapping-float-to-int --enable-mutable-globals)
wasm_opt_passes=(-O3 --strip-producers --strip-target-features)
