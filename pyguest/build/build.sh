#!/bin/bash
# Builds the guest: CPython as a WebAssembly reactor and its standard library as one zip, from pinned Debian packages.
#
#   build.sh [--work DIR] [--out DIR]
#
# --work DIR   folder for sources and objects. Reused between calls: a stage whose inputs have not changed is skipped.
#              Default: a temporary folder that is removed at the end.
# --out DIR    folder for guest.wasm.zst, stdlib.zip.zst, MANIFEST.json and licenses/. Default: the pyguest folder.
#
# Runs as root on Debian 12 with Go. The bytes do not depend on the folders, the time or the user; see README.md.
set -euo pipefail

build=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work='' out=$(dirname "$build")
while [ $# -gt 0 ]; do
  case $1 in
    --work | --out)
      [ $# -ge 2 ] || { echo "build.sh: $1 needs a folder" >&2; exit 2; }
      mkdir -p "$2"
      if [ "$1" = --work ]; then work=$(cd "$2" && pwd -P); else out=$(cd "$2" && pwd -P); fi
      shift 2 ;;
    -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) echo "build.sh: unknown argument $1 (try --help)" >&2; exit 2 ;;
  esac
done
if [ -z "$work" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi

export GUEST_WORK=$work GUEST_OUT=$out
# shellcheck source=stages.sh
. "$build/stages.sh"

guest=$repo/pyguest/guest

stage tools.sh inputs.txt
stage fetch.sh inputs.txt
stage unpack.sh patches.txt patches
stage native.sh
stage libs.sh flags.sh sqlite3_wasi.c
stage python.sh flags.sh profile/python.profdata.zst "$guest"/net.h
stage stdlib.sh stdlib.py stdlib-omit.txt
stage licenses.sh
after=python.sh stage link.sh link-flags.sh "$guest" "$repo"/pyguest/{instrument,wasmbin}
stage pack.sh manifest.py
say "done: $out"
