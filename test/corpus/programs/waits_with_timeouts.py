"""Waits with a timeout for what never happens."""
import asyncio
import queue
import threading
import time


def attempt(function, *args, **kwargs):
    try:
        return repr(function(*args, **kwargs))
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    lock, rlock = threading.Lock(), threading.RLock()
    lock.acquire()
    condition, event, semaphore = threading.Condition(), threading.Event(), threading.Semaphore(0)
    started, computed = time.monotonic(), time.process_time()

    def wait(timeout):
        with condition:
            return condition.wait(timeout)

    async def waits():
        return [
            await asyncio.wait_for(asyncio.sleep(0, "slept"), 1),
            *await asyncio.gather(
                asyncio.wait_for(asyncio.Event().wait(), 0.01),
                asyncio.wait_for(asyncio.Queue().get(), 0.01),
                asyncio.wait_for(asyncio.get_running_loop().create_future(), 0.01),
                return_exceptions=True,
            ),
        ]

    found = {
        "lock": [attempt(lock.acquire, timeout=0.02), attempt(lock.acquire, False), attempt(lock.acquire, True, 0.01), lock.locked()],
        "rlock": [attempt(rlock.acquire), attempt(rlock.acquire, timeout=0.01)],
        "condition": [attempt(wait, 0.01), attempt(lambda: condition.wait(0.01)), attempt(lambda: condition.wait_for(lambda: True))],
        "event": [attempt(event.wait, 0.01), attempt(event.set), attempt(event.wait)],
        "semaphore": [attempt(semaphore.acquire, timeout=0.01), attempt(semaphore.release), attempt(semaphore.acquire)],
        "queues": [attempt(kind().get, timeout=0.01) for kind in (queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue)],
        "full": attempt(lambda: [q := queue.Queue(1), q.put(1), q.put(2, timeout=0.01)]),
        "barrier": attempt(lambda: threading.Barrier(2).wait(0.01)),
        "asyncio": [repr(value) for value in asyncio.run(waits())],
    }
    passed = time.monotonic() - started
    found["times"] = [passed > 0.1, time.process_time() - computed < passed]
    lock.release()
    found["free"] = [attempt(lock.acquire), attempt(lock.acquire, timeout=0)]
    return found
