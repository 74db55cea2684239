"""What callers give: how it is written into requests, and what is asked of it before."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any, Dict, Mapping, Optional
from urllib.parse import quote

# Sockets take no time-out beyond some weeks; a day is beyond all that is waited
# for.
_LONGEST = 86400

_KEY = re.compile(r"[ -~]{1,255}\Z")


def segment(value: str, what: str) -> str:
    """A name or id as a part of a path."""
    if not isinstance(value, str):
        raise TypeError("{} must be a string, not {}".format(what, type(value).__name__))
    if value in ("", ".", ".."):
        # The path would be another one.
        raise ValueError("{} must not be {!r}".format(what, value))
    return quote(value, safe="")


def encode(value: Any, what: str) -> bytes:
    """A value as JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as err:
        kind = TypeError if isinstance(err, TypeError) else ValueError
        raise kind("{} cannot be written as JSON: {}".format(what, err)) from err


def encode_parameters(parameters: Optional[Mapping[str, Any]], what: str = "parameters") -> bytes:
    return encode(check_parameters(parameters, what), what)


def check_parameters(parameters: Optional[Mapping[str, Any]], what: str) -> Dict[str, Any]:
    """Parameters of a run as the dict that they are written from."""
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise TypeError("{} must be a dict, not {}".format(what, type(parameters).__name__))
    for key in parameters:
        if not isinstance(key, str):
            # JSON would make a string of it, and then a second one of that name.
            raise TypeError("{} must have strings as keys, not {!r}".format(what, key))
    return dict(parameters)


def accepting(idempotency_key: Optional[str] = None, retries: Optional[int] = None) -> Dict[str, str]:
    """Headers of a request that the server takes up once, however often it is
    sent."""
    headers = {"Idempotency-Key": check_key(idempotency_key)}
    if retries is not None:
        headers["X-Retries"] = str(check_retries(retries))
    return headers


def check_key(key: Optional[str]) -> str:
    """The key, or a new one."""
    if key is None:
        return str(uuid.uuid4())
    if not isinstance(key, str) or not _KEY.match(key):
        raise ValueError("idempotency_key must have 1 to 255 printable ASCII characters")
    return key


def check_retries(retries: int) -> int:
    if isinstance(retries, bool) or not isinstance(retries, int):
        raise TypeError("retries must be a whole number, not {!r}".format(retries))
    return retries


def check_seconds(seconds: float, what: str) -> float:
    """A time that sockets and clocks can do with."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError("{} must be a number of seconds, not {!r}".format(what, seconds))
    if not 0 < seconds <= _LONGEST:
        raise ValueError("{} must be above 0 and at most {} seconds".format(what, _LONGEST))
    return float(seconds)
