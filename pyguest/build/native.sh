#!/bin/bash
# a native Python from the same source, used for the cross build, the zip and the manifest
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"

rm -rf "$work/native"
mkdir "$work/native"
cd "$work/native"
quiet native-configure ../source/python/configure --disable-test-modules --with-ensurepip=no OPT="-DNDEBUG -O3"
quiet native-make make -j"$(nproc)" python build_all
[ "$(./python -c 'import platform; print(platform.python_version())')" = 3.13.5 ] || die "the native Python is not 3.13.5"
