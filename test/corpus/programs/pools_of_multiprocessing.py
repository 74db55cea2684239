"""Pools of threads of multiprocessing: maps, results that come later, callbacks, exceptions, ends."""
import multiprocessing
import multiprocessing.dummy
from multiprocessing.pool import ThreadPool


def attempt(function):
    try:
        return function()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def half(n):
    if n % 2:
        raise ValueError(n)
    return n // 2


def maps():
    with ThreadPool(3) as pool:
        lazy = pool.imap(half, [2, 3, 4])
        return [
            pool.map(half, range(0, 20, 2)), pool.map(str, "abcdefgh", chunksize=3), pool.starmap(pow, [(2, 3), (3, 2)]), sorted(pool.imap_unordered(abs, [-1, -2])), pool.map(str, []),
            next(lazy), attempt(lambda: next(lazy)), next(lazy), attempt(lambda: next(lazy)), list(pool.imap(str, range(5), chunksize=2)), list(pool.imap(str, iter(()))), pool.apply(max, (1, 5)), pool.apply(dict, kwds={"a": 1}),
        ]  # fmt: skip


def later():
    seen = []
    pool = multiprocessing.dummy.Pool()
    good = pool.apply_async(half, (4,), callback=seen.append)
    bad = pool.apply_async(half, (5,), error_callback=lambda error: seen.append(repr(error)))
    many = pool.map_async(half, [2, 4], callback=seen.append)
    failed = pool.starmap_async(divmod, [(1, 0)], error_callback=lambda error: seen.append(str(error)))
    out = [good.get(60), attempt(bad.get), many.get(), attempt(failed.get)]
    good.wait()
    pool.close()
    pool.join()
    return [*out, good.ready(), good.successful(), bad.successful(), sorted(map(str, seen)), attempt(lambda: pool.map(half, [2])), attempt(lambda: pool.apply_async(half, (2,)))]


def ends():
    pool = ThreadPool(2, initializer=made.append, initargs=("thread",))
    pool.apply(len, ("",))
    early = attempt(pool.join)
    pool.terminate()
    pool.join()
    return [set(made) == {"thread"}, early, attempt(lambda: ThreadPool(0)), attempt(lambda: ThreadPool(1, initializer=5)), attempt(pool.__enter__), attempt(lambda: pool.apply_async(len))]


def nested():
    with ThreadPool(2) as pool:
        return pool.map(lambda n: sum(pool.apply_async(range, (n,)).get()), [4])


def broken_iterable():
    def items():
        yield 2
        raise KeyError("items")

    with ThreadPool(1) as pool:
        lazy = pool.imap(half, items())
        return [next(lazy), attempt(lambda: next(lazy)), attempt(lambda: pool.map(half, items())), attempt(lambda: pool.map_async(half, items()).get())]


made = []


def main(args, context):
    made.clear()
    return {part.__name__: attempt(part) for part in (maps, later, ends, nested, broken_iterable)}
