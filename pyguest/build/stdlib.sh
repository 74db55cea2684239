#!/bin/bash
# the standard library as one zip of bytecode
set -euo pipefail
# shellcheck source=stages.sh
. "$(dirname "$0")/stages.sh"
# shellcheck source=flags.sh
. "$build/flags.sh"

cd "$work"
sysconfigdata=$(echo python/"$(cat python/pybuilddir.txt)"/_sysconfigdata_*.py)
[ -e "$sysconfigdata" ] || die "the cross build left no _sysconfigdata"
rm -f stdlib.zip
PYTHONHASHSEED=0 native/python -S -B "$build/stdlib.py" source/python/Lib "$sysconfigdata" zoneinfo/usr/share/zoneinfo \
  "$build/stdlib-omit.txt" "$work" stdlib.zip
