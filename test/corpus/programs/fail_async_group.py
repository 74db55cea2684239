"""An async main ends in the exceptions of a task group, one of which has notes."""
import asyncio


async def fail(error, after):
    for _ in range(after):
        await asyncio.sleep(0)
    error.add_note(f"after {after}")
    raise error


async def main(args, context):
    async with asyncio.TaskGroup() as group:
        group.create_task(fail(ValueError("first"), 1))
        group.create_task(fail(OSError(2, "second"), 1))
