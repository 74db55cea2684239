"""Keeps idle connections for the next request.

Any thread may use a Pool. A connection belongs to the thread that acquired it until that thread
releases it.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import Callable, List, Optional

from .connection import Connection, Dialer

# Servers close idle connections; a faaspot server does after 60 s. A connection that was idle for
# half of that is not used: the server could close it just when a request is sent.
_IDLE_SECONDS = 30.0


class Pool:
    """Keeps at most limit idle connections to one server, and opens new ones."""

    def __init__(self, dialer: Dialer, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._dialer = dialer
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: List[Connection] = []  # the most recently used one is last
        self._pid = os.getpid()

    def acquire(self) -> Connection:
        """An idle connection that seems usable, else a new one. Raises NoAnswer."""
        self._forget_after_fork()
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

    def open(self) -> Connection:
        """A new connection. Raises NoAnswer."""
        return self._dialer.dial()

    def release(self, connection: Connection) -> None:
        """Return a connection whose answer was read to its end."""
        self._forget_after_fork()
        surplus: Optional[Connection] = connection
        if connection.fileno() >= 0:
            connection.idle_since = self._clock()
            with self._lock:
                self._idle.append(connection)
                # The one that has been idle for longest is the first to expire.
                surplus = self._idle.pop(0) if len(self._idle) > self._limit else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Close the idle connections. Requests in progress continue, and later ones open new
        connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _forget_after_fork(self) -> None:
        # After a fork both processes share the sockets, and two that write to one connection read
        # each other's answers. A thread that does not exist in the child may hold the lock.
        if self._pid != os.getpid():
            self._lock = threading.Lock()
            self._pid = os.getpid()
            self.close()


def _readable(connection: Connection) -> bool:
    """Whether an idle connection has something to read: the server has closed it, or sent an answer
    without a request."""
    number = connection.fileno()
    if number < 0:
        return True
    if hasattr(select, "poll"):  # not on Windows
        watch = select.poll()
        watch.register(number, select.POLLIN)
        return bool(watch.poll(0))
    return bool(select.select([number], [], [], 0)[0])
