#!/bin/bash
# the sources, from the mirror that this machine's apt uses, each checked against its SHA-256
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"

mkdir -p "$work/download"
cd "$work/download"

# right FILE SHA256: succeeds if the file exists and has the pinned checksum.
right() { [ -e "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]; }

missing=()
while read -r package version file sha256; do
  right "$file" "$sha256" || { rm -f "$file"; missing+=("source:$package=$version"); }
done < <(pinned source)
while read -r package version file sha256; do
  right "$file" "$sha256" || { rm -f "$file"; missing+=("binary:$package=$version"); }
done < <(pinned binary)

if [ ${#missing[@]} -gt 0 ]; then
  trixie
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
