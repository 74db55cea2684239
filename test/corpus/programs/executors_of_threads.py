"""Programs that use ThreadPoolExecutor to overlap calls: results, order, exceptions, initializers, contexts, shutdown."""
import asyncio
import concurrent.futures
import contextvars
import decimal
from concurrent.futures import ThreadPoolExecutor

mark = contextvars.ContextVar("mark", default="unset")


def attempt(function):
    try:
        return function()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def results():
    with ThreadPoolExecutor(max_workers=4) as pool:
        futures = {pool.submit(pow, n, 2): n for n in range(5)}
        by_number = sorted((futures[f], f.result()) for f in concurrent.futures.as_completed(futures))
        done, pending = concurrent.futures.wait(futures, return_when=concurrent.futures.ALL_COMPLETED)
        return [by_number, len(done), len(pending), list(pool.map(str.upper, "abc")), list(pool.map(max, [1, 5], [4, 2]))]


def failures():
    def fail():
        raise KeyError("k")

    with ThreadPoolExecutor() as pool:
        failed, exits = pool.submit(fail), pool.submit(exit, 3)
        results = pool.map(int, ["1", "x", "3"])
        return [repr(failed.exception()), attempt(failed.result), repr(exits.exception()), next(results), attempt(lambda: next(results)), failed.done(), failed.cancel(), failed.running()]


def contexts():
    mark.set("caller")
    decimal.getcontext().prec = 5
    with ThreadPoolExecutor(1, initializer=mark.set, initargs=("initialized",)) as pool:
        inside = pool.submit(mark.get).result()
        pool.submit(mark.set, "worker").result()
        return [inside, pool.submit(mark.get).result(), mark.get(), pool.submit(lambda: decimal.getcontext().prec).result(), pool.submit(contextvars.copy_context().run, mark.get).result()]


def broken():
    def fail():
        raise ValueError("no")

    pool = ThreadPoolExecutor(1, initializer=fail)
    first = pool.submit(print)
    return [type(first.exception(10)).__name__, attempt(lambda: pool.submit(print))]


def ended():
    pool = ThreadPoolExecutor(2)
    future = pool.submit(abs, -1)
    pool.shutdown(cancel_futures=True)
    return [future.result(), attempt(lambda: pool.submit(abs, 1)), attempt(lambda: ThreadPoolExecutor(0)), attempt(lambda: ThreadPoolExecutor(initializer=1))]


def callbacks():
    seen = []
    with ThreadPoolExecutor() as pool:
        future = pool.submit(len, "abc")
        concurrent.futures.wait([future])
        future.add_done_callback(lambda f: seen.append(f.result()))
    return seen


def nested():
    with ThreadPoolExecutor(3) as pool:
        return pool.submit(lambda: pool.submit(lambda: pool.submit(sum, [1, 2]).result()).result()).result()


async def in_loop():
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as pool:
        squares = await asyncio.gather(*(loop.run_in_executor(pool, pow, n, 2) for n in range(4)))
    loop.set_default_executor(ThreadPoolExecutor(1))
    out = [squares, await loop.run_in_executor(None, len, "four"), await asyncio.to_thread(dict, a=1)]
    await loop.shutdown_default_executor()
    try:
        await loop.run_in_executor(None, len, "")
    except RuntimeError as error:
        out.append(str(error))
    return out


def main(args, context):
    parts = results, failures, contexts, broken, ended, callbacks, nested
    return {part.__name__: attempt(part) for part in parts} | {"loop": asyncio.run(in_loop())}
