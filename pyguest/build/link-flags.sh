# Flags for linking and optimising the guest. Sourced by the stages; MANIFEST.json repeats them.
# shellcheck shell=bash
# shellcheck disable=SC2034 # read by the scripts that source this file

emulation_libs=(-lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks)

# The C stack comes first, so that running over its end traps at address zero instead of writing over data.
stack_bytes=8388608
# Static data and stack, and enough beyond them that the interpreter starts without memory.grow.
initial_memory_bytes=25165824
# Inlining beyond the requests of the sources makes the code larger and slower (README.md, "Speed"): wazero keeps less in registers.
# shellcheck disable=SC2054 # commas are part of the options
link=(-mexec-model=reactor -z "stack-size=$stack_bytes" -Wl,--stack-first "-Wl,--initial-memory=$initial_memory_bytes"
  -Wl,--lto-O3 -Wl,-mllvm,-inline-threshold=5 -Wl,-mllvm,-hot-callsite-threshold=5 -Wl,--strip-debug -Wl,--export=__stack_pointer
  # Functions of the C library that ../guest/files.c and strftime.c replace.
  -Wl,--wrap=open -Wl,--wrap=wcsftime -Wl,--wrap=statvfs -Wl,--wrap=fstatvfs -Wl,--wrap=__wasilibc_find_relpath -Wl,--wrap=__wasilibc_find_relpath_alloc)

# The same features as in flags.sh, as wasm-opt names them.
wasm_opt_features=(--mvp-features --enable-bulk-memory --enable-sign-ext --enable-nontrapping-float-to-int --enable-mutable-globals)
wasm_opt_passes=(-O3 --one-caller-inline-max-function-size=0 --always-inline-max-function-size=0 --flexible-inline-max-function-size=0
  --strip-producers --strip-target-features)
