"""Two of three tasks of a group fail."""
import asyncio


async def work(n):
    if n == 1:
        await asyncio.sleep(0.001)
        raise ValueError("one")
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        raise RuntimeError(f"cleanup of {n} failed") from None


async def run():
    async with asyncio.TaskGroup() as group:
        for n in (1, 2):
            group.create_task(work(n))


def main(args, context):
    asyncio.run(run())
