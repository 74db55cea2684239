#!/bin/bash
# Builds what makes the expected values of the corpus: native CPython, and the guest's SQLite for it.
#
#   test/corpus/native.sh
#
# Runs as root on Debian 12; does nothing if everything is built.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
"$repo/test/packages.sh" tcl
"$repo/test/native-python.sh"

export GUEST_WORK=$repo/.cache/native-python GUEST_OUT=$repo/.cache/native-python
# shellcheck source=../../pyguest/build/stages.sh
. "$repo/pyguest/build/stages.sh"

# The expected values of SQL are those of the guest's version, not of the machine's.
if [ ! -e "$work/lib/libsqlite3.so.0" ]; then
  rm -rf "$work/sqlite3"
  mkdir -p "$work/sqlite3" "$work/lib"
  cd "$work/sqlite3"
  quiet corpus-sqlite3-configure ../source/sqlite3/configure
  quiet corpus-sqlite3-amalgamate make sqlite3.c
  quiet corpus-sqlite3 gcc -O2 -fPIC -shared -Wl,-soname,libsqlite3.so.0 -DSQLITE_ENABLE_FTS3 -DSQLITE_ENABLE_FTS3_PARENTHESIS \
    -DSQLITE_ENABLE_FTS4 -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_COLUMN_METADATA \
    sqlite3.c -o "$work/lib/libsqlite3.so.0" -lm -lpthread -ldl
fi
