"""Imports the modules of a package by native CPython: imports.py SITE NAME.

Writes an object to stdout: "modules" are those that can be imported, each with its public names but
those of other modules; "failed" are the others, each with its error; "stubs" is true if the package has
type stubs.
"""

import importlib
import importlib.metadata
import json
import os
import re
import sys
import types
import warnings
from pathlib import PurePosixPath

# Folders of a wheel that are no packages, and those that nobody imports.
SKIPPED = {"bin", "docs", "etc", "examples", "include", "lib", "share", "test", "tests", "testing", "benchmarks", "scripts"}

EXTENSION = re.compile(r"(\.cpython-313-[a-z0-9_-]+|\.abi3)?\.so$")


def top_modules(files: list[PurePosixPath]) -> list[str]:
    """Return the public modules of a package that are in no regular package, such as google.cloud.storage."""
    regular = {file.parent for file in files if re.sub(EXTENSION, ".py", file.name) == "__init__.py"}
    found = set()
    for file in files:
        stem = file.name.removesuffix(".py") if file.suffix == ".py" else EXTENSION.sub("", file.name)
        if stem == file.name:
            continue
        above = [*reversed(file.parents)][1:]
        package = next((folder for folder in above if folder in regular), None)
        parts = package.parts if package else (file if stem == "__init__" else file.with_name(stem)).parts
        public = all(part.isidentifier() and part[0] != "_" and not part.endswith("__mypyc") for part in parts)
        if public and parts[0] not in SKIPPED:
            found.add(".".join(parts))
    return sorted(found)


def is_module(holder: object, name: str) -> bool:
    try:
        return isinstance(getattr(holder, name), types.ModuleType)
    except Exception:  # of what is imported when it is used
        return False


def main(site: str, name: str) -> None:
    warnings.simplefilter("ignore")
    sys.path.insert(0, site)
    files = [PurePosixPath(file) for file in importlib.metadata.distribution(name).files or []]
    found: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    stdout, sys.stdout = sys.stdout, sys.stderr
    for module in top_modules(files):
        try:
            imported = importlib.import_module(module)
            found[module] = [name for name in dir(imported) if name[0] != "_" and not is_module(imported, name)]
        except BaseException as error:  # SystemExit as well
            failed[module] = (type(error).__name__ + ": " + str(error)).splitlines()[0]
    stubs = any(file.suffix == ".pyi" for file in files)
    json.dump({"modules": found, "failed": failed, "stubs": stubs}, stdout)
    stdout.flush()
    os._exit(0)  # without what modules do at the end


main(sys.argv[1], sys.argv[2])
