#!/bin/bash
# the sources, from the mirror that this machine's apt uses, each checked against its SHA-256
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"

mkdir -p "$work/download"
cd "$work/download"

# right FILE SHA256: it is here and is what was pinned.
right() { [ -e "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]; }

missing=()
while read -r package version file sha256; do
  right "$file" "$sha256" || { rm -f "$file"; missing+=("source:$package=$version"); }
done < <(pinned source)
while read -r package version file sha256; do
  right "$file" "$sha256" || { rm -f "$file"; missing+=("binary:$package=$version"); }
done < <(pinned binary)

if [ ${#missing[@]} -gt 0 ]; then
  # trixie beside the machine's own release, with lists of its own, so that nothing of it is ever installed.
  mirror=$( (cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true) |
    awk '/^URIs:/ { print $2 } /^deb / { for (i = 2; i <= NF; i++) if ($i ~ /debian\/?$/) print $i }' | grep -E 'debian/?$' | head -n 1 || true)
  [ -n "$mirror" ] || die "no Debian mirror found in /etc/apt: add one, the sources come from there"
  key=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$work/apt/lists/partial"
  for kind in deb deb-src; do
    printf '%s [signed-by=%s] %s trixie main\n' "$kind" "$key" "$mirror"
  done >"$work/apt/sources.list"
  apt=(-q -o "Dir::Etc::sourcelist=$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$work/apt/lists" -o APT::Sandbox::User=root)
  quiet fetch-update apt-get "${apt[@]}" update
  while read -r wanted; do
    say "fetching ${wanted#*:}"
    case $wanted in
      source:*) get=(apt-get "${apt[@]}" source --download-only "${wanted#*:}") ;;
      binary:*) get=(apt-get "${apt[@]}" download "${wanted#*:}") ;;
    esac
    (quiet fetch-package "${get[@]}") ||
      die "Debian trixie no longer offers ${wanted#*:}: put the file that inputs.txt names into $work/download yourself, or re-pin (README.md, \"Re-pinning\")"
  done < <(printf '%s\n' "${missing[@]}" | sort -u)
fi

while read -r _ _ file sha256; do
  # A binary package is saved with its version's colon escaped; none of the pinned ones has one.
  [ -e "$file" ] || die "$file did not come: is the file name in inputs.txt right?"
  right "$file" "$sha256" ||
    die "$file has SHA-256 $(sha256sum <"$file" | cut -d' ' -f1), inputs.txt says $sha256: not used. If Debian replaced it, re-pin (README.md); if not, distrust the mirror"
done < <(pinned source; pinned binary)
