#!/bin/bash
# the compilers at their pinned versions, from this machine's own Debian 12
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"

[ "$(id -u)" = 0 ] || die "must run as root: it installs Debian packages (a container will do)"
grep -qs '^VERSION_CODENAME=bookworm$' /etc/os-release || die "needs Debian 12 (bookworm): the pinned compilers are its packages"
command -v go >/dev/null || die "needs Go in PATH: the instrumenter is a Go program"

# The versions of these do not affect the result, so they are not pinned.
helpers=(gcc libc6-dev make patch pkg-config tcl xz-utils bzip2 gzip)

mapfile -t pins < <(pinned tool)

# The packages that apt offers, as "PACKAGE VERSION SHA256" lines, in one call, because reading the index takes a second.
offered() {
  local names=() pin
  for pin in "${pins[@]}"; do names+=("${pin%% *}"); done
  apt-cache show "${names[@]}" 2>/dev/null |
    awk '/^Package:/ { p = $2 } /^Version:/ { v = $2 } /^SHA256:/ { s = $2 } /^$/ { print p, v, s } END { print p, v, s }' | sort -u
}
offers=$(offered || true)
for pin in "${pins[@]}"; do
  read -r package version _ _ <<<"$pin"
  if ! grep -qF "$package $version " <<<"$offers"; then
    quiet apt-update apt-get update -q
    offers=$(offered || true)
    break
  fi
done

want=()
for pin in "${pins[@]}"; do
  read -r package version _ sha256 <<<"$pin"
  grep -qF "$package $version " <<<"$offers" ||
    die "Debian 12 no longer offers $package $version: re-pin it (README.md, \"Re-pinning\")"
  grep -qxF "$package $version $sha256" <<<"$offers" ||
    die "$package $version has another SHA-256 than inputs.txt says: do not use this mirror before you know why"
  # shellcheck disable=SC2016 # dpkg-query's own variables
  [ "$(dpkg-query -W -f '${Version} ${db:Status-Status}' "$package" 2>/dev/null)" = "$version installed" ] || want+=("$package=$version")
done
for package in "${helpers[@]}"; do
  # shellcheck disable=SC2016 # dpkg-query's own variable
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || want+=("$package")
done
if [ ${#want[@]} -gt 0 ]; then
  say "installing ${want[*]}"
  quiet apt-install env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends --allow-downgrades "${want[@]}"
fi
# The index verifies a download; this verifies the installed files.
for pin in "${pins[@]}"; do
  changed=$(dpkg --verify "${pin%% *}" | grep -v ' /usr/share/' || true)
  [ -z "$changed" ] || die "${pin%% *} was changed after it was installed: $changed"
done

# clang searches for its builtins under the triple's name, but the package has them under another.
rm -rf "$work/resource"
mkdir -p "$work/resource/lib/wasm32-unknown-wasip1"
system=$(clang-19 --print-resource-dir)
ln -s "$system/include" "$work/resource/include"
ln -s "$system/lib/wasi/libclang_rt.builtins-wasm32.a" "$work/resource/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a"
[ -e "$work/resource/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a" ] ||
  die "libclang-rt-19-dev-wasm32 has no $system/lib/wasi/libclang_rt.builtins-wasm32.a"
