#!/bin/bash
# the guest itself: entry points, link, wasm-opt, instrumentation
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"
# shellcheck source=flags.sh
. "$build/flags.sh"
# shellcheck source=link-flags.sh
. "$build/link-flags.sh"

rm -rf "$work/guest"
mkdir "$work/guest"
# Computed before anything is compiled, for the manifest: relative to the repository, so that a test can check whether the artefacts
# were built from its own tree.
(cd "$repo" && find pyguest/guest pyguest/build/patches pyguest/build/profile pyguest/instrument pyguest/wasmbin -type f \
  \( -name '*.[ch]' -o -name '*.patch' -o -name '*.profdata.zst' -o -name '*.go' ! -name '*_test.go' \) -print0 | sort -z | xargs -0 -r sha256sum) >"$work/guest/own-sources"
# All names are relative to the work folder, so that no symbol or module name contains a path.
cd "$work"

objects=()
for file in "$repo"/pyguest/guest/*.c; do
  [ -e "$file" ] || die "no C files in pyguest/guest"
  object=guest/$(basename "${file%.c}").o
  "$cc" "${target[@]}" "${optimise[@]}" "${lto[@]}" "${emulation[@]}" "-ffile-prefix-map=$repo=/build" -Wall -Wextra -Werror \
    -Wno-unused-parameter -Wno-missing-field-initializers -fno-strict-overflow -std=c11 \
    -I"$repo/pyguest/guest" -isystem source/python/Include -isystem python -isystem libs/include -c "$file" -o "$object"
  objects+=("$object")
done

# No -O here: it would make clang run wasm-opt with its own options. The optimisation level of the link is in $link.
say "linking with ${lto[*]}"
"$cc" "${target[@]}" "${lto[@]}" "${link[@]}" -o guest/linked.wasm "${objects[@]}" \
  python/libpython3.13.a python/Modules/_hacl/libHacl_Hash_SHA2.a python/Modules/_decimal/libmpdec/libmpdec.a python/Modules/expat/libexpat.a \
  -Llibs/lib -lsqlite3 -llzma -lbz2 -lz -ldl "${emulation_libs[@]}" -lm

say "wasm-opt ${wasm_opt_passes[*]}"
# -g keeps the names for guest/named.wasm, which has the same functions at the same indices as the released guest.
wasm-opt "${wasm_opt_features[@]}" "${wasm_opt_passes[@]}" -g guest/linked.wasm -o guest/named.wasm
"$strip" --strip-all guest/named.wasm -o guest/stripped.wasm

say "instrumenting"
(cd "$repo" && go build -trimpath -o "$work/guest/instrument" ./pyguest/instrument/cmd/instrument)
guest/instrument guest/stripped.wasm guest/guest.wasm
