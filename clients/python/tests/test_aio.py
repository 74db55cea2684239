"""The client for asyncio, with a real server and with one that misbehaves."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import threading
import unittest
import uuid
from pathlib import Path
from typing import Any, Awaitable, Callable, List

import _twin
import faaspot
from faaspot import NotFound, Retry, aio
from faaspot.aio import AsyncFaaspot

from . import realserver
from .fakeserver import FakeServer, Silence

CODE = """\
import time
def main(args, context):
    for n in range(args.get("lines", 0)):
        print("line", n, flush=True)
    time.sleep(args.get("seconds", 0))
    return args
"""


def threads() -> int:
    """The number of threads of clients."""
    return sum(each.name.startswith("faaspot") for each in threading.enumerate())


class Twin(unittest.TestCase):
    def test_it_is_what_the_originals_make(self) -> None:
        source = Path(aio.__file__).read_text(encoding="utf-8")
        self.assertEqual(ast.dump(ast.parse(source)), ast.dump(ast.parse(_twin.generate())), "run _twin.py")

    def test_it_has_every_method(self) -> None:
        for name in ("Functions", "Executions", "Operations", "Jobs", "DeadLetters", "Profiles"):
            original, twin = getattr(faaspot, name), getattr(aio, "Async" + name)
            for method, value in vars(original).items():
                if method.startswith("_"):
                    continue
                mine, its = inspect.signature(getattr(twin, method)), inspect.signature(value)
                self.assertEqual(mine.parameters.keys(), its.parameters.keys(), method)


class Asyncio(unittest.TestCase):
    def client(self, **options: Any) -> AsyncFaaspot:
        server = realserver.shared()
        return AsyncFaaspot(url=server.url, token=server.token, **options)

    def run_with(self, work: Callable[[AsyncFaaspot, str], Awaitable[None]], **options: Any) -> None:
        """Await work with a client and the name of a function, and see that no thread is left."""

        async def all_of_it() -> None:
            async with self.client(**options) as f:
                name = "f-" + uuid.uuid4().hex
                await f.functions.create(name, io.StringIO(CODE))
                try:
                    await work(f, name)
                finally:
                    await f.functions.delete(name)

        asyncio.run(asyncio.wait_for(all_of_it(), realserver.PATIENCE))
        realserver.await_true(lambda: threads() == 0)

    def test_the_parts_of_the_client(self) -> None:
        async def work(f: AsyncFaaspot, name: str) -> None:
            self.assertEqual(await f.functions.run(name, {"n": 1}, wait=True), {"n": 1})
            ids = await f.functions.run_bulk(name, [{"n": n} for n in range(250)])
            found = await f.executions.get(ids, wait=True)
            self.assertEqual([each["output"] for each in found], [{"n": n} for n in range(250)])
            listed = [each["uuid"] async for each in f.executions.iterate(status="Success", function=name)]
            self.assertLessEqual(set(ids), set(listed))
            self.assertIn(
                ids[0], [each["executionId"] async for each in f.executions.search(function=name, limit=None)]
            )
            first = await f.functions.run(name, {"lines": 3})
            text = [each["text"] async for each in f.executions.follow_logs(first)]
            self.assertEqual("".join(text), "line 0\nline 1\nline 2\n")
            job = "j-" + uuid.uuid4().hex
            await f.jobs.create(job, name)
            id = await f.jobs.run(job, [{}] * 3)
            self.assertEqual((await f.jobs.get_execution(job, id, wait=True))["status"], "succeeded")
            self.assertEqual(len([each async for each in f.jobs.tasks(job, id)]), 3)
            await f.jobs.delete(job)
            self.assertIsInstance(await f.dead_letters.list(), list)
            with self.assertRaises(NotFound):
                await f.functions.get("absent")
            with self.assertRaises(NotFound):
                async for _ in f.executions.follow_logs(str(uuid.uuid4())):
                    pass

        self.run_with(work)

    def test_calls_run_at_the_same_time_but_not_more_than_allowed(self) -> None:
        most: List[int] = []

        async def work(f: AsyncFaaspot, name: str) -> None:
            runs = [f.functions.run(name, {"n": n, "seconds": 0.01}, wait=True) for n in range(40)]
            results = asyncio.gather(*runs)
            while not results.done():
                most.append(threads())
                await asyncio.sleep(0)
            self.assertEqual([each["n"] for each in await results], list(range(40)))

        self.run_with(work, concurrency=5)
        self.assertEqual(max(most), 5)

    def test_a_cancelled_call_ends(self) -> None:
        """A thread that awaits an answer, a retry or the line of a log goes on to none of them."""

        async def work(f: AsyncFaaspot, name: str) -> None:
            async def follow(id: str) -> None:
                async for _ in f.executions.follow_logs(id):
                    pass

            id = await f.functions.run(name, {"seconds": 600, "lines": 1})
            calls: List[Awaitable[Any]] = [
                f.functions.run(name, {"seconds": 600}, wait=True),
                f.executions.get(id, wait=True),
                f.executions.get([id, id], wait=True),
                follow(id),
            ]
            for call in calls:
                task = asyncio.ensure_future(call)
                done, _ = await asyncio.wait([task], timeout=0.2)
                self.assertFalse(done)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
            self.assertEqual(await f.functions.run(name, {"n": 1}, wait=True), {"n": 1}, "the client stays usable")
            await f.executions.cancel(id)

        self.run_with(work)

    def test_a_cancelled_call_is_not_sent_again(self) -> None:
        with FakeServer(*[Silence()] * 3) as server:

            async def work() -> None:
                async with AsyncFaaspot(url=server.url, token="t", retry=Retry(attempts=16)) as f:
                    task = asyncio.ensure_future(f.functions.list())
                    while not server.requests:
                        await asyncio.sleep(0.005)
                    task.cancel()
                    with self.assertRaises(asyncio.CancelledError):
                        await task

            asyncio.run(work())
            realserver.await_true(lambda: threads() == 0)
            self.assertEqual(len(server.requests), 1)

    def test_an_iterator_that_is_left_early_closes_its_connection(self) -> None:
        async def work(f: AsyncFaaspot, name: str) -> None:
            id = await f.functions.run(name, {"seconds": 600, "lines": 2})
            lines = f.executions.follow_logs(id)
            async for _ in lines:
                break
            await lines.aclose()  # type: ignore[attr-defined]
            await f.executions.cancel(id)

        self.run_with(work)

    def test_arguments(self) -> None:
        for wrong, error in ((0, ValueError), ("5", TypeError), (True, TypeError)):
            with self.assertRaises(error):
                AsyncFaaspot(url="http://localhost", token="t", concurrency=wrong)  # type: ignore[arg-type]
        with self.assertRaises(ValueError):
            AsyncFaaspot("p", url="http://localhost")
