import time
from contextlib import asynccontextmanager

import anyio
import anyio.from_thread
import anyio.to_thread


async def pipeline():
    send, receive = anyio.create_memory_object_stream[int](2)
    got = []

    async def produce():
        async with send:
            for i in range(5):
                await send.send(i)

    async with anyio.create_task_group() as group, receive:
        group.start_soon(produce)
        async for item in receive:
            got.append(item)
    return got


async def limits():
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep(60)
    try:
        with anyio.fail_after(0.01):
            await anyio.Event().wait()
        late = False
    except TimeoutError:
        late = True
    return [scope.cancelled_caught, late]


def blocking(n):
    time.sleep(0.001)
    return n * 2 + anyio.from_thread.run_sync(len, [1]) + anyio.from_thread.run(add, 1, 2)


async def add(a, b):
    await anyio.sleep(0)
    return a + b


async def threads():
    limiter = anyio.CapacityLimiter(1)
    return [await anyio.to_thread.run_sync(blocking, n, limiter=limiter) for n in range(2)] + [limiter.borrowed_tokens]


@asynccontextmanager
async def resource(log):
    log.append("enter")
    yield "value"
    log.append("leave")


def portal():
    log = []
    with anyio.from_thread.start_blocking_portal() as portal:
        called = portal.call(add, 3, 4)
        later = portal.start_task_soon(add, 5, 6).result()
        with portal.wrap_async_context_manager(resource(log)) as value:
            log.append(value)
    return [called, later, log]


async def everything():
    return [await pipeline(), await limits(), await threads()]


def main(args, context):
    return [anyio.run(everything), portal()]
