#!/bin/bash
# Downloads wheels for CPython 3.13 on Linux to a folder; what is there already is not fetched again.
#
#   test/packages/fetch.sh REQUIREMENTS FOLDER [FLAG OF PIP...]
#
# The variable PYTHON names another version, such as 3.11.
set -euo pipefail

version=${PYTHON:-3.13}

python3 -m pip download --quiet --disable-pip-version-check --only-binary :all: \
  --python-version "$version" --implementation cp --abi "cp${version/./}" --abi abi3 --abi none \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform any \
  --dest "$2" --requirement "$1" "${@:3}"
