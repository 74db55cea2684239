"""Changes values in a text of YAML and leaves all else as it is, byte for byte."""

from __future__ import annotations

import re
from typing import List, Optional, Sequence, Union

from .yamltree import Entry, Mapping, Scalar, Value, YAMLError, parse, split

_STEP = 2  # columns that what is below a key is indented by

# Words that no reader takes for anything but text: they begin with a letter or
# slash and are none of the words below, or they are addresses of IPv4.
_PLAIN = re.compile(r"(?:[A-Za-z/][A-Za-z0-9_./-]*|[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)\Z")
_NOT_TEXT = frozenset("y n yes no on off true false null".split())

_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Document:
    """A text that is changed step by step. After an exception it is as it was
    before the step."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._root = parse(text)

    def get(self, *path: str) -> Optional[Value]:
        """The value at the end of a path of keys; None if a key is absent, or if
        there is nothing below one. Raises YAMLError where a key on the way has
        something else than a mapping."""
        value, name = self._root, "the file"
        for key in path:
            if isinstance(value, Scalar) and value.is_null:
                return None
            if not isinstance(value, Mapping):
                raise wrong(value, name, "a mapping")
            entry = value.find(key)
            if entry is None:
                return None
            value, name = entry.value, key
        return value

    def set(self, path: Sequence[str], value: Union[str, int, bool]) -> None:
        """Set the value at the end of a path, and make what is absent of it. The
        comment behind an old value stays."""
        old = self.get(*path)
        text = render(value)
        if old is None:
            self.make(path[:-1])
            self._insert(path[:-1], render(path[-1]) + ": " + text)
        elif not isinstance(old, Scalar):
            raise wrong(old, path[-1], "a single value")
        else:
            lines = split(self.text)
            line = lines[old.line]
            gap = " " if old.start == old.stop else ""
            lines[old.line] = line[: old.start] + gap + text + line[old.stop :]
            self._become(lines)

    def make(self, path: Sequence[str]) -> None:
        """Make mappings for what is absent of a path."""
        for length in range(1, len(path) + 1):
            value = self.get(*path[:length])
            if value is None:
                self._insert(path[: length - 1], render(path[length - 1]) + ":")
            elif not isinstance(value, Mapping) and not (isinstance(value, Scalar) and value.is_null):
                raise wrong(value, path[length - 1], "a mapping")

    def remove(self, path: Sequence[str]) -> None:
        """Remove the entry at the end of a path, and the comment lines right above
        it that are indented as it is. Nothing happens if it is absent."""
        parent = self.get(*path[:-1])
        entry = parent.find(path[-1]) if isinstance(parent, Mapping) else None
        if entry is None:
            return
        lines = split(self.text)
        first = entry.line
        comment = " " * entry.indent + "#"
        while first > 0 and lines[first - 1].startswith(comment):
            first -= 1
        del lines[first : entry.end]
        self._become(lines)

    def _insert(self, path: Sequence[str], text: str) -> None:
        """Put an entry at the end of a mapping that is there, or null."""
        lines = split(self.text)
        owner = self._entry(path)
        value = owner.value if owner else self._root
        if isinstance(value, Mapping) and value.entries:
            at, indent = value.entries[-1].end, value.indent
        else:
            # What stands for nothing gives way: {}, ~ or null.
            hole = value.braces if isinstance(value, Mapping) else value
            if isinstance(hole, Scalar) and hole.start < hole.stop:
                line = lines[hole.line]
                lines[hole.line] = line[: hole.start].rstrip(" \t") + line[hole.stop :]
            at = owner.line + 1 if owner else len(lines)
            indent = owner.indent + _STEP if owner else 0
        end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
        if at > 0 and not lines[at - 1].endswith("\n"):
            lines[at - 1] += end
        lines.insert(at, " " * indent + text + end)
        self._become(lines)

    def _entry(self, path: Sequence[str]) -> Optional[Entry]:
        entry: Optional[Entry] = None
        value = self._root
        for key in path:
            entry = value.find(key) if isinstance(value, Mapping) else None
            if entry is None:
                raise KeyError(key)
            value = entry.value
        return entry

    def _become(self, lines: List[str]) -> None:
        text = "".join(lines)
        self._root = parse(text)
        self.text = text


def wrong(value: Value, name: str, want: str) -> YAMLError:
    """The exception for a value of the wrong kind."""
    if not isinstance(value, (Scalar, Mapping)):
        want += ", not " + value.what
    return YAMLError(value.line + 1, "{}: want {}".format(name, want))


def render(value: Union[str, int, bool]) -> str:
    """A value as every reader of YAML takes it for that."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _PLAIN.match(value) and value.lower() not in _NOT_TEXT:
        return value
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable() and not "\ud800" <= char <= "\udfff":
        return char
    number = ord(char)
    if 0xD800 <= number <= 0xDFFF:
        raise ValueError("half of a surrogate pair cannot be written")
    return (
        "\\x{:02x}".format(number)
        if number < 0x100
        else "\\u{:04x}".format(number)
        if number < 0x10000
        else "\\U{:08x}".format(number)
    )
