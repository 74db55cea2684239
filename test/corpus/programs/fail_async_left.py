"""An async main that fails after a wait, and leaves a task that waits when it is cancelled, and a generator."""
import asyncio


async def numbers():
    try:
        yield 1
    finally:
        await asyncio.sleep(0.03)


async def background():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.03)
        raise OSError("when it was cancelled")


async def main(args, context):
    main.left = numbers()
    await anext(main.left)
    main.task = asyncio.create_task(background())
    await asyncio.sleep(0.03)
    raise LookupError("gone")
