#!/bin/bash
# Writes packages.txt: the newest versions of the packages in names.txt and of what they depend on,
# with the hashes of their wheels for CPython 3.13 on Linux.
#
#   test/packages/lock.sh
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
./fetch.sh names.txt "$work"
{
  echo "# The packages of names.txt with those that they depend on: written by lock.sh."
  for wheel in "$work"/*.whl; do
    IFS=- read -r name version _ <<<"$(basename "$wheel")"
    name=$(tr 'A-Z_' 'a-z-' <<<"$name")
    echo "$name==$version --hash=sha256:$(sha256sum "$wheel" | cut -d' ' -f1)"
  done | LC_ALL=C sort
} >"$work/packages.txt"
mv "$work/packages.txt" packages.txt
