"""Executors of threads on one thread: the call that is submitted runs at once, inside of `submit`.

So `ThreadPoolExecutor`, `asyncio.to_thread` and `loop.run_in_executor` work, and take as long as
their calls take one after the other. A call runs as in a thread of its own in three respects: no event
loop is running for it, so that it may use asyncio.run; it has a context of its own; and while it waits,
for a future or an event, the loop that it was submitted from goes on.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import concurrent.futures.thread as pool
import threading
import time
from asyncio import events, tasks
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Callable
from concurrent.futures import _base
from contextvars import Context

WATCH_INTERVAL = 0.01  # seconds between looks at the descriptors of several loops

_wait = threading.Condition.wait

# The loops that go on while the only thread waits: those that calls have left, and those of Background.
_others: list[asyncio.AbstractEventLoop] = []


def install() -> None:
    """Make executors of threads run what they are given at once."""
    executor = pool.ThreadPoolExecutor
    for owner, function in (
        (executor, submit), (executor, shutdown), (asyncio.base_events.BaseEventLoop, shutdown_default_executor),
        (threading.Condition, wait),
    ):  # fmt: skip
        original = getattr(owner, function.__name__)
        function.__doc__ = original.__doc__
        function.__module__, function.__qualname__ = original.__module__, original.__qualname__
        setattr(owner, function.__name__, function)


def as_thread(call: Callable[[], object], context: Context) -> object:
    """Return what a call returns that runs as if it had a thread of its own."""
    loop = events._get_running_loop()
    if loop is None:
        return context.run(call)
    events._set_running_loop(None)
    goes_on = isinstance(loop, BaseSelectorEventLoop)  # one of another kind is left alone
    if goes_on:
        _others.append(loop)
    try:
        return context.run(call)
    finally:
        if goes_on:
            _others.pop()
        events._set_running_loop(loop)


def in_worker(call: Callable[[], object], idle: list[Context]) -> object:
    """Return what a call returns that runs in a thread of a pool, which has the contexts of its idle threads.

    A call that submits another is in one of the threads; the other has a context of its own.
    """
    context = idle.pop() if idle else Context()
    try:
        return as_thread(call, context)
    finally:
        idle.append(context)


def identity() -> int:
    """Return a number for the thread that the caller would be in: each running loop has one of its own."""
    loop = events._get_running_loop()
    return threading.get_ident() if loop is None else id(loop)


class Background:
    """A task on a loop of its own, which goes on while the only thread waits: a thread with a loop elsewhere."""

    def __init__(self, coroutine: object) -> None:
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(coroutine)
        _others.insert(0, self.loop)

    def join(self) -> None:
        """Wait for the end of the task, and close the loop as asyncio.run does."""
        try:
            _go_on(self.task.done, None)
        finally:
            _others.remove(self.loop)
            as_thread(self._close, Context())

    def _close(self) -> None:
        loop = self.loop
        try:
            asyncio.runners._cancel_all_tasks(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


def wait(self, timeout=None):
    if not _others or not self._is_owned():
        return _wait(self, timeout)
    waiter = _Waiter()
    self._waiters.append(waiter)
    began = time.monotonic()
    state = self._release_save()
    try:
        _go_on(waiter.is_released, timeout)
    finally:
        self._acquire_restore(state)
        if not waiter.released:
            self._waiters.remove(waiter)
    if waiter.released:
        return True
    return _wait(self, None if timeout is None else max(timeout - (time.monotonic() - began), 0))


class _Waiter:
    """What a condition releases to notify the caller of `wait`."""

    released = False

    def release(self) -> None:
        self.released = True

    def is_released(self) -> bool:
        return self.released


def _go_on(is_over: Callable[[], bool], timeout: float | None) -> None:
    """Run the other loops until a condition holds, or time is over, or they have nothing to wait for."""
    end = None if timeout is None else time.monotonic() + timeout
    while not is_over():
        loops = [loop for loop in dict.fromkeys(reversed(_others)) if not loop.is_closed()]
        for loop in loops:
            _step(loop)
            if is_over():
                return
        pauses = [_pause(loop) for loop in loops]
        watched = [loop for loop in loops if loop._selector.get_map()]
        if len(watched) > 1:
            pauses.append(WATCH_INTERVAL)
        if end is not None:
            pauses.append(max(end - time.monotonic(), 0))
        pause = min((pause for pause in pauses if pause is not None), default=None)
        if watched:
            watched[0]._selector.select(pause)  # the loop's next step finds the events again
        elif pause is None:
            return
        elif pause > 0:
            time.sleep(pause)
        if end is not None and time.monotonic() >= end:
            return


def _pause(loop: asyncio.AbstractEventLoop) -> float | None:
    """Return the seconds until a loop has something to do; None if only descriptors could bring that."""
    if any(not handle._cancelled for handle in loop._ready):
        return 0
    if not loop._scheduled:
        return None
    first = loop._scheduled[0]
    return 0 if first._cancelled else max(first._when - loop.time(), 0)  # the next step drops what is cancelled


class _Nothing:
    """A handle that the loop skips."""

    _cancelled = True


def _step(loop: asyncio.AbstractEventLoop) -> None:
    """Run what a loop has to do now, also in the middle of one of its tasks, which has left it for a call."""
    ready = loop._ready
    count = len(ready)
    ready.append(_Nothing)  # a loop with a handle does not wait
    running, task = events._get_running_loop(), tasks._swap_current_task(loop, None)
    events._set_running_loop(loop)
    try:
        loop._run_once()
    finally:
        events._set_running_loop(running)
        tasks._swap_current_task(loop, task)
        # The iteration that the task is in takes as many handles as there were.
        ready.extend([_Nothing] * (count - len(ready)))


def submit(self, fn, /, *args, **kwargs):
    with self._shutdown_lock, pool._global_shutdown_lock:
        if self._broken:
            raise pool.BrokenThreadPool(self._broken)
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if pool._shutdown:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        future = _base.Future()
        item = pool._WorkItem(future, fn, args, kwargs)
    idle = self.__dict__.setdefault("_contexts", [])
    if not idle:
        context = Context()
        if not as_thread(lambda: _initialized(self), context):
            self._work_queue.put(item)
            self._initializer_failed()
            return future
        idle.append(context)
    in_worker(item.run, idle)
    return future


def _initialized(executor: pool.ThreadPoolExecutor) -> bool:
    if executor._initializer is not None:
        try:
            executor._initializer(*executor._initargs)
        except BaseException:
            _base.LOGGER.critical("Exception in initializer:", exc_info=True)
            return False
    return True


def shutdown(self, wait=True, *, cancel_futures=False):
    with self._shutdown_lock:
        self._shutdown = True


async def shutdown_default_executor(self, timeout=None):
    self._executor_shutdown_called = True
    if self._default_executor is not None:
        self._default_executor.shutdown(wait=False)
