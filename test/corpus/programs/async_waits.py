"""Waits of an async main that are long enough to leave the interpreter: all that is begun before one goes on after it."""
import asyncio
import contextlib
import contextvars
import logging
import os
import random
import sqlite3
import sys
import tempfile
import threading
import time
import warnings

WAIT = 0.03
request = contextvars.ContextVar("request", default="none")
events = []


async def wait(times=1):
    for _ in range(times):
        await asyncio.sleep(WAIT)


async def generators():
    async def numbers():
        try:
            for n in range(3):
                await wait()
                yield n
        finally:
            await wait()
            events.append("numbers closed")

    values = numbers()
    first = await anext(values)
    await wait()
    rest = [n async for n in values]
    broken = numbers()
    async for n in broken:
        break
    await broken.aclose()
    sent = [n async for n in numbers() if n != 1]
    return [first, rest, n, sent]


@contextlib.asynccontextmanager
async def resource(name):
    await wait()
    try:
        yield name
        await wait()
        events.append(f"left {name}")
    except KeyError as error:
        await wait()
        events.append(f"{name} saw {error!r}")
        raise
    finally:
        await wait()
        events.append(f"closed {name}")


async def managers():
    async with resource("one") as one, contextlib.AsyncExitStack() as stack:
        two = await stack.enter_async_context(resource("two"))
        stack.push_async_callback(wait)
        await wait()
    try:
        async with resource("three"):
            await wait()
            raise KeyError("inside")
    except KeyError as error:
        return [one, two, repr(error), repr(error.__context__)]


async def groups():
    async def fail(error, seconds):
        try:
            await asyncio.sleep(seconds)
            raise error
        finally:
            await wait()

    async def cancelled():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await wait()
            events.append("cancelled in a group")
            raise

    out = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(ValueError("one"), WAIT))
            group.create_task(fail(ValueError("two"), 60))
            group.create_task(cancelled())
    except* ValueError as caught:
        out += [repr(error) for error in caught.exceptions]
    out.append(await asyncio.gather(asyncio.sleep(WAIT, "a"), fail(OSError("b"), WAIT), return_exceptions=True))
    return [str(value) for value in out]


async def timeouts():
    out = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WAIT):
            try:
                await asyncio.sleep(60)
            finally:
                await wait()
                out.append("timeout")
    try:
        await asyncio.wait_for(asyncio.Event().wait(), WAIT)
    except TimeoutError as error:
        out.append(repr(error))
    async with asyncio.timeout(60) as scope:
        await wait()
    out.append(scope.expired())
    for step in asyncio.as_completed([asyncio.sleep(WAIT * n, n) for n in (3, 1, 2)]):
        out.append(await step)
    done, left = await asyncio.wait([asyncio.ensure_future(wait()), asyncio.ensure_future(asyncio.sleep(60))], timeout=3 * WAIT)
    out.append([len(done), len(left)])
    for task in left:
        task.cancel()
    return out


async def locks():
    queue, lock, event, condition, barrier = asyncio.Queue(1), asyncio.Lock(), asyncio.Event(), asyncio.Condition(), asyncio.Barrier(2)
    out = []

    async def produce():
        for n in range(3):
            async with lock:
                await wait()
            await queue.put(n)
        queue.shutdown()

    async def consume():
        with contextlib.suppress(asyncio.QueueShutDown):
            while True:
                out.append(await queue.get())
                await wait()
        event.set()
        await barrier.wait()

    async def watch():
        async with condition:
            await condition.wait_for(lambda: len(out) == 3)
        out.append("seen")
        await barrier.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        group.create_task(consume())
        group.create_task(watch())
        await event.wait()
        async with condition:
            condition.notify_all()
    return out


async def contexts():
    async def child():
        before = request.get()
        request.set("child")
        await wait()
        return [before, request.get()]

    request.set("main")
    task = asyncio.create_task(child())
    await wait()
    other = contextvars.Context()
    in_other = await asyncio.create_task(child(), context=other)
    return [await task, in_other, request.get(), other[request], threading.current_thread().name]


async def files():
    random.seed(5)
    numbers = [random.random()]
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.umask(0o077)
    os.environ["OF_THE_RUN"] = "1"
    database = sqlite3.connect("data.db")
    database.execute("create table t (n)")
    database.execute("insert into t values (1)")  # a transaction that is open over the wait
    memory = sqlite3.connect(":memory:")
    memory.execute("create table m (n)")
    with open("text", "w+") as file, open("text") as reader:
        file.write("one\ntwo\n")
        file.flush()
        line = reader.readline()
        os.rename("text", "renamed")
        await wait()
        file.write("three\n")
        file.flush()
        rest = reader.read()
    numbers.append(random.random())
    database.execute("insert into t values (2)")
    database.rollback()
    memory.execute("insert into m values (3)")
    found = [*database.execute("select count(*) from t"), *memory.execute("select n from m")]
    mode = os.stat(os.open("new", os.O_CREAT | os.O_WRONLY, 0o666)).st_mode
    return [numbers, line, rest, found, sorted(os.listdir()), oct(mode), os.environ["OF_THE_RUN"], os.getcwd() == folder]


async def loops():
    loop = asyncio.get_running_loop()
    out = []
    loop.set_exception_handler(lambda loop, context: out.append([context["message"], repr(context.get("exception"))]))
    loop.call_later(WAIT / 2, lambda: 1 / 0)
    first, second = loop.call_later(WAIT, out.append, "late"), loop.call_later(WAIT, out.append, "cancelled")
    second.cancel()
    timers = [loop.call_later(3600, out.append, "never") for _ in range(200)]
    for timer in timers:
        timer.cancel()
    await wait(2)
    out.append([first.when() > second.when(), first.cancelled(), second.cancelled()])
    loop.set_debug(True)
    await wait()
    out.append(loop.get_debug())
    loop.set_debug(False)
    before = time.monotonic()
    start, computing = loop.time(), time.process_time()
    await wait(4)
    out.append([loop.time() - start >= 4 * WAIT, time.monotonic() - before >= 4 * WAIT, time.process_time() - computing < 4 * WAIT])
    for nested in (lambda: asyncio.run(wait()), lambda: loop.run_until_complete(wait()), loop.run_forever, loop.close):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                nested()
            except RuntimeError as error:
                out.append(str(error))
    loop.set_exception_handler(None)
    return out


async def tasks():
    async def child():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            await wait()
            return f"refused {error}"

    task = asyncio.create_task(child())
    await wait()
    task.cancel("now")
    await wait()
    out = [task.done(), await task, task.cancelled()]
    shielded = asyncio.ensure_future(asyncio.sleep(2 * WAIT, "shielded"))
    try:
        await asyncio.wait_for(asyncio.shield(shielded), WAIT)
    except TimeoutError:
        out.append(await shielded)
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(WAIT, future.set_exception, LookupError("later"))
    try:
        await future
    except LookupError as error:
        out.append(repr(error))
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    out.append(await asyncio.create_task(asyncio.sleep(WAIT, "eager")))
    loop.set_task_factory(None)
    return out


async def errors():
    try:
        try:
            await wait()
            raise KeyError("first")
        except KeyError:
            held = sys.exception()
            await wait()
            kept = sys.exception() is held
            raise ValueError("second")
    except ValueError as error:
        await wait()
        return [kept, repr(error.__context__), repr(sys.exception())]


async def main(args, context):
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    parts = (generators, managers, groups, timeouts, locks, contexts, files, loops, tasks, errors)
    return {part.__name__: await part() for part in parts} | {"events": events}
