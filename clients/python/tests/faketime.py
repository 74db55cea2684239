"""A clock that only advances when a test or the client sleeps, and a client that uses it."""

from __future__ import annotations

import threading
from typing import Callable, List, Optional

from faaspot.connection import Dialer
from faaspot.endpoint import parse_url
from faaspot.executions import Executions
from faaspot.operations import Operations
from faaspot.functions import Functions
from faaspot.pool import Pool
from faaspot.retry import Retry
from faaspot.transport import Transport

from .fakeserver import FakeServer


class FakeTime:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: List[float] = []
        self.on_sleep: Optional[Callable[[], object]] = None
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds
        if self.on_sleep is not None:
            self.on_sleep()


class Client:
    """A client of a fake server with a fake clock. Its random numbers are always 0, so that delays are
    exact."""

    def __init__(
        self,
        server: FakeServer,
        retry: Optional[Retry] = None,
        *,
        read_timeout: float = 30.0,
        connect_timeout: float = 30.0,
        pool_size: int = 10,
    ) -> None:
        self.time = FakeTime()
        at = parse_url(server.url)
        self.pool = Pool(Dialer(at, connect_timeout=connect_timeout), pool_size, self.time.clock)
        self.transport = Transport(
            self.pool,
            at,
            {"Authorization": "Token t"},
            read_timeout=read_timeout,
            retry=retry or Retry(),
            clock=self.time.clock,
            sleep=self.time.sleep,
            chance=lambda: 0.0,
        )
        self.executions = Executions(lambda: self.transport)
        self.operations = Operations(lambda: self.transport)
        self.functions = Functions(lambda: self.transport, self.executions)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.pool.close()
