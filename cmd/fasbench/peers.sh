#!/bin/bash
# Installs the peers that fasbench compares faaspot with: gunicorn, Flask and wrk from Debian, and a native CPython of the guest's version.
#
#   cmd/fasbench/peers.sh
#
# Runs as root on Debian 12; does nothing if everything is installed. The native CPython is built once, from the guest's sources
# (pyguest/build), into .cache/native-python of the repository. This takes two minutes and 400 MB.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# The second line lists the packages for building CPython; libssl-dev provides the hashes that every native Python has.
packages=(gunicorn python3 python3-flask wrk
  gcc libc6-dev make patch pkg-config xz-utils bzip2 libssl-dev)

missing=()
for package in "${packages[@]}"; do
  # shellcheck disable=SC2016 # dpkg-query's own variable
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "peers.sh: these Debian packages are missing: ${missing[*]}" >&2
    echo "peers.sh: install them, or run this as root on Debian 12" >&2
    exit 1
  fi
  echo "peers.sh: installing ${missing[*]}"
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
fi

# The stages of the guest's build up to its native Python, in a separate work folder. They need only the sources: Debian may replace
# the pinned binary packages (tzdata) at any time.
export GUEST_WORK=$repo/.cache/native-python GUEST_OUT=$repo/.cache/native-python GUEST_KINDS=source
mkdir -p "$GUEST_WORK"
# shellcheck source=../../pyguest/build/stages.sh
. "$repo/pyguest/build/stages.sh"
stage fetch.sh inputs.txt
stage unpack.sh patches.txt patches
stage native.sh
