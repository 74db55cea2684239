"""Ends a call of another thread: its connection is closed, and it sends and awaits nothing more."""

from __future__ import annotations

import contextvars
import threading
import time
from concurrent.futures import CancelledError
from typing import Any, Callable, Optional

from .connection import Connection


class Abort:
    """What ends one call. Any thread may set it."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._connection: Optional[Connection] = None  # that the call uses

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function that this may end, in the context of the caller. It raises CancelledError
        then."""

        def call() -> Any:
            _current.set(self)
            check()
            return function(*args, **kwargs)

        return contextvars.copy_context().run(call)

    def set(self) -> None:
        """End the call."""
        self._event.set()
        with self._lock:
            if self._connection is not None:
                self._connection.shut_down()

    def _use(self, connection: Optional[Connection]) -> None:
        with self._lock:
            self._connection = connection

    def _check(self, seconds: float) -> None:
        if self._event.wait(seconds):
            raise CancelledError()


_current: contextvars.ContextVar[Optional[Abort]] = contextvars.ContextVar("faaspot.abort", default=None)


def use(connection: Optional[Connection]) -> None:
    """Note the connection that the call of this context uses, None for none. Raises CancelledError if
    the call was ended."""
    current = _current.get()
    if current is not None:
        current._use(connection)
        if connection is not None:
            current._check(0)


def check() -> None:
    """Raise CancelledError if the call of this context was ended."""
    current = _current.get()
    if current is not None:
        current._check(0)


def sleep(seconds: float) -> None:
    """Sleep, or raise CancelledError as soon as the call of this context is ended."""
    current = _current.get()
    if current is None:
        time.sleep(seconds)
    else:
        current._check(seconds)
