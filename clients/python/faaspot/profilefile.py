"""The profile file, fasconf.yaml: the known servers and the name of the active profile.

This package only reads the file. The command line `fas` is its single writer and replaces it in
one step, so a reader sees the file before or after a change, never between. People also edit it by
hand.
"""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Union

from .errors import ProfileError
from .yamlreader import Flow, Mapping, Scalar, Value, YAMLError, parse

# The fields of a profile and their types.
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

MAX_SIZE = 1 << 20  # bytes; a file of a thousand profiles takes a fifth of that


class ProfileFile:
    """The content of a profile file. It does not change."""

    def __init__(self, path: str, text: str) -> None:
        """Raises ProfileError if text is not a profile file; path is for error messages."""
        self.path = path
        try:
            self._root = parse(text)
            self.names()
        except YAMLError as err:
            raise self._wrong(err) from err

    @property
    def active(self) -> Optional[str]:
        """The name of the active profile; None if none is chosen."""
        value = self._find("faaspot", "profile")
        return value.text if isinstance(value, Scalar) and not value.is_null else None

    def names(self) -> List[str]:
        """The names of the profiles, in the order of the file."""
        value = self._find("faaspot", "profiles")
        if value is None or (isinstance(value, Scalar) and value.is_null):
            return []
        if isinstance(value, Mapping):
            return list(value.entries)
        raise _mismatch(value, "profiles", "a mapping of names to profiles")

    def profile(self, name: str) -> Dict[str, FieldValue]:
        """The fields of a profile that the file has. Raises ProfileError if there is no profile of
        that name, or a field is not valid."""
        if name not in self.names():
            raise self.absent(name)
        try:
            found: Dict[str, FieldValue] = {}
            for field, kind in FIELDS.items():
                value = self._find("faaspot", "profiles", name, field)
                if value is not None and not (isinstance(value, Scalar) and value.is_null):
                    found[field] = _read(value, field, kind)
            return found
        except YAMLError as err:
            raise self._wrong(err) from err

    def absent(self, name: str) -> ProfileError:
        """The error for a profile that does not exist."""
        names = self.names()
        return ProfileError(
            "there is no profile {!r} in {}".format(name, self.path),
            hint="it has " + ", ".join(names)
            if names
            else "it has none; `fas serve` writes one when it starts for the first time",
        )

    def _find(self, *path: str) -> Optional[Value]:
        """The value at the end of a path of keys; None if a key is absent, or its parent is null.
        Raises YAMLError if a key of the path holds something other than a mapping."""
        value: Value = self._root
        name = "the file"
        for key in path:
            if isinstance(value, Scalar) and value.is_null:
                return None
            if not isinstance(value, Mapping):
                raise _mismatch(value, name, "a mapping")
            if key not in value.entries:
                return None
            value, name = value.entries[key], key
        return value

    def _wrong(self, err: YAMLError) -> ProfileError:
        return ProfileError(
            "the profile file is not valid at {}:{}: {}".format(self.path, err.line, err.problem),
            hint="write it as indented lines of `key: value`, with plain or quoted values, as `fas profiles` does",
            line=err.line,
        )


def _mismatch(value: Value, name: str, want: str) -> YAMLError:
    """The error for a value of the wrong kind."""
    if isinstance(value, Flow):
        want += ", not " + value.what
    return YAMLError(value.line, "{}: want {}".format(name, want))


def _read(value: Value, field: str, kind: type) -> FieldValue:
    """The value of a field. Numbers and booleans may be quoted, as some programs write them."""
    if not isinstance(value, Scalar):
        raise _mismatch(value, field, "a single value")
    if kind is str:
        return value.text
    if kind is int:
        if re.fullmatch(r"[+-]?[0-9]{1,9}", value.text) and 0 < int(value.text) < 1 << 16:
            return int(value.text)
        raise _mismatch(value, field, "a number from 1 to 65535")
    word = value.text.lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise _mismatch(value, field, "true or false")


def load(path: str) -> ProfileFile:
    """Read the file at path. A file that does not exist has no profiles. Raises ProfileError if it
    cannot be read, is larger than MAX_SIZE or is not a profile file."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        data = b""
    except OSError as err:
        raise ProfileError("cannot read the profile file: {}".format(err)) from err
    if len(data) > MAX_SIZE:
        raise ProfileError(
            "the profile file {} is larger than {} bytes".format(path, MAX_SIZE),
            hint="check FAASPOT_CONFIG and FAASPOT_DIR if they are set: this may be another file",
        )
    try:
        return ProfileFile(path, data.decode("utf-8"))
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise ProfileError(
            "the profile file is not valid at {}:{}: it is not UTF-8".format(path, line),
            hint="save it as UTF-8",
            line=line,
        ) from err
