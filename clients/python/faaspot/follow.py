"""Follows the logs of an execution over any number of connections."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Generator, Iterator, Optional

from . import events
from .errors import FaaspotException, ForeignAnswer
from .models import FollowedLogEntry
from .transport import Request, Transport, is_retryable

# A server sends a line at least every 10 s, even if the function writes nothing.
_READ_TIMEOUT = 35.0  # seconds


def follow(transport: Transport, path: str) -> Generator[FollowedLogEntry, None, None]:
    """The log entries in the event stream at path, until the server sends the end event."""
    position: Optional[str] = None
    restarted = False
    state = _Reconnects(transport)
    while True:
        headers = {"Accept": "text/event-stream"}
        if position is not None:
            headers["Last-Event-ID"] = position
        request = Request("GET", path, None, headers, repeatable=True, read_timeout=_READ_TIMEOUT)
        failure: Optional[FaaspotException] = None
        try:
            with contextlib.closing(transport.stream(request)) as lines:
                for event in events.parse(state.watch(lines)):
                    position = event.id or position
                    if event.name == "end":
                        return
                    if event.name == "attempt":
                        restarted = True
                    elif event.name == "log":
                        yield _entry(event, restarted)
                        restarted = False
        except FaaspotException as err:
            if not is_retryable(request, err, state.reached):
                raise
            state.reached = True
            failure = err
        state.wait(failure)


class _Reconnects:
    """Counts failed connections. A received line resets the count."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._failures = 0
        self._since = transport.clock()
        self._received = False  # a line, on this connection
        self.reached = False  # the server answered, or accepted a connection, a moment ago

    def watch(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """Pass lines through and note that they arrive."""
        for line in lines:
            self._failures, self._since = 0, self._transport.clock()
            self._received = self.reached = True
            yield line

    def wait(self, failure: Optional[FaaspotException]) -> None:
        """Wait before the next connection, or raise failure after too many. failure is None if the
        stream ended properly, as long streams do."""
        received, self._received = self._received, False
        if failure is None and received:
            self._transport.sleep(self._transport.retry.first_delay)
            self._since = self._transport.clock()
            return
        if failure is None:
            failure = ForeignAnswer("the stream of logs ended before its first line")
        self._failures += 1
        pause = self._transport.pause(self._failures, self._since, failure.retry_after, None)
        if pause is None:
            raise failure
        self._transport.sleep(pause)


def _entry(event: events.Event, restarted: bool) -> FollowedLogEntry:
    fields: Any
    try:
        fields = json.loads(event.data)
        entry: FollowedLogEntry = {
            "stream": str(fields["stream"]),
            "text": str(fields["text"]),
            "restarted": restarted,
        }
        if "time" in fields:
            entry["time"] = str(fields["time"])
        return entry
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise ForeignAnswer("the stream of logs has an event that is not from a faaspot server") from err
