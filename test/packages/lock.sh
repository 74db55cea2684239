#!/bin/bash
# Writes packages.txt and packages-more.txt: the newest versions of the packages in names.txt and
# names-more.txt, and of what they depend on, with the hashes of their wheels for CPython 3.13 on Linux.
# packages-more.txt has what packages.txt does not have, and fits to it. In ../network it writes
# packages.txt, which fits to it as well, and servers.txt, for CPython 3.11 of Debian 12.
#
#   test/packages/lock.sh [network]
#
# With network, it writes those in ../network alone.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# lines prints the lines of the wheels of a folder.
lines() {
  local wheel name version
  for wheel in "$1"/*.whl; do
    IFS=- read -r name version _ <<<"$(basename "$wheel")"
    name=$(tr 'A-Z_' 'a-z-' <<<"$name")
    echo "$name==$version --hash=sha256:$(sha256sum "$wheel" | cut -d' ' -f1)"
  done | LC_ALL=C sort
}

packages() {
  ./fetch.sh names.txt "$work/names"
  {
    echo "# The packages of names.txt with those that they depend on: written by lock.sh."
    lines "$work/names"
  } >"$work/packages.txt"
  sed 's/ --hash.*//' "$work/packages.txt" >"$work/versions"
  ./fetch.sh names-more.txt "$work/more" --constraint "$work/versions"
  {
    echo "# The packages of names-more.txt with those that they depend on, without those of packages.txt: written by lock.sh."
    lines "$work/more" | grep -vxF -f "$work/packages.txt"
  } >"$work/packages-more.txt"
  mv "$work/packages.txt" "$work/packages-more.txt" .
}

[ "${1:-}" = network ] || packages
sed 's/ --hash.*//' packages.txt >"$work/versions"
./fetch.sh ../network/names.txt "$work/clients" --constraint "$work/versions"
{
  echo "# The packages of names.txt with those that they depend on: written by ../packages/lock.sh."
  lines "$work/clients"
} >"$work/packages.txt"
PYTHON=3.11 ./fetch.sh ../network/servers-names.txt "$work/servers"
{
  echo "# The packages of servers-names.txt with those that they depend on: written by ../packages/lock.sh."
  lines "$work/servers"
} >"$work/servers.txt"
mv "$work/packages.txt" "$work/servers.txt" ../network
