#!/bin/bash
# Installs the peers that fasbench compares faaspot with: gunicorn, Flask and wrk from Debian, and a native CPython of the guest's version.
#
#   cmd/fasbench/peers.sh
#
# Runs as root on Debian 12; does nothing if everything is installed.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
"$repo/test/packages.sh" gunicorn python3 python3-flask wrk
"$repo/test/native-python.sh"
