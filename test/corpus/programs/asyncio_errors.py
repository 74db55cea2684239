"""What asyncio does with unhandled failures, misuse and interrupted tasks."""
import asyncio
import gc


async def boom(text):
    await asyncio.sleep(0)
    raise RuntimeError(text)


async def stubborn(log):
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError as error:
            log.append(repr(error))
            if len(log) > 2:
                raise


async def scenario(reports):
    log = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, info: reports.append([info["message"], repr(info.get("exception"))]))
    task = asyncio.create_task(boom("never awaited"))
    await asyncio.sleep(0.001)
    del task
    gc.collect()
    loop.call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)
    task = asyncio.create_task(stubborn(log))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel(f"try {_}")
    await asyncio.wait([task])
    try:
        async with asyncio.TaskGroup() as outer:
            async with asyncio.TaskGroup() as inner:
                inner.create_task(boom("inner"))
            outer.create_task(boom("outer"))
    except ExceptionGroup as group:
        log.append(repr(group))
    try:
        async with asyncio.timeout(None) as limit:
            limit.reschedule(loop.time() - 1)
            await asyncio.sleep(1)
    except TimeoutError:
        log.append([limit.expired(), repr(limit)[:17]])
    future = loop.create_future()
    future.set_exception(KeyError("k"))
    for action in (future.result, lambda: future.set_result(1), future.exception, asyncio.create_task(asyncio.sleep(1)).result, lambda: loop.run_until_complete(future), lambda: asyncio.run(asyncio.sleep(0))):
        try:
            log.append(repr(action()))
        except BaseException as error:
            log.append([type(error).__name__, str(error)])
    return log


def main(args, context):
    reports = []
    out = {"log": asyncio.run(scenario(reports)), "reports": reports}
    loop = asyncio.new_event_loop()
    out["loop"] = [loop.run_until_complete(asyncio.sleep(0, "x")), loop.is_running(), loop.close(), loop.is_closed()]
    try:
        loop.run_until_complete(boom("x"))
    except RuntimeError as error:
        out["closed"] = str(error)
    coroutine = boom("sent")
    try:
        coroutine.throw(ValueError("thrown"))
    except ValueError as error:
        out["throw"] = str(error)
    try:
        coroutine.send(None)
    except RuntimeError as error:
        out["reuse"] = str(error)
    return out
