# How the guest is compiled. Sourced by the stages; MANIFEST.json repeats it.
# shellcheck shell=bash
# shellcheck disable=SC2034 # read by the scripts that source this file

# The day of CPython 3.13.5, 2025-06-11T00:00:00Z: what sys.version shows as build date, and the time of every file in the zip.
export SOURCE_DATE_EPOCH=1749600000

# What wazero's CoreFeaturesV2 has and CPython profits from; no SIMD, no tail calls, no threads.
features=(-mcpu=mvp -mbulk-memory -msign-ext -mnontrapping-fptoint -mmutable-globals)

# A folder is part of no output: __FILE__, debug information and macros see /build.
target=(--target=wasm32-wasip1 "--sysroot=$work/sysroot/usr" -resource-dir "$work/resource" "${features[@]}"
  "-ffile-prefix-map=$work=/build")
optimise=(-O3 -DNDEBUG)
optimise_ceval=(-Os -DNDEBUG -fno-builtin-memset)
lto=(-flto=full)
# What is hot and what is cold (profile/). Not for the main loop, whose frames on the native stack it makes larger.
profile=("-fprofile-instr-use=$work/python.profdata" -mllvm -enable-value-profiling -Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date)
profile_ceval=(-fno-profile-instr-use)

# WASI has no signals, process ids or CPU clocks; wasi-libc stands in for them.
emulation=(-D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PROCESS_CLOCKS)

cc=clang-19 ar=llvm-ar-19 ranlib=llvm-ranlib-19 strip=llvm-strip-19
