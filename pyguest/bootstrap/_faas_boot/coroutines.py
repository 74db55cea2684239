"""The event loop of `async def main`.

It is made with the base image, because making one writes to a hundred pages, which each run would pay
for. A run that ends leaves it as asyncio.run would: nothing that was begun in it is left.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import events, runners, tasks
from collections.abc import Iterator
from types import CoroutineType

# Bound here, because functions replace attributes of modules.
_run = asyncio.run
_all_tasks = asyncio.all_tasks
_cancel_all_tasks = runners._cancel_all_tasks

_policy = asyncio.get_event_loop_policy()
_loop = asyncio.new_event_loop()


def finished(value: object) -> object:
    """Return a value, or what a coroutine returns as asyncio.run runs it."""
    if type(value) is not CoroutineType:
        return value
    if events._event_loop_policy is not _policy:
        return _run(value)
    loop = _loop
    try:
        return loop.run_until_complete(loop.create_task(value))
    finally:
        if _all_tasks(loop):
            _cancel_all_tasks(loop)
        if loop._asyncgens:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop._asyncgens_shutdown_called = False


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
