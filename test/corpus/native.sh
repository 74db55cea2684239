#!/bin/bash
# Builds the native CPython that makes the expected values of the corpus, from the guest's pinned sources, with the guest's SQLite.
#
#   test/corpus/native.sh
#
# Runs as root on Debian 12; does nothing if everything is built. cmd/fasbench/peers.sh uses the same folder, .cache/native-python; a
# CPython that it has built without the modules that are compared is built again.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

packages=(gcc libc6-dev make patch pkg-config xz-utils bzip2 tcl
  libssl-dev libsqlite3-dev zlib1g-dev libbz2-dev liblzma-dev libffi-dev libncurses-dev libreadline-dev uuid-dev)
missing=()
for package in "${packages[@]}"; do
  # shellcheck disable=SC2016 # dpkg-query's own variable
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "native.sh: these Debian packages are missing: ${missing[*]}" >&2
    echo "native.sh: install them, or run this as root on Debian 12" >&2
    exit 1
  fi
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
fi

export GUEST_WORK=$repo/.cache/native-python GUEST_OUT=$repo/.cache/native-python GUEST_KINDS=source
mkdir -p "$GUEST_WORK"
# shellcheck source=../../pyguest/build/stages.sh
. "$repo/pyguest/build/stages.sh"
stage fetch.sh inputs.txt
stage unpack.sh patches.txt patches
modules='import bz2, ctypes, curses, hashlib, lzma, readline, sqlite3, ssl, uuid, zlib; hashlib.scrypt'
"$work/native/python" -c "$modules" 2>/dev/null || rm -f "$work/stamp/native.sh"
stage native.sh
"$work/native/python" -c "$modules" || die "the native Python lacks modules"

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
