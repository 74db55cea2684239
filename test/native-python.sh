#!/bin/bash
# Builds the native CPython that functions are compared with, from the guest's pinned sources (pyguest/build), with all the modules that
# Debian's libraries allow.
#
#   test/native-python.sh
#
# Runs as root on Debian 12; does nothing if it is built: .cache/native-python/native/python of the repository. This takes two minutes
# and 400 MB.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$repo/test/packages.sh" gcc libc6-dev make patch pkg-config xz-utils bzip2 \
  locales-all libssl-dev libsqlite3-dev zlib1g-dev libbz2-dev liblzma-dev libffi-dev libncurses-dev libreadline-dev uuid-dev

# The stages of the guest's build up to its native Python, in a separate work folder. They need only the sources: Debian may replace
# the pinned binary packages (tzdata) at any time.
export GUEST_WORK=$repo/.cache/native-python GUEST_OUT=$repo/.cache/native-python GUEST_KINDS=source
mkdir -p "$GUEST_WORK"
# shellcheck source=../pyguest/build/stages.sh
. "$repo/pyguest/build/stages.sh"
stage fetch.sh inputs.txt
stage unpack.sh patches.txt patches
# An interpreter that was built before a library was installed lacks its module.
modules='import bz2, ctypes, curses, hashlib, lzma, readline, sqlite3, ssl, uuid, zlib; hashlib.scrypt'
"$work/native/python" -c "$modules" 2>/dev/null || rm -f "$work/stamp/native.sh"
stage native.sh
"$work/native/python" -c "$modules" || die "the native Python lacks modules"
