#!/bin/bash
# Tests the Python client with the server in FAS_BINARY, or with one that the tests build. If Python is
# missing and this runs as root on Debian, it installs Python.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v python3 >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3 python3-venv python3-pip openssl
  else
    echo "skipped: the tests of the Python client need python3 (apt install python3)" >&2
    exit 0
  fi
fi
exec python3 -B -m unittest "$@"
