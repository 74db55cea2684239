"""Lists in pages. The header Link names the next page (RFC 8288); in the API for jobs a cursor in the
answer does."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any, Dict, Iterator, Optional

from . import arguments
from .transport import Request, Transport

# A version of the API for jobs whose lists have cursors.
_JOBS_VERSION = {"Blaxel-Version": "2026-04-28"}

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


def limited(items: Iterator[Any], limit: Optional[int]) -> Iterator[Any]:
    """The first items, as many as the limit; all for None. What follows is not requested."""
    if limit == 0:
        return
    for count, item in enumerate(items, 1):
        yield item
        if count == limit:
            return


def check_limit(limit: Optional[int], largest: int) -> int:
    """The size of a page for the first items, as many as the limit; largest is that of a server. Raises
    TypeError or ValueError."""
    if limit is None:
        return largest
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError("limit must be a whole number, not {!r}".format(limit))
    if limit < 0:
        raise ValueError("limit must not be negative, and is {}".format(limit))
    return min(max(limit, 1), largest)


def job_items(transport: Transport, path: str, query: Dict[str, str], size: int) -> Iterator[Any]:
    """All items of a list of the API for jobs, whose pages have size items. A page is requested when
    its first item is needed."""
    query = {**query, "limit": str(size)}
    while True:
        request = Request("GET", path + "?" + urllib.parse.urlencode(query), None, _JOBS_VERSION, repeatable=True)
        answer = transport.call(request)
        page = answer.expect(dict)
        data, meta = page.get("data"), page.get("meta")
        if not isinstance(data, list) or not isinstance(meta, dict):
            raise answer.foreign("it is not a page")
        yield from data
        following = meta.get("nextCursor")
        if not meta.get("hasMore") or not isinstance(following, str) or not following:
            return
        if following == query.get("cursor"):
            raise answer.foreign("it names itself as the next page")
        query["cursor"] = following


def token_items(transport: Transport, path: str, body: Dict[str, Any]) -> Iterator[Any]:
    """All items of a list that is requested by POST, and whose pages have a token for the next one. A
    page is requested when its first item is needed."""
    while True:
        answer = transport.call(Request("POST", path, arguments.encode(body, "the search"), repeatable=True))
        page = answer.expect(dict)
        data = page.get("data")
        if not isinstance(data, list):
            raise answer.foreign("it is not a page")
        yield from data
        following = page.get("nextPageToken")
        if not isinstance(following, str) or not following:
            return
        if following == body.get("pageToken"):
            raise answer.foreign("it names itself as the next page")
        body = {**body, "pageToken": following}


def next_path(link: Optional[str]) -> Optional[str]:
    """The path and query of the next page that a header Link names; None if there is none. Scheme
    and host are ignored: the token is for one server."""
    for found in _LINK.finditer(link or ""):
        if _NEXT.search(found.group(2)):
            url = urllib.parse.urlsplit(found.group(1))
            if url.path.startswith("/"):
                return url.path + ("?" + url.query if url.query else "")
    return None
