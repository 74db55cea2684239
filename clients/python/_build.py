"""The build backend of this package (PEP 517 and 660). It needs nothing but the standard library, so
that pip installs the package without a package index and without setuptools. wheel.go makes the same
wheel for the server."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Dict, List, Optional

_FOLDER = Path(__file__).resolve().parent
_VERSION_LINE = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_STUBS = "stubs/faas/__init__.pyi"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same sources make the same files


def _version() -> str:
    found = _VERSION_LINE.search((_FOLDER / "faaspot" / "_version.py").read_text(encoding="utf-8"))
    if found is None:
        raise RuntimeError('faaspot/_version.py has no line __version__ = "..."')
    return found.group(1)


def _metadata() -> bytes:
    head = (_FOLDER / "dist-info" / "METADATA").read_text(encoding="utf-8")
    readme = (_FOLDER / "README.md").read_text(encoding="utf-8")
    return (head.replace("VERSION", _version()) + readme).encode()


def _package() -> Dict[str, bytes]:
    """Return the files of the package by their names."""
    folder = _FOLDER / "faaspot"
    paths = sorted([*folder.glob("*.py"), folder / "py.typed"])
    files = {"faaspot/" + path.name: path.read_bytes() for path in paths}
    # The types of the module that functions import on a server (PEP 561).
    files["faas-stubs/__init__.pyi"] = (_FOLDER / _STUBS).read_bytes()
    return files


def _write_wheel(folder: str, files: Dict[str, bytes]) -> str:
    info = "faaspot-{}.dist-info".format(_version())
    files = {**files, info + "/METADATA": _metadata(), info + "/WHEEL": (_FOLDER / "dist-info" / "WHEEL").read_bytes()}
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        record += "{},sha256={},{}\n".format(name, digest, len(data))
    files[info + "/RECORD"] = "{}{}/RECORD,,\n".format(record, info).encode()
    wheel = "faaspot-{}-py3-none-any.whl".format(_version())
    with zipfile.ZipFile(Path(folder) / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return wheel


def get_requires_for_build_wheel(config_settings: Optional[Dict[str, Any]] = None) -> List[str]:
    return []


def build_wheel(
    wheel_directory: str, config_settings: Optional[Dict[str, Any]] = None, metadata_directory: Optional[str] = None
) -> str:
    return _write_wheel(wheel_directory, _package())


def get_requires_for_build_editable(config_settings: Optional[Dict[str, Any]] = None) -> List[str]:
    return []


def build_editable(
    wheel_directory: str, config_settings: Optional[Dict[str, Any]] = None, metadata_directory: Optional[str] = None
) -> str:
    files = {"faaspot.pth": (str(_FOLDER) + "\n").encode()}
    return _write_wheel(wheel_directory, {**files, "faas-stubs/__init__.pyi": (_FOLDER / _STUBS).read_bytes()})


def get_requires_for_build_sdist(config_settings: Optional[Dict[str, Any]] = None) -> List[str]:
    return []


def build_sdist(sdist_directory: str, config_settings: Optional[Dict[str, Any]] = None) -> str:
    base = "faaspot-{}".format(_version())
    files = {"PKG-INFO": _metadata(), **_package()}
    files[_STUBS] = files.pop("faas-stubs/__init__.pyi")
    for name in ("README.md", "pyproject.toml", "_build.py", "dist-info/METADATA", "dist-info/WHEEL"):
        files[name] = (_FOLDER / name).read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(base + "/" + name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    path = Path(sdist_directory) / (base + ".tar.gz")
    path.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    return base + ".tar.gz"
