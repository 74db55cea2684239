"""Lists in pages: the header Link names the next page (RFC 8288)."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any, Iterator, Optional

from .transport import Request, Transport

_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[^\s;,=]+\s*=\s*(?:"[^"]*"|[^\s;,"]+))*)')
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next)(?=\s|;|\Z)', re.IGNORECASE)


def items(transport: Transport, path: str) -> Iterator[Any]:
    """All items of the list at path. A page is requested when its first item is needed."""
    at: Optional[str] = path
    while at is not None:
        answer = transport.call(Request("GET", at, repeatable=True))
        yield from answer.expect(list)
        following = next_path(answer.headers.get("Link"))
        if following == at:
            raise answer.foreign("it names itself as the next page")
        at = following


def next_path(link: Optional[str]) -> Optional[str]:
    """The path and query of the next page that a header Link names; None if there is none. Scheme
    and host are ignored: the token is for one server."""
    for found in _LINK.finditer(link or ""):
        if _NEXT.search(found.group(2)):
            url = urllib.parse.urlsplit(found.group(1))
            if url.path.startswith("/"):
                return url.path + ("?" + url.query if url.query else "")
    return None
