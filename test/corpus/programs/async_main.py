"""A main that is async uses the parts of asyncio: tasks, groups, queues, timeouts, streams in memory, generators."""
import asyncio
import contextlib
import contextvars
import threading

request = contextvars.ContextVar("request", default="none")
events = []


async def numbers(n):
    try:
        for i in range(n):
            await asyncio.sleep(0)
            yield i
    finally:
        events.append("numbers closed")


@contextlib.asynccontextmanager
async def resource(name):
    events.append(f"open {name}")
    try:
        yield name.upper()
    finally:
        await asyncio.sleep(0)
        events.append(f"close {name}")


async def worker(queue, name, out):
    while (item := await queue.get()) is not None:
        out.append((name, item))
        queue.task_done()
    queue.task_done()


async def queues():
    queue, out = asyncio.Queue(2), []
    async with asyncio.TaskGroup() as group:
        for name in "ab":
            group.create_task(worker(queue, name, out))
        for i in range(5):
            await queue.put(i)
        await queue.join()
        await queue.put(None)
        await queue.put(None)
    return sorted(item for _, item in out)


async def timeouts():
    out = []
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
    except TimeoutError as error:
        out.append(repr(error))
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except TimeoutError:
        out.append("wait_for")
    async with asyncio.timeout(10) as scope:
        scope.reschedule(asyncio.get_running_loop().time() + 20)
        out.append(scope.expired())
    return out


async def groups():
    async def fail(error):
        await asyncio.sleep(0)
        raise error

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(ValueError("one")))
            group.create_task(fail(KeyError("two")))
            group.create_task(asyncio.sleep(60))
    except* ValueError as caught:
        found = [repr(error) for error in caught.exceptions]
    except* KeyError as caught:
        found += [repr(error) for error in caught.exceptions]
    return found


async def streams():
    reader = asyncio.StreamReader()
    reader.feed_data(b"first\nsecond\nrest")
    asyncio.get_running_loop().call_soon(reader.feed_eof)
    return [(await reader.readline()).decode(), (await reader.readuntil(b"\n")).decode(), (await reader.read()).decode(), reader.at_eof()]


async def contexts():
    async def child():
        before = request.get()
        request.set("child")
        return before

    request.set("main")
    return [await asyncio.create_task(child()), request.get(), await asyncio.to_thread(request.get)]


async def synchronisation():
    lock, condition, barrier, semaphore = asyncio.Lock(), asyncio.Condition(), asyncio.Barrier(2), asyncio.Semaphore(1)
    order = []

    async def waiter():
        async with condition:
            await condition.wait()
            order.append("notified")
        await barrier.wait()

    task = asyncio.create_task(waiter())
    await asyncio.sleep(0)
    async with lock, semaphore, condition:
        order.append("locked")
        condition.notify_all()
    await barrier.wait()
    await task
    return order


async def generators():
    seen = [i async for i in numbers(3)]
    early = numbers(9)
    async for i in early:
        if i == 1:
            break
    await early.aclose()
    async with resource("a") as a, resource("b") as b:
        seen += [a, b]
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(resource("c"))
    return seen


async def names():
    task = asyncio.create_task(asyncio.sleep(0, 1))
    out = [asyncio.current_task().get_name(), task.get_name(), asyncio.create_task(asyncio.sleep(0), name="own").get_name()]
    await task
    return out


async def threads():
    loop = asyncio.get_running_loop()
    out = await asyncio.gather(asyncio.to_thread(pow, 2, 10), loop.run_in_executor(None, sorted, [3, 1, 2]))

    def inside():
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            return str(error)

    out.append(await asyncio.to_thread(inside))
    out.append(await asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(0, "own loop"))))
    try:
        await asyncio.to_thread(int, "x")
    except ValueError as error:
        out.append(str(error))
    return out


async def main(args, context):
    parts = names, queues, timeouts, groups, streams, contexts, synchronisation, generators, threads
    out = {part.__name__: await part() for part in parts}
    try:
        asyncio.run(never := asyncio.sleep(0))
    except RuntimeError as error:
        out["nested"] = str(error)
    finished = await asyncio.gather(asyncio.sleep(0.002, "late"), asyncio.sleep(0.001, "early"), return_exceptions=True)
    first = [await each for each in asyncio.as_completed([asyncio.sleep(0.05, "b"), asyncio.sleep(0.001, "a")])]
    shielded = asyncio.create_task(asyncio.wait_for(asyncio.shield(asyncio.sleep(60)), 60))
    await asyncio.sleep(0)
    shielded.cancel()
    out |= {"gather": finished, "as_completed": first, "cancelled": await asyncio.gather(shielded, return_exceptions=True) and shielded.cancelled(), "events": events, "thread": threading.current_thread() is threading.main_thread()}
    return out
