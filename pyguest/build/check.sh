#!/bin/bash
# Rebuilds the guest in a fresh temporary folder and compares it with the committed files.
#
#   check.sh        as root on Debian 12 with Go; takes as long as a first build
#
# Exits 0 if every artefact is the same, byte for byte; else names the first difference and exits 1.
set -euo pipefail

build=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
committed=$(dirname "$build")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
say() { printf 'guest-check: %s\n' "$*"; }

"$build/build.sh" --work "$scratch/work" --out "$scratch/out"

# The manifest is compared last: it differs whenever anything else does, and explains the least.
differ() {
  say "DIFFERENT: $1"
  case $1 in
    MANIFEST.json) diff "$committed/$1" "$scratch/out/$1" | head -n 20 || true ;;
    *.zst)
      # Compressed bytes differ from the first changed byte on; the content is more informative.
      zstd -q -d "$committed/$1" -o "$scratch/committed"
      zstd -q -d "$scratch/out/$1" -o "$scratch/rebuilt"
      cmp "$scratch/committed" "$scratch/rebuilt" || true ;;
    *) cmp "$committed/$1" "$scratch/out/$1" || true ;;
  esac
  say "the committed files were not built from this tree with this toolchain: run 'make guest' and commit the result, or find the change that caused this"
  exit 1
}

for artefact in guest.wasm.zst stdlib.zip.zst; do
  [ -e "$committed/$artefact" ] || { say "MISSING: $artefact"; exit 1; }
  cmp -s "$committed/$artefact" "$scratch/out/$artefact" || differ "$artefact"
  say "same: $artefact $(sha256sum <"$committed/$artefact" | cut -d' ' -f1)"
done
if ! diff -rq "$committed/licenses" "$scratch/out/licenses"; then
  say "DIFFERENT: licenses/ (see above)"
  exit 1
fi
say "same: licenses/"
cmp -s "$committed/MANIFEST.json" "$scratch/out/MANIFEST.json" || differ MANIFEST.json
say "same: MANIFEST.json"
