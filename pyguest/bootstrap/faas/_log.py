"""Lines of the log that programs can read: one JSON object each."""

from __future__ import annotations

import json.encoder
import sys
import time

MAX_LINE = 16 * 1024  # bytes of a line
MAX_TEXT = 4096  # characters of a message, and of the text of a value that JSON cannot express
LEVELS = ("debug", "info", "warning", "error", "critical")

_RESERVED = ("time", "level", "message", "truncated")
_stderr = sys.stderr
_now, _utc = time.time, time.gmtime


def log(message: object, /, level: str = "info", **fields: object) -> None:
    """Write a line to the log of the run: a JSON object on stderr.

    It has the time (UTC), the level, the message as text, and the fields. A value that JSON cannot
    express is written as its str(). A message is cut after 4,096 characters, and a line has at most
    16 KiB: fields that do not fit are left out, and "truncated" is then true.

    Raises ValueError for a level other than debug, info, warning, error and critical, and TypeError
    for a field called time or truncated.
    """
    if level not in LEVELS:
        raise ValueError("the level %r does not exist: use one of %s" % (level, ", ".join(LEVELS)))
    for name in _RESERVED:
        if name in fields and name not in ("level", "message"):
            raise TypeError("the field %s is written by faas.log itself: use another name" % name)
    if "message" in fields:
        raise TypeError("the field message is the first argument of faas.log: use another name")
    seconds = _now()
    record = {
        "time": "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (*_utc(seconds)[:6], int(seconds % 1 * 1000)),
        "level": level,
        "message": _text(message),
    }
    head = _encode(record)
    line = head if not fields else _encode(record | fields)
    if len(line) > MAX_LINE - 1:
        line = _fitting(head, fields)
    _stderr.write(line + "\n")
    _stderr.flush()


def _fitting(head: str, fields: dict[str, object]) -> str:
    """Return a line with those fields that fit."""
    parts = [head[:-1]]
    room = MAX_LINE - len(head) - len(', "truncated": true') - 1
    for name, value in fields.items():
        part = ", " + _encode({name: value})[1:-1]
        if len(part) <= room:
            room -= len(part)
            parts.append(part)
    return "".join(parts) + ', "truncated": true}'


def _encode(value: dict[str, object]) -> str:
    try:
        return _encoder.encode(value)
    except MemoryError:
        raise
    except Exception:  # NaN, a cycle, a key that is no string, or too deep
        return _encoder.encode({name: _plain(item) for name, item in value.items()})


def _plain(value: object) -> object:
    """Return a value if JSON can express it, else its text."""
    try:
        _encoder.encode(value)
    except MemoryError:
        raise
    except Exception:
        return _text(value)
    return value


def _text(value: object) -> str:
    try:
        text = value if type(value) is str else str(value)
    except MemoryError:
        raise
    except Exception:
        return "<its text could not be made: __str__ raised>"
    return text if len(text) <= MAX_TEXT else "%s... (%d characters)" % (text[:MAX_TEXT], len(text))


_encoder = json.encoder.JSONEncoder(allow_nan=False, default=_text)
