"""The profile file, fasconf.yaml: which servers there are and which one is in use.

The command line `fas` reads and writes the same file, and people do. A change
made here keeps comments, order and keys that are not known here; it is made under
the lock that `fas` takes, and replaces the file in one step, so that a reader sees
the file before or after. Tokens are in it: it is written with mode 0600.
"""

from __future__ import annotations

import os
import re
import tempfile
from typing import Callable, Dict, List, Mapping, Optional, Tuple, Union

from .errors import ProfileError
from .filelock import locked
from .yamledit import Document, wrong
from .yamltree import Mapping as Node
from .yamltree import Scalar, Value, YAMLError

# Fields of a profile, in the order in which they are written.
FIELDS: Dict[str, type] = {
    "host": str,
    "protocol": str,
    "port": int,
    "username": str,
    "password": str,
    "token": str,
    "ssl_certificate": str,
    "ssl_trust_all": bool,
    "ssl_enabled": bool,
}

FieldValue = Union[str, int, bool]

_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0", ""))


class ProfileFile:
    """The file as it was read, with the changes made since. It belongs to one
    thread."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        try:
            self._document = Document(text)
            self.names()
        except YAMLError as err:
            raise self._wrong(err) from err
        except RecursionError as err:
            raise ProfileError("the profile file {} is nested too deep".format(path)) from err

    @property
    def text(self) -> str:
        return self._document.text

    @property
    def active(self) -> Optional[str]:
        """The name of the profile in use; None if none is chosen."""
        value = self._document.get("faaspot", "profile")
        return value.text if isinstance(value, Scalar) and not value.is_null else None

    def names(self) -> List[str]:
        """The profiles, in the order of the file."""
        value = self._document.get("faaspot", "profiles")
        if isinstance(value, Node):
            return [entry.key for entry in value.entries]
        if value is None or (isinstance(value, Scalar) and value.is_null):
            return []
        raise wrong(value, "profiles", "a mapping of names to profiles")

    def profile(self, name: str) -> Dict[str, FieldValue]:
        """The fields that a profile has. ProfileError if there is none."""
        if name not in self.names():
            raise self.absent(name)
        try:
            found: Dict[str, FieldValue] = {}
            for field, kind in FIELDS.items():
                value = self._document.get("faaspot", "profiles", name, field)
                if value is not None and not (isinstance(value, Scalar) and value.is_null):
                    found[field] = _read(value, field, kind)
            return found
        except YAMLError as err:
            raise self._wrong(err) from err

    def absent(self, name: str) -> ProfileError:
        names = self.names()
        return ProfileError(
            "there is no profile {!r} in {}".format(name, self.path),
            hint="it has " + ", ".join(names)
            if names
            else "it has none; `fas serve` writes one when it starts for the first time",
        )

    def use(self, name: str) -> None:
        """Choose the profile in use."""
        if self.active != name:
            self._set(("faaspot", "profile"), name)

    def put(self, name: str, fields: Mapping[str, FieldValue]) -> None:
        """Make a profile, or change these fields of one."""
        path = ("faaspot", "profiles", name)
        try:
            self._document.make(path)
            known = self.profile(name)
        except YAMLError as err:
            raise self._wrong(err) from err
        for field in FIELDS:
            # The same value in other words, such as True, is left as written.
            if field in fields and known.get(field) != fields[field]:
                self._set(path + (field,), fields[field])

    def remove(self, name: str) -> None:
        """Remove a profile. If it is the one in use, none is from then on."""
        if name not in self.names():
            raise self.absent(name)
        self._document.remove(("faaspot", "profiles", name))
        if self.active == name:
            self._document.remove(("faaspot", "profile"))

    def _set(self, path: Tuple[str, ...], value: FieldValue) -> None:
        try:
            self._document.set(path, value)
            written = self._document.get(*path)
        except YAMLError as err:
            raise self._wrong(err) from err
        if not isinstance(written, Scalar) or _read(written, path[-1], type(value)) != value:
            # A mistake of the writer must not reach the disk.
            raise ProfileError("{} cannot be written to {}".format(".".join(path), self.path))

    def _wrong(self, err: YAMLError) -> ProfileError:
        return ProfileError(
            "the profile file is wrong at {}:{}: {}".format(self.path, err.line, err.problem), line=err.line
        )


def _read(value: Value, field: str, kind: type) -> FieldValue:
    """A field's value. Numbers and booleans may be in quotes, as other programs
    write them."""
    if not isinstance(value, Scalar):
        raise wrong(value, field, "a single value")
    if kind is str:
        return value.text
    if kind is int:
        if re.fullmatch(r"[+-]?[0-9]{1,9}", value.text) and 0 < int(value.text) < 1 << 16:
            return int(value.text)
        raise wrong(value, field, "a number from 1 to 65535")
    word = value.text.lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise wrong(value, field, "true or false")


def load(path: str) -> ProfileFile:
    """Read the file. One that does not exist has no profiles."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        data = b""
    except OSError as err:
        raise ProfileError("cannot read the profile file: {}".format(err)) from err
    try:
        return ProfileFile(path, data.decode("utf-8"))
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise ProfileError("the profile file is wrong at {}:{}: it is not UTF-8".format(path, line), line=line) from err


def update(path: str, change: Callable[[ProfileFile], None]) -> None:
    """Change the file, or make it: lock, read, let change edit, replace. If change
    raises or changes nothing, the file stays as it is. Any number of threads and
    processes may do it at once."""
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        # The file may be a link to where somebody keeps such files; the link stays.
        target = os.path.realpath(path) if os.path.exists(path) else path
        with locked(target + ".lock"):
            file = load(path)
            before = file.text
            change(file)
            if file.text != before:
                _replace(target, file.text.encode("utf-8"))
    except OSError as err:
        raise ProfileError("cannot change the profile file: {}".format(err)) from err


def _replace(path: str, data: bytes) -> None:
    """Put data in the place of the file so that whoever reads it, also after a
    lost machine, finds the old or the new content, whole."""
    folder = os.path.dirname(path) or "."
    descriptor, name = tempfile.mkstemp(prefix="." + os.path.basename(path) + ".", dir=folder)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    if hasattr(os, "O_DIRECTORY"):  # not on Windows
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return
        try:
            os.fsync(descriptor)
        except OSError:
            pass  # not every file system syncs a folder; the content is safe either way
        finally:
            os.close(descriptor)
