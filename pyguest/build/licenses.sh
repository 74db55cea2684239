#!/bin/bash
# the licence of everything that is linked in or shipped
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"

rm -rf "$work/licenses"
mkdir "$work/licenses"
cd "$work/licenses"
source=$work/source

# whole NAME FILE...: copies the files. heading NAME FILE: copies the comment at the start of the file.
whole() { local name=$1; shift; cat "$@" >"$name.txt"; }
heading() { sed -n '1,/\*\//p' "$2" >"$1.txt"; }

whole cpython "$source/python/LICENSE"
# Mersenne Twister, David Gay's dtoa, SipHash, libmpdec, expat and the other parts of CPython that have authors of their own.
whole cpython-incorporated "$source/python/Doc/license.rst"
whole expat "$source/python/Modules/expat/COPYING"
heading libmpdec "$source/python/Modules/_decimal/libmpdec/mpdecimal.h"
heading hacl-star "$source/python/Modules/_hacl/Hacl_Hash_SHA2.c"
heading blake2 "$source/python/Modules/_blake2/impl/blake2b.c"
whole zlib "$source/zlib/LICENSE"
whole bzip2 "$source/bzip2/LICENSE"
# Of xz-utils only liblzma is used, all of it under 0BSD.
whole xz "$source/xz/COPYING.0BSD"
whole sqlite "$source/sqlite3/LICENSE.md"
# With its parts musl, cloudlibc and dlmalloc.
whole wasi-libc "$work/sysroot/usr/share/doc/wasi-libc/copyright"
whole compiler-rt /usr/share/doc/libclang-rt-19-dev-wasm32/copyright
whole tzdata "$work/zoneinfo/usr/share/doc/tzdata/copyright"

for file in *.txt; do
  grep -qiE 'licen[cs]e|public domain|copyright|permission' "$file" || die "$file holds no licence: did its source move?"
done
