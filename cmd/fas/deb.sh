#!/bin/bash
# Builds the Debian package of fas.
#
#   cmd/fas/deb.sh CONTENT VERSION ARCH FAS FOLDER
#
# CONTENT is a folder with the binary fas for ARCH (amd64 or arm64), LICENSE and licenses/. FAS is the same release for this
# machine: it writes the manual pages and the completion. The package is FOLDER/faaspot_VERSION_ARCH.deb, with the form of the
# version that cmd/fas/deb/version prints. Its bytes depend on CONTENT, VERSION, ARCH and SOURCE_DATE_EPOCH alone. Needs Go, gzip and sed.
set -euo pipefail

# The tool that writes packages, https://nfpm.goreleaser.com.
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

content=$(realpath "$1") version=$2 arch=$3 fas=$(realpath "$4") folder=$(realpath "$5")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
umask 022

debian=$(cmd/fas/deb/version "$version" "$SOURCE_DATE_EPOCH")
maintainer='The faaspot project <faaspot@users.noreply.github.com>'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
install -D -m 755 "$content/fas" "$root/usr/bin/fas"

# What Debian expects of the documentation: who has the copyright, and a changelog in its own form beside that of the project.
doc=$root/usr/share/doc/faaspot
mkdir -p "$doc"
cp -r "$content/licenses" "$doc/licenses"
install -D -m 644 "$content/LICENSE" "$doc/licenses/faaspot/LICENSE"
cat >"$doc/copyright" <<'END'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: faaspot
Source: https://github.com/faaspot/faaspot
Comment: The licences of the code that the binary includes are in /usr/share/doc/faaspot/licenses.

Files: *
Copyright: 2026 The authors of faaspot
License: Apache-2.0

License: Apache-2.0
 On Debian systems, the full text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
END
gzip -9 -n <CHANGELOG.md >"$doc/CHANGELOG.md.gz"
gzip -9 -n >"$doc/changelog.gz" <<END
faaspot ($debian) unstable; urgency=medium

  * The changes are in /usr/share/doc/faaspot/CHANGELOG.md.gz.

 -- $maintainer  $(LC_ALL=C date --utc --date="@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %T +0000')
END
mkdir -p "$root/usr/share/lintian/overrides"
echo 'faaspot: statically-linked-binary' >"$root/usr/share/lintian/overrides/faaspot"

# The unit of the documentation, with a user that stays: files of the operator can be given to it.
units=$root/usr/lib/systemd/system
mkdir -p "$units"
sed '1,/^$/d; s,/usr/local/bin/fas,/usr/bin/fas,; s,^DynamicUser=yes$,User=faaspot,
  s,^Environment=FAASPOT_DATA=/var/lib/faaspot$,& FAASPOT_CONFIG=/var/lib/faaspot/fasconf.yaml,' \
  examples/systemd/faaspot.service >"$units/faaspot.service"
sed '1,/^$/d' examples/systemd/faaspot.socket >"$units/faaspot.socket"
grep -qx User=faaspot "$units/faaspot.service"
grep -q FAASPOT_CONFIG "$units/faaspot.service"
grep -q '^ExecStart=/usr/bin/fas ' "$units/faaspot.service"
install -D -m 644 examples/systemd/faasd.toml "$root/etc/faaspot/faasd.toml"

mkdir -p "$root/usr/share/man/man1" "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
  "$root/usr/share/fish/vendor_completions.d"
"$fas" man "$root/usr/share/man/man1"
gzip -9 -n "$root"/usr/share/man/man1/*
"$fas" completion bash >"$root/usr/share/bash-completion/completions/fas"
"$fas" completion zsh >"$root/usr/share/zsh/vendor-completions/_fas"
"$fas" completion fish >"$root/usr/share/fish/vendor_completions.d/fas.fish"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

cat >"$work/nfpm.yaml" <<END
name: faaspot
arch: $arch
platform: linux
version: "$debian"
version_schema: none
section: net
priority: optional
maintainer: "$maintainer"
homepage: https://github.com/faaspot/faaspot
license: Apache-2.0
description: |
  Python functions in sandboxes
  A server that runs Python functions of many users, each run in a sandbox
  of its own, and the command line for it.
depends: [adduser]
recommends: [ca-certificates]
suggests: [bash-completion]
contents:
  - {src: "$root/usr", dst: /usr, type: tree}
  - {src: "$root/etc/faaspot/faasd.toml", dst: /etc/faaspot/faasd.toml, type: config}
scripts:
  postinstall: cmd/fas/deb/postinst
  preremove: cmd/fas/deb/prerm
  postremove: cmd/fas/deb/postrm
deb:
  compression: gzip
END
package=$folder/faaspot_${debian}_$arch.deb
go run "$nfpm" package --config "$work/nfpm.yaml" --packager deb --target "$package" >/dev/null
printf '%s\n' "$package"
