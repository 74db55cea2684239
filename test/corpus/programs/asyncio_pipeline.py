"""A pipeline of producers and consumers with queues, semaphores, timeouts and cancellation."""
import asyncio
import contextvars

REQUEST = contextvars.ContextVar("request", default="none")


async def fetch(n, gate, log):
    async with gate:
        log.append(f"start {n}")
        await asyncio.sleep(0)
        log.append(f"end {n}")
        if n == 3:
            raise ValueError(f"item {n}")
        return n * n


async def producer(queue, items):
    for item in items:
        await queue.put(item)
    queue.shutdown()


async def consumer(name, queue, out):
    try:
        while True:
            item = await queue.get()
            out.append([name, item])
            queue.task_done()
    except asyncio.QueueShutDown:
        return name


async def ticker(n):
    try:
        for i in range(n):
            yield i
            await asyncio.sleep(0)
    finally:
        REQUEST.set("closed")


async def scenario():
    out, log, gate = {}, [], asyncio.Semaphore(2)
    results = await asyncio.gather(*(fetch(n, gate, log) for n in range(5)), return_exceptions=True)
    out["gather"] = [repr(r) for r in results]
    out["log"] = log
    queue, got = asyncio.Queue(2), []
    out["names"] = await asyncio.gather(producer(queue, range(6)), consumer("a", queue, got), consumer("b", queue, got))
    out["got"] = got
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError as error:
        out["timeout"] = [type(error).__name__, str(error), repr(error.__cause__)]
    try:
        await asyncio.wait_for(asyncio.sleep(10, "late"), 0)
    except asyncio.TimeoutError as error:
        out["wait_for"] = repr(error)
    task = asyncio.create_task(asyncio.sleep(10), name="sleeper")
    await asyncio.sleep(0)
    task.cancel("enough")
    try:
        await task
    except asyncio.CancelledError as error:
        out["cancel"] = [str(error), task.cancelled(), task.get_name(), task.cancelling(), task.done()]
    out["completed"] = [await c for c in asyncio.as_completed([asyncio.sleep(0.02, "slow"), asyncio.sleep(0, "fast")])]
    done, pending = await asyncio.wait([asyncio.create_task(asyncio.sleep(d, d)) for d in (0, 5)], return_when=asyncio.FIRST_COMPLETED)
    out["wait"] = [len(done), len(pending), [p.cancel() for p in pending]]
    out["generator"] = [i async for i in ticker(3)] + [REQUEST.get()]
    lock, condition = asyncio.Lock(), asyncio.Condition()
    async with lock, condition:
        condition.notify_all()
        out["lock"] = [lock.locked(), repr(lock).split(" [")[1]]
    loop, order = asyncio.get_running_loop(), []
    loop.call_soon(order.append, "soon")
    loop.call_later(0.001, order.append, "later")
    loop.call_at(loop.time() + 0.005, order.append, "at")
    await asyncio.sleep(0.02)
    future = loop.create_future()
    future.add_done_callback(lambda f: order.append(f.result()))
    loop.call_soon(future.set_result, "future")
    out["future"] = [await future, repr(future)[:16]]
    out["order"] = order
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fetch(3, gate, log))
            group.create_task(asyncio.sleep(10))
    except* ValueError as errors:
        out["group"] = repr(errors)
    out["shield"] = await asyncio.shield(asyncio.sleep(0, "shielded"))
    barrier = asyncio.Barrier(2)
    out["barrier"] = sorted(await asyncio.gather(barrier.wait(), barrier.wait()))
    out["current"] = [asyncio.current_task().get_coro().__name__, len(asyncio.all_tasks()) >= 1]
    return out


def main(args, context):
    out = asyncio.run(scenario())
    with asyncio.Runner() as runner:
        out["runner"] = [runner.run(asyncio.sleep(0, 1)), runner.run(asyncio.sleep(0, 2))]
    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        out["none"] = str(error)
    try:
        asyncio.run(None)
    except (TypeError, ValueError) as error:
        out["bad"] = [type(error).__name__, str(error)]
    return out
