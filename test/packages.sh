#!/bin/bash
# Installs those of some Debian packages that are missing.
#
#   test/packages.sh PACKAGE...
#
# Needs root if one is missing; the output of apt goes to the standard error.
set -euo pipefail

missing=()
for package in "$@"; do
  # shellcheck disable=SC2016 # dpkg-query's own variable
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "these Debian packages are missing: ${missing[*]}" >&2
  echo "install them, or run this as root on Debian 12" >&2
  exit 1
fi
echo "installing ${missing[*]}" >&2
apt-get update -q >&2
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
