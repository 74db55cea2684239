"""Server-sent events, as in the HTML standard, "Interpreting an event stream".

Lines end in LF or CRLF here; a CR alone, which the standard knows too, is part of
its line: servers of this API do not write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, List, Optional


@dataclass(frozen=True)
class Event:
    """name is "message" if the server gave none; id is the last one that the
    stream had, None before the first."""

    name: str
    data: str
    id: Optional[str]


def parse(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events in a stream. One that the stream breaks off in is dropped."""
    name = ""
    data: List[str] = []
    last: Optional[str] = None
    first = True
    for raw in lines:
        if not raw.endswith(b"\n"):
            return
        text = raw[:-1].decode("utf-8", "replace")
        if text.endswith("\r"):
            text = text[:-1]
        if first:
            text = text[1:] if text.startswith("\ufeff") else text
            first = False
        if not text:
            if data:
                yield Event(name or "message", "\n".join(data), last)
            name, data = "", []
            continue
        field, _, value = text.partition(":")
        if value.startswith(" "):
            value = value[1:]
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last = value
        # A line that begins with a colon is a comment; other fields are for
        # browsers.
