"""Runs the calls of a client in threads, for asyncio."""

from __future__ import annotations

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, AsyncIterator, Callable, Iterator, List, Optional, TypeVar, cast

from .abort import Abort

_T = TypeVar("_T")

_AT_ONCE = 100  # items of a list that one step in a thread fetches


class Calls:
    """Runs calls in at most so many threads. A call whose task is cancelled is ended: its connection is
    closed."""

    def __init__(self, most: int) -> None:
        if isinstance(most, bool) or not isinstance(most, int):
            raise TypeError("concurrency must be a whole number, not {!r}".format(most))
        if most < 1:
            raise ValueError("concurrency must be at least 1, and is {}".format(most))
        self._most = most
        self._executor: Optional[ThreadPoolExecutor] = None

    async def call(self, function: Callable[..., _T], /, *args: Any, **kwargs: Any) -> _T:
        """Await the result of a function that a thread calls."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._most, thread_name_prefix="faaspot")
        abort = Abort()
        future: asyncio.Future[Any] = asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: abort.run(function, *args, **kwargs)
        )
        try:
            return cast(_T, await future)
        except asyncio.CancelledError:
            abort.set()
            raise

    def iterate(self, function: Callable[..., Iterator[_T]], /, *args: Any, **kwargs: Any) -> AsyncIterator[_T]:
        """Iterate over the items of a list, which threads request."""
        return self._iterate(_AT_ONCE, lambda: function(*args, **kwargs))

    def follow(self, function: Callable[..., Iterator[_T]], /, *args: Any, **kwargs: Any) -> AsyncIterator[_T]:
        """Iterate over the items of a stream, each as soon as it is there."""
        return self._iterate(1, lambda: function(*args, **kwargs))

    async def _iterate(self, count: int, begin: Callable[[], Iterator[_T]]) -> AsyncIterator[_T]:
        steps = _Steps(await self.call(begin))
        try:
            while True:
                found = await self.call(steps.take, count)
                for item in found:
                    yield item
                if len(found) < count:
                    return
        finally:
            steps.close()

    def close(self) -> None:
        """Let the threads end once their calls have ended. Later calls start new ones."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)


class _Steps:
    """An iterator whose steps threads make, and which may be closed while one is in it."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._lock = threading.Lock()
        self._busy = False
        self._closed = False

    def take(self, count: int) -> List[Any]:
        """The next items, fewer than count at the end."""
        with self._lock:
            if self._closed:
                return []
            self._busy = True
        try:
            return list(itertools.islice(self._items, count))
        finally:
            with self._lock:
                self._busy = False
                closed = self._closed
            if closed:
                self._close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._busy:
                return  # the thread in it closes it
        self._close()

    def _close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            close()
