# Compiler flags of the guest. Sourced by the stages; MANIFEST.json repeats them.
# shellcheck shell=bash
# shellcheck disable=SC2034 # read by the scripts that source this file

# The release date of CPython 3.13.5, 2025-06-11T00:00:00Z: the build date in sys.version, and the time of every file in the zip.
export SOURCE_DATE_EPOCH=1749600000

# The features of wazero's CoreFeaturesV2 from which CPython profits; no SIMD, no tail calls, no threads.
features=(-mcpu=mvp -mbulk-memory -msign-ext -mnontrapping-fptoint -mmutable-globals)

# No output contains a folder: __FILE__, debug information and macros see /build.
target=(--target=wasm32-wasip1 "--sysroot=$work/sysroot/usr" -resource-dir "$work/resource" "${features[@]}"
  "-ffile-prefix-map=$work=/build")
optimise=(-O3 -DNDEBUG)
optimise_ceval=(-Os -DNDEBUG -fno-builtin-memset)
lto=(-flto=full)
# The profile of hot and cold code (profile/). Not for the main loop, whose frames on the native stack it would enlarge.
profile=("-fprofile-instr-use=$work/python.profdata" -mllvm -enable-value-profiling -Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date)
profile_ceval=(-fno-profile-instr-use)

# WASI has no signals, process ids or CPU clocks; wasi-libc emulates them.
emulation=(-D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PROCESS_CLOCKS)

cc=clang-19 ar=llvm-ar-19 ranlib=llvm-ranlib-19 strip=llvm-strip-19
