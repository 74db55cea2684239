#!/bin/sh
# Deploys the function FUNCTION, new or changed, and runs it once.
set -eu
cd "$(dirname "$0")"
fas=${FAS:-PROGRAM}

"$fas" functions apply FUNCTION --file FUNCTION.py --context-file FUNCTION.context
"$fas" functions run FUNCTION -p name=Ada --wait
