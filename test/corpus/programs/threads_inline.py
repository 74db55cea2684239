"""Programs that use threads only to be safe: locks, locals, timers, pools of one, queues."""
import concurrent.futures
import queue
import threading


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return [type(error).__name__, str(error)]


class Counter:
    def __init__(self):
        self.lock, self.value = threading.RLock(), 0

    def add(self, n):
        with self.lock, self.lock:
            self.value += n


def main(args, context):
    counter, local = Counter(), threading.local()
    counter.add(5)
    local.x = 1
    event, condition, semaphore = threading.Event(), threading.Condition(), threading.BoundedSemaphore(1)
    event.set()
    with condition:
        condition.notify()
    jobs = queue.PriorityQueue(maxsize=3)
    for job in (3, 1, 2):
        jobs.put((job, f"job {job}"))
    out = {
        "counter": counter.value, "local": [local.x, attempt(lambda: local.y)], "event": [event.is_set(), event.wait(0)], "semaphore": [semaphore.acquire(blocking=False), semaphore.acquire(timeout=0), semaphore.release(), attempt(semaphore.release)],
        "queue": [jobs.full(), attempt(lambda: jobs.put_nowait((9, ""))), [jobs.get() for _ in range(3)], attempt(lambda: jobs.get(timeout=0.001)), jobs.qsize(), jobs.empty()],
        "main": [threading.current_thread() is threading.main_thread(), threading.current_thread().name, threading.active_count(), threading.main_thread().is_alive(), threading.main_thread().daemon],
        "lock": [attempt(lambda: threading.Lock().release()), threading.Lock().acquire(False), threading.Lock().locked()], "wait": [condition.acquire(), condition.wait(0.001), condition.wait_for(lambda: True, 0.1), condition.release()],
        "simple": [attempt(lambda: queue.SimpleQueue().get_nowait()), attempt(lambda: queue.LifoQueue().get(block=False))],
    }
    future = concurrent.futures.Future()
    future.add_done_callback(lambda f: out.setdefault("callback", f.result()))
    future.set_result(7)
    out["future"] = [future.done(), future.result(), attempt(lambda: future.set_result(8))[0], future.cancel(), str(future.exception())]
    return out
