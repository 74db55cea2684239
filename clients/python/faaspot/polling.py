"""Waits for the end of something by requests that the server answers late."""

from __future__ import annotations

from typing import Optional

from .transport import Request, Transport

# How long one request waits. Proxies commonly close connections that are silent for 60 s.
LONG_POLL = 50.0  # seconds
MARGIN = 30.0  # seconds that an answer may be late after the time that the request waits
_POLL = 1.0  # seconds between two requests if the server does not wait


class Waits:
    """The requests of one wait. timeout is how long it may take in seconds, None: without a limit."""

    def __init__(self, transport: Transport, timeout: Optional[float]) -> None:
        self._transport = transport
        self._deadline = None if timeout is None else transport.clock() + timeout
        self._reached = False  # the server has answered
        self._begin()

    def _begin(self) -> None:
        self._start = self._transport.clock()
        left = LONG_POLL if self._deadline is None else self._deadline - self._start
        self._left = min(LONG_POLL, max(0.0, left))

    def request(self, path: str, *, now: bool = False) -> Request:
        """The next request, a GET of a path that takes ?wait=. With now it does not wait."""
        return Request(
            "GET",
            path if now else "{}?wait={:.3f}".format(path, self._left),
            repeatable=True,
            read_timeout=None if now else self._left + MARGIN,
            reached=self._reached,
            retry_busy=now,
            deadline=self._deadline,
        )

    def next(self) -> bool:
        """Prepare the next request after an answer that is not the end. Returns False if the time is
        over."""
        self._reached = True
        transport = self._transport
        now = transport.clock()
        if self._deadline is not None and now >= self._deadline:
            return False
        if now - self._start < min(self._left, _POLL):
            # The server did not wait: too many requests do, or it is about to stop.
            transport.sleep(_POLL if self._deadline is None else min(_POLL, self._deadline - now))
        self._begin()
        return True
