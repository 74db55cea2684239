"""Following the logs of an execution over any number of connections."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Generator, Iterator, Optional

from . import events
from .errors import FaaspotException, ForeignAnswer
from .shapes import FollowedLogEntry
from .transport import Request, Transport, worth_repeating

# A server sends a line at least every 10 s, whatever happens.
_SILENCE = 35.0  # seconds


def follow(transport: Transport, path: str) -> Generator[FollowedLogEntry, None, None]:
    """What the stream of events at path tells until it says that it is at its
    end."""
    position: Optional[str] = None
    restarted = False
    link = _Link(transport)
    while True:
        headers = {"Accept": "text/event-stream"}
        if position is not None:
            headers["Last-Event-ID"] = position
        request = Request("GET", path, None, headers, repeatable=True, silence=_SILENCE)
        failure: Optional[FaaspotException] = None
        try:
            with contextlib.closing(transport.stream(request)) as lines:
                for event in events.parse(link.watch(lines)):
                    position = event.id or position
                    if event.name == "end":
                        return
                    if event.name == "attempt":
                        restarted = True
                    elif event.name == "log":
                        yield _entry(event, restarted)
                        restarted = False
        except FaaspotException as err:
            if not worth_repeating(request, err, link.reached):
                raise
            link.reached = True
            failure = err
        link.rest(failure)


class _Link:
    """How well the connections do. Failures count until a line comes again."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._failures = 0
        self._since = transport.clock()
        self._heard = False  # on this connection
        self.reached = False  # the server, a moment ago

    def watch(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._failures, self._since = 0, self._transport.clock()
            self._heard = self.reached = True
            yield line

    def rest(self, failure: Optional[FaaspotException]) -> None:
        """Wait before the next connection, or raise failure if there were too
        many. Without a failure the stream has ended, as long ones do."""
        heard, self._heard = self._heard, False
        if failure is None and heard:
            self._transport.sleep(self._transport.retry.first_delay)
            self._since = self._transport.clock()
            return
        if failure is None:
            failure = ForeignAnswer("the stream of logs ends before it has begun")
        self._failures += 1
        pause = self._transport.pause(self._failures, self._since, failure.retry_after, None)
        if pause is None:
            raise failure
        self._transport.sleep(pause)


def _entry(event: events.Event, restarted: bool) -> FollowedLogEntry:
    fields: Any
    try:
        fields = json.loads(event.data)
        return {"stream": str(fields["stream"]), "text": str(fields["text"]), "restarted": restarted}
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise ForeignAnswer("the stream of logs has an event that is not one of faaspot") from err
