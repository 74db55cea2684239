"""An async main ends in an exception of a task that a library function awaits."""
import asyncio


async def read(n):
    await asyncio.sleep(0)
    if n == 2:
        raise LookupError(f"no item {n}")
    return n


async def collect(items):
    return await asyncio.gather(*(read(item) for item in items))


async def main(args, context):
    try:
        return await asyncio.wait_for(collect([1, 2, 3]), 10)
    except LookupError as error:
        raise RuntimeError("nothing was collected") from error
