#!/bin/bash
# Builds the release archives of fas, and its packages for Debian, into dist/, with their checksums.
#
#   cmd/fas/release.sh [VERSION [PLATFORM...]]
#
# VERSION is by default what "git describe --tags --always --dirty" prints; a PLATFORM is such as linux/amd64, by default all of the
# list below. Binaries for amd64 have the patched wazero, as those of "make build" have (docs/wazero-patch.md).
#
# Each archive fas_VERSION_OS_ARCH.tar.gz holds the binary, README.md, LICENSE, and in licenses/ the licences of the
# third-party code in the binary: of the guest (licenses/guest), of the linked Go modules and of Go itself (licenses/go).
# For Linux, cmd/fas/deb.sh makes a package of the same files.
#
# Archives and packages are reproducible: the same commit, version and Go release give the same bytes, on any machine and in any folder. Needs
# Go, git, GNU tar, gzip, readelf and sha256sum; uses the network only for Go modules that are not in the module cache.
set -euo pipefail

platforms=(linux/amd64 linux/arm64 darwin/arm64)
[ $# -lt 2 ] || platforms=("${@:2}")

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
say() { printf 'release: %s\n' "$*"; }
fail() {
  printf 'release: %s\n' "$*" >&2
  exit 1
}

[ -s LICENSE ] || fail "there is no LICENSE at the root of the repository; a release must include one"
[[ $(tar --version 2>/dev/null) == *"GNU tar"* ]] || fail "needs GNU tar"
for tool in git gzip readelf sha256sum; do
  command -v "$tool" >/dev/null || fail "needs $tool"
done

version=${1:-$(git describe --tags --always --dirty)}
[[ $version =~ ^[A-Za-z0-9][A-Za-z0-9.+_-]*$ ]] || fail "the version \"$version\" has characters that a file name must not have"

# Nothing of the caller's environment may change the bytes. Go's own stamp of the commit (-buildvcs) depends on which tags a
# clone has, so the version that is set below replaces it.
export CGO_ENABLED=0 GOFLAGS='' GOEXPERIMENT='' GOAMD64=v1 GOARM64=v8.0 LC_ALL=C TZ=UTC
umask 022
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
mtime=@$SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The patch is for amd64.
patched=$(go run ./runtime/sandbox/wazeropatch)
# modfile ARCH prints the flag that selects wazero for a processor.
modfile() { [ "$1" != amd64 ] || printf '%s\n' "-modfile=$patched"; }

# build OS ARCH FILE builds the binary.
build() {
  local flag
  flag=$(modfile "$2")
  GOOS=$1 GOARCH=$2 go build ${flag:+"$flag"} -trimpath -buildvcs=false -ldflags "-s -w -X main.release=$version" -o "$3" ./cmd/fas
}

# check OS ARCH FILE fails unless the binary is for its platform, has the wazero for its processor and, for Linux, is static.
check() {
  local info
  info=$(go version -m "$3")
  grep -q "GOOS=$1\$" <<<"$info" && grep -q "GOARCH=$2\$" <<<"$info" || fail "the binary for $1/$2 is for another platform"
  grep -q 'CGO_ENABLED=0$' <<<"$info" || fail "the binary for $1/$2 is built with cgo"
  local wazero=released
  ! grep -qF $'=>\t./.cache/wazero/' <<<"$info" || wazero=patched
  [ "$wazero" = "$([ "$2" = amd64 ] && echo patched || echo released)" ] || fail "the binary for $1/$2 has the $wazero wazero"
  if [ "$1" = linux ]; then
    info=$(readelf -lW "$3")
    ! grep -qE '^ *(INTERP|DYNAMIC) ' <<<"$info" || fail "the binary for $1/$2 is not static"
  fi
  if [ "$1/$2" = "$(go env GOHOSTOS)/$(go env GOHOSTARCH)" ]; then
    [ "$("$3" --version)" = "fas $version" ] || fail "the binary reports $("$3" --version), not the version $version"
  fi
}

# licences OS ARCH FOLDER copies the licences of the code that the binary links. A package may have a licence of its own, so the
# function searches the folder of each linked package and its parents up to the module's folder.
licences() {
  local goroot list module root dir files flag
  goroot=$(go env GOROOT)
  mkdir -p "$3/guest" "$3/go/std"
  install -m 644 pyguest/licenses/* "$3/guest"
  install -m 644 "$goroot/LICENSE" "$3/go/std" || fail "Go's own LICENSE is not in $goroot"
  flag=$(modfile "$2")
  list=$(GOOS=$1 GOARCH=$2 go list ${flag:+"$flag"} -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}	{{.Dir}}	{{$.Dir}}{{end}}{{end}}' ./cmd/fas)
  while IFS=$'\t' read -r module root dir; do
    [ -n "$module" ] || continue
    while :; do
      files=$(find "$dir" -maxdepth 2 -type f -iregex "$dir/\(licen[cs]es/.*\|\(licen[cs]e\|copying\|notice\|patents\|copyright\|authors\)[^/]*\)" ! -name '*.go')
      if [ -n "$files" ]; then
        mkdir -p "$3/go/$module${dir#"$root"}"
        xargs -d '\n' install -m 644 -t "$3/go/$module${dir#"$root"}" <<<"$files"
      fi
      [ "$dir" != "$root" ] || break
      dir=$(dirname "$dir")
    done
    files=$(find "$3/go/$module" -iname '*licen[cs]e*' -o -iname 'copying*')
    [ -n "$files" ] || fail "the module $module has no licence"
  done <<<"$list"
}

rm -rf dist
mkdir dist
for platform in "${platforms[@]}"; do
  os=${platform%/*} arch=${platform#*/}
  archive=fas_${version}_${os}_${arch}.tar.gz
  content=$work/$os-$arch
  mkdir -p "$content"
  build "$os" "$arch" "$content/fas"
  check "$os" "$arch" "$content/fas"
  install -m 644 README.md LICENSE "$content"
  licences "$os" "$arch" "$content/licenses"
  tar --create --format=ustar --sort=name --mtime="$mtime" --owner=0 --group=0 --numeric-owner --mode='u+rw,go+r,a-s' \
    --directory "$content" --transform 's,^\./,,' README.md LICENSE fas licenses | gzip -9 -n >"dist/$archive"
  say "dist/$archive"
  if [ "$os" = linux ]; then
    own=$work/$(go env GOHOSTOS)-$(go env GOHOSTARCH)/fas # of this machine, if it was built before
    if [ ! -x "$own" ]; then
      mkdir -p "$(dirname "$own")"
      build "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$own"
    fi
    say "$(cmd/fas/deb.sh "$content" "$version" "$arch" "$own" dist)"
  fi
done
(cd dist && sha256sum fas* >SHA256SUMS)
say "dist/SHA256SUMS"
