#!/bin/bash
# Downloads CPython's tests: Lib/test of the guest's pinned source, with the patches that the guest has.
#
#   test/cpython/fetch.sh
#
# Runs on Debian; writes .cache/cpython/source, or does nothing if that is up to date. If Debian has replaced its package of that CPython version, the patches come from
# the package that it offers now, which apt has verified; the source itself must have the pinned checksum.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export GUEST_WORK=$repo/.cache/cpython GUEST_OUT=$repo/.cache/cpython
mkdir -p "$GUEST_WORK/download"
# shellcheck source=../../pyguest/build/stages.sh
. "$repo/pyguest/build/stages.sh"
stamp=$work/source/stamp
now=$(hash_of "${BASH_SOURCE[0]}" "$build/inputs.txt" "$build/patches.txt")
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$now" ]; then
  exit
fi
cd "$work/download"

read -r package version orig sum < <(pinned source | awk '$1 ~ /^python/ && $3 ~ /\.orig\.tar/')
read -r _ _ debian _ < <(pinned source | awk '$1 ~ /^python/ && $3 ~ /\.debian\.tar/')
trixie
quiet fetch-update apt-get "${apt[@]}" update
for wanted in "$package=$version" "$package"; do
  if (cd "$work/download" && apt-get "${apt[@]}" source --download-only "$wanted") >"$work/log/fetch-package" 2>&1 </dev/null; then
    break
  fi
done
[ -e "$orig" ] || { cat "$work/log/fetch-package" >&2; die "Debian trixie no longer offers $orig: re-pin the guest (pyguest/build/README.md)"; }
[ "$(sha256sum <"$orig" | cut -d' ' -f1)" = "$sum" ] || die "$orig does not have the pinned checksum"
[ -e "$debian" ] || debian=$(ls -t "${package}"_*.debian.tar.* | head -n 1)

new=$work/source.new
rm -rf "$new" "$work/debian"
mkdir -p "$new" "$work/debian"
tar -xf "$orig" -C "$new" --strip-components=1 --no-same-owner
tar -xf "$debian" -C "$work/debian" --strip-components=1 --no-same-owner
mapfile -t patterns < <(awk -v package="$package" '$1 == package { print $2 }' "$build/patches.txt")
while read -r patch _; do
  for pattern in "${patterns[@]}"; do
    # shellcheck disable=SC2053 # a pattern is meant
    [[ $patch == $pattern ]] || continue
    quiet "patch-tests" patch -d "$new" -p1 --no-backup-if-mismatch -i "$work/debian/patches/$patch"
    break
  done
done < <(grep -Ev '^[[:space:]]*(#|$)' "$work/debian/patches/series")

# Only the tests are kept.
rm -rf "$work/source"
mkdir -p "$work/source/Lib"
mv "$new/Lib/test" "$work/source/Lib/test"
rm -rf "$new" "$work/debian"
printf '%s\n' "$now" >"$stamp"
