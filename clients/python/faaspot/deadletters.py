"""f.dead_letters: callbacks about the end of job executions that could not be delivered."""

from __future__ import annotations

from typing import Callable, Iterator, List, Optional, Sequence, cast

from . import arguments, pages
from .models import DeadLetter
from .transport import Request, Transport

_PATH = "/v1/dlq/"
_MAX_PAGE = 1000  # dead letters in one answer of the server


class DeadLetters:
    """The dead letters of a server. Any thread may use it.

    Every method may raise the FaaspotExceptions of its request, such as NotFound, Unauthenticated,
    TooBusy, Unavailable and NoAnswer, and TypeError or ValueError for arguments that are not valid.
    """

    def __init__(self, transport: Callable[[], Transport]) -> None:
        self._transport = transport

    def list(self, *, limit: Optional[int] = None) -> List[DeadLetter]:
        """Return the dead letters without their bodies, newest first; limit is their maximum number, at
        least 0."""
        return list(self.iterate(limit=limit))

    def iterate(self, *, limit: Optional[int] = None) -> Iterator[DeadLetter]:
        """Iterate over the dead letters that list returns, without having all of them in memory."""
        path = "{}?limit={}".format(_PATH, pages.check_limit(limit, _MAX_PAGE))
        return self._iterate(path, limit)

    def get(self, id: str) -> DeadLetter:
        """Return one dead letter with its body."""
        return cast(DeadLetter, self._transport().call(Request("GET", _path(id), repeatable=True)).expect(dict))

    def redrive(self, ids: Optional[Sequence[str]] = None) -> int:
        """Let the server deliver dead letters again as if they were new, and return their number.

        ids  at most 10,000 ids; default all dead letters. If one of them is unknown, NotFound is raised
             and none is delivered again
        """
        body = {} if ids is None else {"ids": _ids(ids)}
        request = Request("POST", _PATH + "redrive", arguments.encode(body, "ids"), repeatable=ids is None)
        return self._count(request)

    def purge(self, id: str) -> None:
        """Delete one dead letter."""
        self._count(Request("DELETE", _path(id)))

    def purge_all(self) -> int:
        """Delete all dead letters, and return their number."""
        return self._count(Request("DELETE", _PATH, repeatable=True))

    def _iterate(self, path: str, limit: Optional[int]) -> Iterator[DeadLetter]:
        yield from pages.limited(pages.items(self._transport(), path), limit)

    def _count(self, request: Request) -> int:
        answer = self._transport().call(request)
        count = answer.expect(dict).get("count")
        if not isinstance(count, int):
            raise answer.foreign("it has no count")
        return count


def _path(id: str) -> str:
    return _PATH + arguments.segment(id, "id")


def _ids(ids: Sequence[str]) -> List[str]:
    if isinstance(ids, (str, bytes)):
        raise TypeError("ids must be a list of ids, not one")
    return list(ids)
