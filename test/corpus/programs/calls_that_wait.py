"""Calls in executors that wait for the event loop that they were submitted from, as calls in threads do."""
import asyncio
import concurrent.futures
import queue
import threading
import time


async def double(n):
    await asyncio.sleep(0.001)
    return n * 2


async def from_call():
    loop = asyncio.get_running_loop()

    def call(n):
        return asyncio.run_coroutine_threadsafe(double(n), loop).result() + asyncio.run_coroutine_threadsafe(double(1), loop).result(60)

    def failing():
        async def fail():
            raise LookupError("gone")

        return repr(asyncio.run_coroutine_threadsafe(fail(), loop).exception())

    return [await asyncio.to_thread(call, 3), await asyncio.gather(*(asyncio.to_thread(call, n) for n in range(3))), await asyncio.to_thread(failing)]


async def for_event():
    event, items, log = threading.Event(), queue.Queue(), []

    async def produce():
        for n in range(3):
            await asyncio.sleep(0.001)
            items.put(n)
        event.set()

    task = asyncio.create_task(produce())
    got = await asyncio.to_thread(lambda: [items.get() for _ in range(3)])
    await asyncio.to_thread(event.wait)
    await task
    asyncio.get_running_loop().call_soon(log.append, "soon")
    await asyncio.to_thread(time.sleep, 0)
    await asyncio.sleep(0)
    return [got, event.is_set(), log]


async def in_time():
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.001)

    task = asyncio.create_task(tick())
    waited = await asyncio.to_thread(threading.Event().wait, 0.05)
    task.cancel()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        late = await asyncio.get_running_loop().run_in_executor(pool, attempt, lambda: queue.Queue().get(timeout=0.01))
    return [waited, len(ticks) > 3, task.cancelled() or task.cancelling(), late]


async def nested():
    loop = asyncio.get_running_loop()
    mark = threading.Event()

    def outer():
        inner = asyncio.run_coroutine_threadsafe(asyncio.to_thread(middle), loop)
        mark.wait()
        return [inner.result(), asyncio.run(double(5))]

    def middle():
        mark.set()
        return asyncio.run_coroutine_threadsafe(double(4), loop).result()

    return await asyncio.to_thread(outer)


async def task_of_caller():
    me = asyncio.current_task()
    loop = asyncio.get_running_loop()

    async def other():
        return asyncio.current_task() is not me and asyncio.get_running_loop() is loop

    inside = await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(other(), loop).result())
    return [inside, asyncio.current_task() is me, await asyncio.to_thread(attempt, asyncio.get_running_loop)]


def attempt(function):
    try:
        return function()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def main(args, context):
    parts = from_call, for_event, in_time, nested, task_of_caller
    return {part.__name__: attempt(lambda: asyncio.run(part())) for part in parts}
