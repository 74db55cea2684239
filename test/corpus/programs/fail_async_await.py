"""An exception from a coroutine below asyncio.run, with an async generator between."""
import asyncio


async def source():
    for n in range(3):
        if n == 2:
            raise BufferError("source is empty")
        yield n


async def consume():
    return [n async for n in source()]


def main(args, context):
    return asyncio.run(consume())
