"""Packs the standard library: stdlib.py SOURCE_LIB SYSCONFIGDATA ZONEINFO OMIT_LIST WORK_FOLDER OUT_ZIP.

The zip holds unchecked-hash .pyc files, stored, sorted by name and all of one date, because the same sources must give the
same bytes and because the guest reads it often and never writes it. Run with -I -S and PYTHONHASHSEED=0.
"""

import importlib.util
import marshal
import os
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

# The folder of modules in tracebacks; no such folder exists in the guest.
SHOWN_AT = "/usr/lib/python3.13"
BUILD_FOLDER = "/build"
# PEP 552: the header's flags for a file with a hash that is not checked.
UNCHECKED_HASH = (1).to_bytes(4, "little")


def bytecode(name: str, source: bytes) -> bytes:
    code = compile(source, f"{SHOWN_AT}/{name}", "exec", dont_inherit=True, optimize=0)
    # Version 2 has no references to values written before. Later versions have, and one module was different in
    # another folder; most likely because they use reference counts to decide where to write references.
    return importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source) + marshal.dumps(code, 2)


def library(lib: Path, omit: set[str]) -> Iterator[tuple[str, bytes]]:
    unused = set(omit)
    for folder, folders, files in os.walk(lib):
        inside = Path(folder).relative_to(lib)
        kept = []
        for name in folders:
            path = (inside / name).as_posix() + "/"
            unused.discard(path)
            if name != "__pycache__" and path not in omit:
                kept.append(name)
        folders[:] = sorted(kept)
        for name in sorted(files):
            path = (inside / name).as_posix()
            unused.discard(path)
            if path in omit:
                continue
            data = (lib / path).read_bytes()
            if path.endswith(".py"):
                yield path + "c", bytecode(path, data)
            elif not path.endswith((".txt", ".rst", ".md")):
                yield path, data
    for path in unused:
        # A folder within an omitted folder is never reached; anything else is a misspelling.
        if not any(path != other and other.endswith("/") and path.startswith(other) for other in omit):
            raise SystemExit(f"stdlib-omit.txt: Lib has no {path}")


def sysconfigdata(path: Path, work: str) -> Iterator[tuple[str, bytes]]:
    """The build's variables without the build's folder, one a line: pprint would wrap them by the folder's length."""
    scope: dict[str, dict[str, object]] = {}
    exec(compile(path.read_text(), path.name, "exec"), scope)
    lines = ["build_time_vars = {"]
    for key, value in sorted(scope["build_time_vars"].items()):
        if isinstance(value, str):
            value = value.replace(work, BUILD_FOLDER)
        lines.append(f" {key!r}: {value!r},")
    lines.append("}\n")
    yield path.name + "c", bytecode(path.name, "\n".join(lines).encode())


def tzdata(zoneinfo: Path) -> Iterator[tuple[str, bytes]]:
    """A tzdata package as the zoneinfo module looks for it (PEP 615), from Debian's compiled zones."""
    version = (zoneinfo / "tzdata.zi").read_text().split("\n", 1)[0].removeprefix("# version ")
    packages = {"tzdata/", "tzdata/zoneinfo/"}
    keys = []
    for folder, folders, files in os.walk(zoneinfo):
        # Two more copies of everything: with leap seconds, and under the name of the default.
        folders[:] = sorted(name for name in folders if name not in ("right", "posix"))
        for name in sorted(files):
            data = (Path(folder) / name).read_bytes()
            if not data.startswith(b"TZif") or name in ("localtime", "posixrules"):
                continue
            key = (Path(folder) / name).relative_to(zoneinfo).as_posix()
            keys.append(key)
            packages.add(f"tzdata/zoneinfo/{key}".rsplit("/", 1)[0] + "/")
            yield f"tzdata/zoneinfo/{key}", data
    for package in sorted(packages):
        source = f"IANA_VERSION = {version!r}\n" if package == "tzdata/" else ""
        yield f"{package}__init__.pyc", bytecode(f"{package}__init__.py", source.encode())
    yield "tzdata/zones", "".join(f"{key}\n" for key in sorted(keys)).encode()


def main(lib: str, sysconfig: str, zoneinfo: str, omit_list: str, work: str, out: str) -> None:
    omit = {line for line in Path(omit_list).read_text().splitlines() if line and not line.startswith("#")}
    entries: dict[str, bytes] = {}
    # Each part compiles in sorted order: the output of marshal depends on the strings that the process has seen before.
    for part in (library(Path(lib), omit), sysconfigdata(Path(sysconfig), work), tzdata(Path(zoneinfo))):
        entries.update(part)
    date = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            if work.encode() in entries[name]:
                raise SystemExit(f"{name} holds the path of the work folder")
            info = zipfile.ZipInfo(name, date)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, entries[name])
    print(f"guest: {len(entries)} files, {os.path.getsize(out)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
