#!/bin/bash
# CPython as a WebAssembly archive
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"
# shellcheck source=flags.sh
. "$build/flags.sh"

rm -rf "$work/python"
mkdir "$work/python"
zstd -q -d -f "$build/profile/python.profdata.zst" -o "$work/python.profdata"
cd "$work/python"

# configure would compile and link all of SQLite for each of these checks.
{
  cat ../source/python/Tools/wasm/config.site-wasm32-wasi
  for function in bind_double column_decltype column_double complete progress_handler result_double set_authorizer trace_v2 \
    value_double serialize; do
    printf 'ac_cv_lib_sqlite3_sqlite3_%s=yes\n' "$function"
  done
  printf 'ac_cv_lib_sqlite3_sqlite3_load_extension=no\n'
  printf 'ac_cv_working_tzset=yes\n' # ../guest/tz.c
  printf 'ac_cv_func_statvfs=yes\nac_cv_func_fstatvfs=yes\n' # ../guest/files.c
} >config.site

lib=$work/libs/lib include=-I$work/libs/include
quiet python-configure env CONFIG_SITE="$PWD/config.site" PKG_CONFIG_LIBDIR=/nonexistent \
  CC="$cc ${target[*]}" CPP="$cc ${target[*]} -E" CXX="clang++-19 ${target[*]}" AR="$ar" RANLIB="$ranlib" \
  OPT="${optimise[*]}" CFLAGS_NODIST="${lto[*]} ${profile[*]}" \
  ZLIB_CFLAGS="$include" ZLIB_LIBS="-L$lib -lz" BZIP2_CFLAGS="$include" BZIP2_LIBS="-L$lib -lbz2" \
  LIBLZMA_CFLAGS="$include" LIBLZMA_LIBS="-L$lib -llzma" LIBSQLITE3_CFLAGS="$include" LIBSQLITE3_LIBS="-L$lib -lsqlite3" \
  ../source/python/configure --host=wasm32-wasip1 --build=x86_64-linux-gnu --with-build-python="$work/native/python" --prefix=/usr \
  --with-hash-algorithm=siphash13 --with-pymalloc --without-mimalloc --with-doc-strings --disable-test-modules --with-ensurepip=no

# configure omits modules silently; without this check only a user would notice.
for module in ZLIB _BZ2 _LZMA _SQLITE3 _DECIMAL PYEXPAT _ELEMENTTREE _JSON _PICKLE _DATETIME _ZONEINFO _ASYNCIO _SOCKET SELECT \
  _SHA2 _BLAKE2 _STATISTICS UNICODEDATA; do
  grep -qx "MODULE_${module}_STATE=yes" Makefile || die "configure left out $(grep "^MODULE_${module}_STATE" Makefile): see $work/python/config.log"
done

# The interpreter's main loop is faster if it is small (README.md, "Speed").
quiet python-ceval make "OPT=${optimise_ceval[*]}" "CFLAGS_NODIST=${profile_ceval[*]}" Python/ceval.o

# ../guest/net.h has what these modules would find on Linux.
sockets="-include $repo/pyguest/guest/net.h"
# Not "all": that would also link a command-line interpreter.
quiet python-make make -j"$(nproc)" "MODULE__SOCKET_CFLAGS=$sockets" "MODULE_SELECT_CFLAGS=$sockets" libpython3.13.a pybuilddir.txt platform \
  Modules/_decimal/libmpdec/libmpdec.a Modules/expat/libexpat.a Modules/_hacl/libHacl_Hash_SHA2.a
grep -q " T PyInit__sqlite3$" <(llvm-nm-19 libpython3.13.a 2>/dev/null || true) || die "libpython3.13.a lacks the sqlite3 module"
