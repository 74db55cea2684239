"""Parses server-sent events, see "Interpreting an event stream" in the HTML standard.

Lines end in LF or CRLF. A CR alone, which the standard allows as well, does not end a line: servers
of this API do not write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, List, Optional


@dataclass(frozen=True)
class Event:
    """name is "message" if the server sent none; id is the last one in the stream so far, None before
    the first."""

    name: str
    data: str
    id: Optional[str]


def parse(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events in a stream. An event that is not complete when the stream ends is dropped."""
    name = ""
    data: List[str] = []
    last_id: Optional[str] = None
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
                yield Event(name or "message", "\n".join(data), last_id)
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
            last_id = value
        # A line that begins with a colon is a comment; browsers use other fields.
