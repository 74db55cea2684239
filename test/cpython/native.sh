#!/bin/bash
# Builds the native CPython with which the tests in functions are compared: the guest's source, with all the modules that Debian's
# libraries allow.
#
#   test/cpython/native.sh
#
# Runs as root on Debian 12; does nothing if everything is there. It takes two minutes and 400 MB below .cache/cpython/native.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
packages=(gcc libc6-dev make patch pkg-config xz-utils bzip2
  libssl-dev zlib1g-dev libbz2-dev liblzma-dev libsqlite3-dev libffi-dev libreadline-dev uuid-dev)
if ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}" >/dev/null
fi

# The stages of the guest's build up to its native Python. They need only the sources.
export GUEST_WORK=$repo/.cache/cpython/native GUEST_OUT=$repo/.cache/cpython/native GUEST_KINDS=source
mkdir -p "$GUEST_WORK"
# shellcheck source=../../pyguest/build/stages.sh
. "$repo/pyguest/build/stages.sh"
stage fetch.sh inputs.txt
stage unpack.sh patches.txt patches
stage native.sh
