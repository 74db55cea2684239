"""A pool of threads maps work over items, as many programs do."""
import concurrent.futures
import threading


def square(n):
    if n == 3:
        raise ValueError("three")
    return n * n


def attempt(function):
    try:
        return function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def pool():
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        futures = [executor.submit(square, n) for n in range(5)]
        concurrent.futures.wait(futures)
        return [list(executor.map(square, [1, 2])), [repr(f.exception()) for f in futures]]


def thread():
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(n)) for n in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sorted(results)


def main(args, context):
    return {"pool": attempt(pool), "thread": attempt(thread), "timer": attempt(lambda: threading.Timer(0, print).start())}
