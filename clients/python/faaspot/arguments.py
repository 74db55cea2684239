"""Checks the arguments of callers and encodes them for requests."""

from __future__ import annotations

import datetime
import json
import re
import uuid
from typing import Any, Dict, Iterable, List, Mapping, Optional, Union
from urllib.parse import quote

# Sockets accept timeouts of at most some weeks; a day is more than any call needs.
_MAX_SECONDS = 86400

Time = Union[datetime.datetime, str]

_KEY = re.compile(r"[ -~]{1,255}\Z")


def segment(value: str, what: str) -> str:
    """A name or an id, escaped as one segment of a path. Raises TypeError or ValueError."""
    if not isinstance(value, str):
        raise TypeError("{} must be a string, not {}".format(what, type(value).__name__))
    if value in ("", ".", ".."):
        # The path would name another resource.
        raise ValueError("{} must not be {!r}".format(what, value))
    return quote(value, safe="")


def encode(value: Any, what: str) -> bytes:
    """A value as JSON. Raises TypeError or ValueError."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as err:
        kind = TypeError if isinstance(err, TypeError) else ValueError
        raise kind("{} cannot be encoded as JSON: {}".format(what, err)) from err


def encode_parameters(parameters: Optional[Mapping[str, Any]], what: str = "parameters") -> bytes:
    """The parameters of a run as JSON. Raises TypeError or ValueError."""
    return encode(check_parameters(parameters, what), what)


def check_parameters(parameters: Optional[Mapping[str, Any]], what: str) -> Dict[str, Any]:
    """The parameters of a run as a dict, empty for None. Raises TypeError."""
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise TypeError("{} must be a dict, not {}".format(what, type(parameters).__name__))
    for key in parameters:
        if not isinstance(key, str):
            # JSON would turn it into a string, which another key may be already.
            raise TypeError("{} must have strings as keys, not {!r}".format(what, key))
    return dict(parameters)


def idempotency_headers(idempotency_key: Optional[str] = None, retries: Optional[int] = None) -> Dict[str, str]:
    """The headers of a request that the server accepts once, however often it is sent; a random key
    for None. Raises TypeError or ValueError."""
    headers = {"Idempotency-Key": check_key(idempotency_key)}
    if retries is not None:
        headers["X-Retries"] = str(check_retries(retries))
    return headers


def check_key(key: Optional[str]) -> str:
    """The idempotency key, or a random one for None. Raises ValueError."""
    if key is None:
        return str(uuid.uuid4())
    if not isinstance(key, str) or not _KEY.match(key):
        raise ValueError("idempotency_key must have 1 to 255 printable ASCII characters")
    return key


def check_allow(allow: Iterable[str]) -> List[str]:
    """The rules of an allow list; the server checks their form. Raises TypeError."""
    if isinstance(allow, (str, bytes)):
        raise TypeError("allow must be a list of rules, not {}".format(type(allow).__name__))
    rules = list(allow)
    for rule in rules:
        if not isinstance(rule, str):
            raise TypeError("allow must be a list of str, not of {}".format(type(rule).__name__))
    return rules


def check_retries(retries: int) -> int:
    """The number of retries; the server checks its bounds. Raises TypeError."""
    return check_whole(retries, "retries")


def check_seconds(seconds: float, what: str) -> float:
    """A timeout that sockets accept. Raises TypeError or ValueError."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError("{} must be a number of seconds, not {!r}".format(what, seconds))
    if not 0 < seconds <= _MAX_SECONDS:
        raise ValueError("{} must be above 0 and at most {} seconds".format(what, _MAX_SECONDS))
    return float(seconds)


def check_whole(number: int, what: str) -> int:
    """A whole number; the server checks its bounds. Raises TypeError."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError("{} must be a whole number, not {!r}".format(what, number))
    return number


def time_text(when: Time, name: str) -> str:
    """A time as text. Raises ValueError for one without a time zone."""
    if not isinstance(when, datetime.datetime):
        return when
    if when.tzinfo is None:
        raise ValueError("{} has no time zone: give one, such as datetime.now(timezone.utc)".format(name))
    return when.isoformat()
