"""The event loop of `async def main`.

It is made with the base image, because making one writes to a hundred pages, which each run would pay
for. A run that ends leaves it as asyncio.run would: nothing that was begun in it is left.

A task that waits is on the heap alone; the native stack has only the frames of the loop. So the loop
is run by a generator, `steps`, which yields when all tasks wait: then the guest returns to the host,
and the memory of the interpreter is all that there is of the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
from asyncio import base_events, events, runners, tasks
from collections.abc import Generator, Iterator
from types import CoroutineType

# What a run waits for: a number of nanoseconds.
type Steps = Generator[int, None, object]

# Bound here, because functions replace attributes of modules.
_run = asyncio.run
_all_tasks = asyncio.all_tasks
_gather = tasks.gather
_heappop = heapq.heappop
_ceil = math.ceil
_stop_when_done = base_events._run_until_complete_cb
_LONGEST = base_events.MAXIMUM_SELECT_TIMEOUT

_policy = asyncio.get_event_loop_policy()
_loop = asyncio.new_event_loop()


def steps(coroutine: CoroutineType) -> Steps:
    """Run a coroutine as asyncio.run does, and return its result.

    When all tasks wait for a timer, this yields the nanoseconds until the first is due. It may be
    continued earlier: then the loop itself waits for the rest.
    """
    loop = _loop
    if events._event_loop_policy is not _policy or loop._closed:
        return _run(coroutine)
    try:
        return (yield from _completed(loop.create_task(coroutine)))
    finally:
        if left := _all_tasks(loop):
            yield from _cancelled(left)
        if loop._asyncgens:
            yield from _completed(loop.create_task(loop.shutdown_asyncgens()))
            loop._asyncgens_shutdown_called = False


def finished(value: object) -> object:
    """Return a value, or what a coroutine returns as asyncio.run runs it."""
    if type(value) is not CoroutineType:
        return value
    running = steps(value)
    try:
        while True:
            next(running)
    except StopIteration as end:
        return end.value


def _completed(future: asyncio.Future) -> Steps:
    """Run the loop until a future is done, as run_until_complete does, and return its result."""
    loop = _loop
    future.add_done_callback(_stop_when_done)
    try:
        loop._run_forever_setup()
        try:
            while True:
                if not loop._ready and (wait := _wait()):
                    yield wait
                loop._run_once()
                if loop._stopping:
                    break
        finally:
            loop._run_forever_cleanup()
    finally:
        future.remove_done_callback(_stop_when_done)
    if not future.done():
        raise RuntimeError("Event loop stopped before Future completed.")
    return future.result()


def _wait() -> int:
    """Return the nanoseconds until the first timer of the loop is due, in whole milliseconds as the loop
    waits. 0 if it is due, and if the loop must be run to see what it waits for."""
    loop = _loop
    if loop._stopping or loop._selector.get_map():
        return 0
    scheduled = loop._scheduled
    while scheduled and scheduled[0]._cancelled:
        loop._timer_cancelled_count -= 1
        _heappop(scheduled)._scheduled = False
    if not scheduled:
        return 0
    return max(_ceil(min(scheduled[0]._when - loop.time(), _LONGEST) * 1000), 0) * 1_000_000


def _cancelled(left: set[asyncio.Task]) -> Steps:
    """Cancel the tasks that are left, as asyncio.run does."""
    loop = _loop
    for task in left:
        task.cancel()
    yield from _completed(_gather(*left, return_exceptions=True))
    for task in left:
        if not task.cancelled() and task.exception() is not None:
            loop.call_exception_handler(
                {
                    "message": "unhandled exception during asyncio.run() shutdown",
                    "exception": task.exception(),
                    "task": task,
                }
            )


@contextlib.contextmanager
def unnumbered() -> Iterator[None]:
    """Name the tasks of the loop, so that they do not count: the first of a run is Task-1, as elsewhere."""
    _loop.set_task_factory(_named)
    try:
        yield
    finally:
        _loop.set_task_factory(None)


def warm_up() -> None:
    """Execute the steps of an asyncio.run in advance, which make a loop for each call."""
    for _ in range(20):
        with runners.Runner(loop_factory=_new_unnumbered) as runner:
            runner.run(_nothing())


async def _nothing() -> None:
    await asyncio.sleep(0)


def _new_unnumbered() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(_named)
    return loop


def _named(loop: asyncio.AbstractEventLoop, coroutine: object, **options: object) -> asyncio.Task:
    return tasks.Task(coroutine, loop=loop, name="warm-up", **options)
