"""An async main that stops its loop while it waits."""
import asyncio


async def main(args, context):
    asyncio.get_running_loop().call_later(0.03, asyncio.get_running_loop().stop)
    await asyncio.sleep(60)
