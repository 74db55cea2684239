"""Decoding and encoding of JSON, with errors that have the path of the value.

The host has checked the input, and checks the output again; this module only
converts values.
"""

from __future__ import annotations

import enum
import json.decoder
import json.encoder
import json.scanner
import math
import sys
import types

# Nesting that the host accepts in a result. Equal to strictjson's default.
MAX_DEPTH = 200

# Bytes of a result that the host accepts.
MAX_RESULT = 6 * 1024 * 1024


class InvalidResult(Exception):
    """The result of main is not JSON. `str()` of it has the place and the reason."""


class ResultTooLarge(Exception):
    """The result of main has more than MAX_RESULT bytes as JSON."""


def _refuse(value: object) -> object:
    raise TypeError(value)


_scan = json.scanner.c_make_scanner(json.decoder.JSONDecoder())
_encoder = json.encoder.c_make_encoder(
    {}, _refuse, json.encoder.c_encode_basestring, None, ":", ",", False, False, False
)
_utf8 = _encoder.utf8  # to bytes at once; raises ValueError for lone surrogates


def decode(text: bytes) -> object:
    """Decode JSON that the host has checked, without surrounding space."""
    value, _ = _scan(text.decode(), 0)
    return value


def encode(value: object) -> bytes:
    """Encode a value as JSON. Raises InvalidResult or ResultTooLarge."""
    try:
        text = _utf8(value)
    except MemoryError:
        raise
    except Exception:
        raise InvalidResult(_explain(value)) from None
    if len(text) > MAX_RESULT:
        raise ResultTooLarge("the result is %d bytes of JSON; the limit is %d" % (len(text), MAX_RESULT))
    return text


def encode_text(value: object) -> bytes:
    """Encode a value of the bootstrap as JSON, whatever its strings contain.

    A character takes at most 6 bytes: a lone surrogate, which UTF-8 cannot
    encode, becomes the escape that Python and JSON share.
    """
    return "".join(_encoder(value, 0)).encode("utf-8", "backslashreplace")


def _explain(value: object) -> str:
    """Return where and why a value is not JSON."""
    try:
        found = _find(value, "$", 0, set())
    except MemoryError:
        raise
    except BaseException:
        found = None  # a hostile subclass; no better message is possible
    return found or "the result cannot be encoded as JSON"


def _find(value: object, path: str, depth: int, above: set[int]) -> str | None:
    if value is None or isinstance(value, (bool, int)):
        try:
            value is None or int.__repr__(value)
        except ValueError:
            return "%s is an integer of more than %d digits: return hex(...) of it" % (path, sys.get_int_max_str_digits())
        return None
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "%s is a string with a lone surrogate, which is not valid Unicode" % path
        return None
    if isinstance(value, float):
        if math.isfinite(value):
            return None
        return "%s is %r, which JSON cannot express" % (path, float(value))
    if isinstance(value, types.CoroutineType):
        return "%s is of type coroutine, and nothing awaits it: return what asyncio.run(...) makes of it" % path
    if not isinstance(value, (dict, list, tuple)):
        return "%s is of type %s, which JSON cannot express%s" % (path, _type_name(value), _remedy(value))
    if depth >= MAX_DEPTH:
        return "%s is nested deeper than %d levels" % (path[:200], MAX_DEPTH)
    if id(value) in above:
        return "%s contains itself" % path
    above.add(id(value))
    try:
        if isinstance(value, dict):
            for key, item in value.items():
                if key is not None and not isinstance(key, (str, int, float)):
                    return "%s has a key of type %s; keys must be strings" % (path, _type_name(key))
                if isinstance(key, float) and not math.isfinite(key):
                    return "%s has the key %r, which JSON cannot express" % (path, float(key))
                if isinstance(key, str):
                    try:
                        key.encode()
                    except UnicodeEncodeError:
                        return "%s has a key with a lone surrogate, which is not valid Unicode" % path
                found = _find(item, "%s.%s" % (path, str(key)[:64]), depth + 1, above)
                if found:
                    return found
        else:
            for index, item in enumerate(value):
                found = _find(item, "%s[%d]" % (path, index), depth + 1, above)
                if found:
                    return found
    finally:
        above.discard(id(value))
    return None


def _remedy(value: object) -> str:
    """Return what to do with a value of a common type, after a colon; empty for others."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return ": return base64.b64encode(...).decode(), or its text"
    if isinstance(value, (set, frozenset, types.GeneratorType, range, map, filter, zip)):
        return ": return list(...) of it"
    if type(value).__module__ == "datetime" and hasattr(type(value), "isoformat"):
        return ": return its isoformat()"
    if hasattr(type(value), "__dataclass_fields__"):
        return ": return dataclasses.asdict(...) of it"
    if isinstance(value, enum.Enum):
        return ": return its value"
    if type(value).__module__ in ("decimal", "uuid", "pathlib", "fractions"):
        return ": return str(...) of it"
    return ""


def _type_name(value: object) -> str:
    return type(value).__name__
