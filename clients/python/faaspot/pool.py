"""Open connections, kept for the next request.

Any thread may use a Pool. A connection that is taken belongs to the thread that
took it until it is given back.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import Callable, List, Optional

from .connection import Connection, Dialer

# Servers close connections that rest, ours after 60 s. One that rested for half
# of that is not relied on: it could be closed just when it is used again.
_IDLE_SECONDS = 30.0


class Pool:
    """Keeps up to limit connections to one server, and makes new ones."""

    def __init__(self, dialer: Dialer, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._dialer = dialer
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: List[Connection] = []  # the one used last is at the end
        self._pid = os.getpid()

    def take(self) -> Connection:
        """A connection that rests and seems alive, else a new one. NoAnswer if
        there can be none."""
        self._leave_to_parent()
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection = self._idle.pop()
            if self._clock() - connection.idle_since < _IDLE_SECONDS and not _readable(connection):
                connection.reused = True
                return connection
            connection.close()
        return self._dialer.dial()

    def fresh(self) -> Connection:
        """A new connection."""
        return self._dialer.dial()

    def give(self, connection: Connection) -> None:
        """Give back a connection whose answer was read to its end."""
        self._leave_to_parent()
        surplus: Optional[Connection] = connection
        if connection.fileno() >= 0:
            connection.idle_since = self._clock()
            with self._lock:
                self._idle.append(connection)
                # The one that rests for longest is the first to be of no use.
                surplus = self._idle.pop(0) if len(self._idle) > self._limit else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Close what rests. What is under way goes on, and later requests make
        new connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _leave_to_parent(self) -> None:
        # After a fork both processes have the same sockets; two that write to one
        # connection read each other's answers. The lock may be held by a thread
        # that does not exist here.
        if self._pid != os.getpid():
            self._lock = threading.Lock()
            self._pid = os.getpid()
            self.close()


def _readable(connection: Connection) -> bool:
    """Whether there is something to read though nothing was asked: the server
    has closed the connection, or answered what nobody asked."""
    number = connection.fileno()
    if number < 0:
        return True
    if hasattr(select, "poll"):  # not on Windows
        watch = select.poll()
        watch.register(number, select.POLLIN)
        return bool(watch.poll(0))
    return bool(select.select([number], [], [], 0)[0])
