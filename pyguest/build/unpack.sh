#!/bin/bash
# the sources with Debian's security patches
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"

rm -rf "$work/source" "$work/debian" "$work/sysroot" "$work/zoneinfo"
mkdir -p "$work/source" "$work/debian"
: >"$work/patches-applied"

# source package -> short name of its folder, independent of the version.
declare -A folder=([python3.13]=python [zlib]=zlib [bzip2]=bzip2 [xz-utils]=xz [sqlite3]=sqlite3)

while read -r package _ file _; do
  name=${folder[$package]:?no folder for $package}
  case $file in
    *.orig.tar.*) into=$work/source/$name ;;
    *.debian.tar.*) into=$work/debian/$name ;;
    *) die "inputs.txt: $file is neither an .orig nor a .debian archive" ;;
  esac
  mkdir -p "$into"
  tar -xf "$work/download/$file" -C "$into" --strip-components=1 --no-same-owner
done < <(pinned source)

for package in "${!folder[@]}"; do
  name=${folder[$package]}
  series=$work/debian/$name/patches/series
  [ -e "$series" ] || continue
  mapfile -t patterns < <(awk -v package="$package" '$1 == package { print $2 }' "$build/patches.txt")
  declare -A unused=()
  for pattern in "${patterns[@]}"; do unused[$pattern]=1; done
  while read -r patch _; do
    for pattern in "${patterns[@]}"; do
      # shellcheck disable=SC2053 # a pattern is meant
      [[ $patch == $pattern ]] || continue
      unset "unused[$pattern]"
      quiet "patch-$name" patch -d "$work/source/$name" -p1 --no-backup-if-mismatch -i "$work/debian/$name/patches/$patch"
      printf '%s %s\n' "$package" "$patch" >>"$work/patches-applied"
      break
    done
  done < <(grep -Ev '^[[:space:]]*(#|$)' "$series")
  [ ${#unused[@]} = 0 ] || die "patches.txt: no patch of $package matches ${!unused[*]}"
done
for patch in "$build"/patches/*.patch; do
  quiet patch-own patch -d "$work/source/python" -p1 --no-backup-if-mismatch -i "$patch"
  printf 'python3.13 faaspot/%s\n' "$(basename "$patch")" >>"$work/patches-applied"
done
LC_ALL=C sort -s -k1,1 -o "$work/patches-applied" "$work/patches-applied"
say "$(wc -l <"$work/patches-applied") patches applied"

while read -r package _ file _; do
  case $package in
    wasi-libc) dpkg -x "$work/download/$file" "$work/sysroot" ;;
    tzdata | tzdata-legacy) dpkg -x "$work/download/$file" "$work/zoneinfo" ;;
    *) die "inputs.txt: nothing is known to be done with binary package $package" ;;
  esac
done < <(pinned binary)
