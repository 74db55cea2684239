#!/bin/bash
# zlib, bzip2, liblzma and SQLite as WebAssembly archives
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"
# shellcheck source=flags.sh
. "$build/flags.sh"

rm -rf "$work/libs"
mkdir -p "$work/libs/include" "$work/libs/lib"
cd "$work/libs"

# archive NAME FLAG... -- FILE...: compiles the files in the current folder into libs/lib/libNAME.a.
archive() {
  local name=$1 flags=() objects=() file object
  shift
  while [ "$1" != -- ]; do flags+=("$1"); shift; done
  shift
  for file in "$@"; do
    object=$(basename "${file%.c}").o
    "$cc" "${target[@]}" "${optimise[@]}" "${lto[@]}" "${flags[@]}" -c "$file" -o "$object" || return
    objects+=("$object")
  done
  "$ar" rcsD "$work/libs/lib/lib$name.a" "${objects[@]}"
}

# Only the parts that Python's zlib module calls. The gz* file functions are omitted: gzip is written in Python.
mkdir zlib && cd zlib
source=../../source/zlib
quiet zlib archive z -I"$source" -- "$source"/{adler32,compress,crc32,deflate,inffast,inflate,inftrees,trees,uncompr,zutil}.c
cp "$source"/{zlib,zconf}.h ../include/
cd ..

mkdir bzip2 && cd bzip2
source=../../source/bzip2
# bzlib.c has file functions too, which are never called: the link drops them.
quiet bzip2 archive bz2 -- "$source"/{blocksort,huffman,crctable,randtable,compress,decompress,bzlib}.c
cp "$source/bzlib.h" ../include/
cd ..

mkdir xz && cd xz
quiet xz-configure ../../source/xz/configure --host=wasm32-wasi --disable-shared --enable-static --disable-threads --disable-nls \
  --disable-xz --disable-xzdec --disable-lzmadec --disable-lzmainfo --disable-lzma-links --disable-scripts --disable-doc \
  CC="$cc ${target[*]}" AR="$ar" RANLIB="$ranlib" CFLAGS="${optimise[*]} ${lto[*]}" PKG_CONFIG=false
quiet xz-make make -C src/liblzma -j"$(nproc)"
cp src/liblzma/.libs/liblzma.a ../lib/
cp -r ../../source/xz/src/liblzma/api/lzma ../../source/xz/src/liblzma/api/lzma.h ../include/
cd ..

mkdir sqlite3 && cd sqlite3
quiet sqlite3-configure ../../source/sqlite3/configure
quiet sqlite3-amalgamate make sqlite3.c
sqlite=(
  -DSQLITE_WASI -DSQLITE_DEFAULT_UNIX_VFS='"unix"' # sqlite3_wasi.c: why not dot-file locks
  -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION
  -DSQLITE_OMIT_WAL -DSQLITE_MAX_MMAP_SIZE=0       # WASI maps no files and shares no memory
  -DSQLITE_TEMP_STORE=3                            # sorting and temporary tables count against the memory limit, not /tmp
  -DSQLITE_ENABLE_FTS3 -DSQLITE_ENABLE_FTS3_PARENTHESIS -DSQLITE_ENABLE_FTS4 -DSQLITE_ENABLE_FTS5
  -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_COLUMN_METADATA
  -DHAVE_LOCALTIME_R=1 -DHAVE_GMTIME_R=1 -DHAVE_USLEEP=1 -DHAVE_ISNAN=1
)
cp "$build/sqlite3_wasi.c" .
quiet sqlite3 archive sqlite3 "${emulation[@]}" "${sqlite[@]}" -I. -- sqlite3_wasi.c
cp sqlite3.h ../include/
