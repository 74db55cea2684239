"""Executors of threads on one thread: the call that is submitted runs at once, inside of `submit`.

So `ThreadPoolExecutor`, `asyncio.to_thread` and `loop.run_in_executor` work, and take as long as
their calls take one after the other. A call runs as in a thread of its own in two respects: no event
loop is running for it, so that it may use asyncio.run, and it has a context of its own.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import concurrent.futures.thread as pool
from asyncio import events
from collections.abc import Callable
from concurrent.futures import _base
from contextvars import Context


def install() -> None:
    """Make executors of threads run what they are given at once."""
    executor = pool.ThreadPoolExecutor
    for owner, function in (
        (executor, submit), (executor, shutdown), (asyncio.base_events.BaseEventLoop, shutdown_default_executor),
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
    try:
        return context.run(call)
    finally:
        events._set_running_loop(loop)


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
    # The contexts of the threads that an executor would have: a call that submits another is in one.
    idle = self.__dict__.setdefault("_contexts", [])
    context = idle.pop() if idle else None
    if context is None:
        context = Context()
        if not as_thread(lambda: _initialized(self), context):
            self._work_queue.put(item)
            self._initializer_failed()
            return future
    try:
        as_thread(item.run, context)
    finally:
        idle.append(context)
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
