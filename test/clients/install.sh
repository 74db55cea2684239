#!/bin/bash
# Installs the clients that the vendors publish into .cache/clients of the repository, in the versions
# and with the hashes of testdata/. It prints the path of Node.js, and the folders of the packages for
# Node.js, of the Python environment, and of FaaSpot's last client.
#
#   test/clients/install.sh
#
# It needs node and npm, and python3 (3.11 or later) with the module venv. If one is missing and this
# runs as root on Debian, it installs the packages of Debian. The clients need Node.js 20 or later: if
# that of the machine is older, as in Debian 12, npm installs the one of testdata/nodejs. The script
# does nothing if everything is installed.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/testdata"

fail() {
  echo "test/clients/install.sh: $*" >&2
  exit 1
}

packages=()
command -v node >/dev/null && command -v npm >/dev/null || packages+=(nodejs npm)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
[ ${#packages[@]} = 0 ] || ../../packages.sh "${packages[@]}" || fail "cannot install ${packages[*]}"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$(python3 --version) is too old: the clients need Python 3.11 or later"

cache=$(cd ../../.. && pwd)/.cache/clients
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9 # tests of two checkouts of a commit, or two runs, may share the folder

# A folder is named after everything that determines its content. The last step marks it as whole.
sum() { cat "$@" <(node --version; python3 --version; uname -m) | sha256sum | cut -c1-16; }

# npm_ci FOLDER installs the packages that a folder of testdata lists, and prints where.
npm_ci() {
  local to
  to=$cache/$1-$(sum "$1/package.json" "$1/package-lock.json" "$1/.npmrc")
  if [ ! -e "$to/whole" ]; then
    rm -rf "$to"
    mkdir "$to"
    cp "$1/package.json" "$1/package-lock.json" "$1/.npmrc" "$to"
    (cd "$to" && npm ci >&2) || fail "npm cannot install the packages of testdata/$1/package-lock.json"
    touch "$to/whole"
  fi
  echo "$to"
}

# recent NODE reports whether a Node.js is recent enough for the clients.
recent() { "$1" -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)'; }

nodejs=$(command -v node)
if ! recent "$nodejs"; then
  old=$(node --version) arch=$(node -p process.arch)
  nodejs=$(npm_ci nodejs)
  nodejs+=/node_modules/node-linux-$arch/bin/node
  [ -x "$nodejs" ] || fail "node $old is too old, and npm has none for $arch: the clients need Node.js 20 or later"
fi
node=$(npm_ci node)

python=$cache/python-$(sum python/requirements.txt python/faaspot.txt)
if [ ! -e "$python/whole" ]; then
  rm -rf "$python"
  python3 -m venv "$python"
  pip() { "$python/bin/python" -m pip --quiet --disable-pip-version-check "$@" >&2; }
  pip install --no-deps --require-hashes --only-binary :all: -r python/requirements.txt ||
    fail "pip cannot install the packages of testdata/python/requirements.txt; they have hashes for Python 3.11 and 3.13 on Linux"
  # No wheel can be built of FaaSpot's client by the tools of today: it lists packages as modules.
  pip download --no-deps --no-build-isolation --require-hashes --no-binary faaspot -d "$python/faaspot" -r python/faaspot.txt ||
    fail "pip cannot download FaaSpot's client"
  tar -xzf "$python"/faaspot/*.tar.gz -C "$python/faaspot" --strip-components 1
  touch "$python/whole"
fi

echo "$nodejs"
echo "$node"
echo "$python"
echo "$python/faaspot"
