#!/bin/sh
# Deploys the function FUNCTION, or updates it, and runs it once.
set -eu
cd "$(dirname "$0")"
fas=${FAS:-PROGRAM}

if "$fas" functions list -q | grep -qxF FUNCTION; then
  "$fas" functions update FUNCTION --file FUNCTION.py --context-file FUNCTION.context
else
  "$fas" functions create FUNCTION --file FUNCTION.py --context-file FUNCTION.context
fi
"$fas" functions run FUNCTION -p name=Ada --wait
