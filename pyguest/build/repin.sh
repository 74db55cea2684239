#!/bin/bash
# Prints the versions that Debian offers now, as lines for inputs.txt: repin.sh [--work DIR]. Changes nothing.
#
# --work DIR   folder for apt's lists of trixie, which may exist already. Default: a temporary folder.
set -euo pipefail

build=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ "${1:-}" = --work ]; then
  mkdir -p "$2"
  work=$(cd "$2" && pwd)
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
export GUEST_WORK=$work GUEST_OUT=$work
# shellcheck source=stages.sh
. "$build/stages.sh"

each() { awk -v kind="$1" '$1 == kind { print $2 }' "$build/inputs.txt" | uniq; }

apt-get update -q >/dev/null
each tool | while read -r package; do
  apt-cache show "$package" | awk -v p="$package" '/^Version:/ { v = $2 } /^SHA256:/ { print "tool", p, v, "-", $2; exit }'
done
trixie
apt-get "${apt[@]}" update >/dev/null
each source | while read -r package; do
  # The signature and the .dsc file are not unpacked; SQLite's -www archive is its web site.
  apt-cache "${apt[@]}" showsrc --only-source "$package" | awk -v p="$package" '
    /^Version:/ { v = $2 }
    /^Checksums-Sha256:/ { sums = 1; next }
    /^[^ ]/ { sums = 0 }
    sums && $3 ~ /\.(orig|debian)\.tar\.[a-z0-9]+$/ { print "source", p, v, $3, $1 }
    /^$/ && v { exit }'
done
each binary | while read -r package; do
  apt-cache "${apt[@]}" show "$package/trixie" | awk -v p="$package" '
    /^Version:/ { v = $2 }
    /^Filename:/ { n = split($2, part, "/"); f = part[n] }
    /^SHA256:/ { print "binary", p, v, f, $2; exit }'
done
