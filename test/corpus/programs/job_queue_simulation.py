"""Simulates workers with priorities, delays, retries and a virtual clock."""
import heapq
import itertools
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Callable


class Status(Enum):
    WAITING = "waiting"
    DONE = "done"
    DEAD = "dead"


@dataclass(order=True)
class Job:
    due: float
    priority: int
    number: int = field(default_factory=itertools.count(1).__next__)
    name: str = field(compare=False, default="")
    run: Callable | None = field(compare=False, default=None, repr=False)
    attempts: int = field(compare=False, default=0)
    status: Status = field(compare=False, default=Status.WAITING)


class Scheduler:
    def __init__(self, limit=3):
        self.heap, self.clock, self.limit, self.log, self.dead = [], 0.0, limit, [], deque(maxlen=2)

    def add(self, job):
        heapq.heappush(self.heap, job)

    def run(self):
        while self.heap:
            job = heapq.heappop(self.heap)
            self.clock = max(self.clock, job.due)
            job.attempts += 1
            try:
                result = job.run(job)
            except Exception as error:
                self.log.append(f"{self.clock:07.3f} {job.name:<6} {type(error).__name__}: {error}")
                if job.attempts < self.limit:
                    job.due = self.clock + 0.1 * 2**job.attempts
                    self.add(job)
                else:
                    job.status = Status.DEAD
                    self.dead.append(job)
            else:
                job.status = Status.DONE
                self.log.append(f"{self.clock:07.3f} {job.name:<6} -> {result}")
            self.clock += 0.05


def main(args, context):
    scheduler = Scheduler()
    def flaky(job):
        if job.attempts < 3:
            raise TimeoutError(f"attempt {job.attempts}")
        return "finally"
    jobs = [Job(0, 5, name="slow", run=lambda j: "ok"), Job(0, 1, name="urgent", run=lambda j: j.number), Job(0.2, 3, name="flaky", run=flaky), Job(0.1, 9, name="broken", run=lambda j: 1 / 0), Job(0, 5, name="tie", run=lambda j: j.status.value)]
    for job in jobs:
        scheduler.add(job)
    scheduler.run()
    return {"log": scheduler.log, "status": Counter(j.status.value for j in jobs), "dead": [repr(j) for j in scheduler.dead], "clock": round(scheduler.clock, 6), "order": [jobs[0] < jobs[1], jobs[0] < jobs[4], sorted(jobs)[0].name]}
