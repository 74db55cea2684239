"""Imports the modules of a package by native CPython: imports.py SITE NAME.

Writes an object to stdout: "modules" are those that can be imported, each with its public names but
those of other modules; "failed" are the others, each with its error; "inner" are the public modules in
them, of a package with extension modules; "stubs" is true if the package has type stubs.
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


def inner_modules(files: list[PurePosixPath], modules: list[str]) -> list[str]:
    """Return what may not import without the extension modules of a package, empty if it has none.

    That are the public modules that are directly in others, but extension modules, which often have a
    substitute, and the extension modules that are in no package.
    """
    extensions = [file for file in files if EXTENSION.search(file.name)]
    if not extensions:
        return []
    inner = {EXTENSION.sub("", file.name) for file in extensions if len(file.parts) == 1}
    for file in files:
        parts = (file.parent if file.name == "__init__.py" else file.with_suffix("")).parts
        public = file.suffix == ".py" and parts and parts[-1].isidentifier() and parts[-1][0] != "_"
        if public and ".".join(parts[:-1]) in modules and parts[-1] not in SKIPPED:
            inner.add(".".join(parts))
    return sorted(name for name in inner if not name.endswith("__mypyc"))


def can_import(module: str) -> bool:
    try:
        importlib.import_module(module)
    except BaseException:  # SystemExit as well
        return False
    return True


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
    inner = [module for module in inner_modules(files, list(found)) if can_import(module)]
    json.dump({"modules": found, "failed": failed, "inner": inner, "stubs": stubs}, stdout)
    stdout.flush()
    os._exit(0)  # without what modules do at the end


main(sys.argv[1], sys.argv[2])
