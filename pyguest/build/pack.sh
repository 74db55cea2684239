#!/bin/bash
# the files to commit: both artefacts compressed, the manifest, the licences
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"
# shellcheck source=flags.sh
. "$build/flags.sh"
# shellcheck source=link-flags.sh
. "$build/link-flags.sh"

mkdir -p "$out/licenses" "$work/pack"
cp "$work/guest/guest.wasm" "$work/stdlib.zip" "$work/pack/"
cd "$work/pack"
# One thread: the output of several threads depends on their number.
for artefact in guest.wasm stdlib.zip; do
  zstd -q -f -19 --single-thread --no-progress "$artefact" -o "$artefact.zst"
done

# Pass to manifest.py the facts that only the shell knows: the flags as they were used, without the build's folders.
plain() { local text="$*"; text=${text//$work/\/build}; printf '%s' "${text//$repo/\/build}"; }
{
  printf 'epoch\t%s\n' "$SOURCE_DATE_EPOCH"
  printf 'flag\ttarget\t%s\n' "$(plain "${target[@]}")"
  printf 'flag\toptimise\t%s\n' "$(plain "${optimise[@]}")"
  printf 'flag\toptimise ceval\t%s\n' "$(plain "${optimise_ceval[@]}")"
  printf 'flag\tprofile\t%s\n' "$(plain "${profile[@]}")"
  printf 'flag\tprofile ceval\t%s\n' "$(plain "${profile_ceval[@]}")"
  printf 'flag\tlto\t%s\n' "$(plain "${lto[@]}")"
  printf 'flag\tlink\t%s\n' "$(plain "${link[@]}")"
  printf 'flag\twasm-opt\t%s\n' "$(plain "${wasm_opt_features[@]}" "${wasm_opt_passes[@]}")"
  printf 'tool\tclang\t%s\n' "$("$cc" --version | head -n 1)"
  printf 'tool\tlld\t%s\n' "$(wasm-ld-19 --version)"
  printf 'tool\twasm-opt\t%s\n' "$(wasm-opt --version)"
  printf 'tool\tzstd\t%s\n' "$(dpkg-query -W -f '${Version}' zstd)"
  sed 's/^\([0-9a-f]*\)  /own\t\1\t/' "$work/guest/own-sources"
  pinned source | sed 's/^/input source /' | tr ' ' '\t'
  pinned binary | sed 's/^/input binary /' | tr ' ' '\t'
  pinned tool | sed 's/^/input tool /' | tr ' ' '\t'
  sed 's/^/patch /' "$work/patches-applied" | tr ' ' '\t'
} >"$work/pack/facts"
# shellcheck disable=SC2016 # the macro's text, not a variable
version=$(sed -n 's/^#define FAAS_PROTOCOL_VERSION \([0-9][0-9]*\).*/\1/p' "$repo"/pyguest/guest/*.[ch])
[[ $version =~ ^[0-9]+$ ]] || die "pyguest/guest must say #define FAAS_PROTOCOL_VERSION exactly once"
"$work/native/python" -I -S -B "$build/manifest.py" "$version" facts guest.wasm stdlib.zip >MANIFEST.json

cp guest.wasm.zst stdlib.zip.zst MANIFEST.json "$out/"
find "$out/licenses" -mindepth 1 -delete
cp "$work/licenses"/* "$out/licenses/"
say "guest.wasm $(stat -c %s guest.wasm), compressed $(stat -c %s guest.wasm.zst); stdlib.zip $(stat -c %s stdlib.zip), compressed $(stat -c %s stdlib.zip.zst)"
