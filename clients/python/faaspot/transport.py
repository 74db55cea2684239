"""Requests to one server and what comes of them.

Any thread may use a Transport.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Generator, Mapping, NoReturn, Optional, Tuple, Type, TypeVar

from .connection import Connection, Endpoint
from .errors import FaaspotException, ForeignAnswer, NoAnswer, from_fields
from .pool import Pool
from .retry import Retry, parse_retry_after

_log = logging.getLogger("faaspot")

# Far above any answer of a server, and keeps a wrong address from filling the
# memory.
_MAX_ANSWER = 64 << 20  # bytes
_MAX_LINE = 1 << 20  # bytes; the lines of streams are far shorter, too

# Statuses with which a server says that it did nothing, and to come again.
_COME_AGAIN = frozenset({429, 503})

# Statuses with which proxies say that they do not reach the server.
_BUSY_GATEWAY = _COME_AGAIN | {502, 504}

_A = TypeVar("_A")


@dataclass(frozen=True)
class Request:
    """What is asked of the server."""

    method: str
    path: str  # from the root, escaped, with the query
    body: Optional[bytes] = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # To do it twice does no more than to do it once.
    repeatable: bool = False
    # Seconds for which nothing may come; None: what is usual.
    silence: Optional[float] = None
    # The server was there a moment ago, see worth_repeating.
    patient: bool = False
    # Come again after 429.
    retry_busy: bool = True
    # Time of the clock after which no further attempt is begun.
    deadline: Optional[float] = None


@dataclass(frozen=True)
class Answer:
    """A success: value is the JSON of its body."""

    value: Any
    headers: http.client.HTTPMessage
    # For errors about what the value turns out to be.
    foreign: Callable[[str], ForeignAnswer]

    def expect(self, kind: Type[_A]) -> _A:
        """The value, which must be of this type."""
        if not isinstance(self.value, kind):
            raise self.foreign("it is not a JSON {}".format(_JSON_NAMES[kind]))
        return self.value


_JSON_NAMES: Dict[type, str] = {str: "string", list: "array", dict: "object"}


class Transport:
    """Sends requests, again where that does no harm, and reads answers. Time,
    waiting and chance are passed in for tests."""

    def __init__(
        self,
        pool: Pool,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        *,
        read_timeout: float,
        retry: Retry,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._pool = pool
        self._at = endpoint
        self._headers = dict(headers)
        self._read_timeout = read_timeout
        self.retry = retry
        self.clock = clock
        self.sleep = sleep
        self.chance = chance

    def call(self, request: Request) -> Answer:
        """Send a request until there is a final answer to it. Everything but a
        success is an exception."""
        attempt, failed = 0, 0.0
        there = request.patient
        while True:
            attempt += 1
            try:
                return self._once(request)
            except FaaspotException as err:
                if not worth_repeating(request, err, there):
                    raise
                there = True  # it answered, or was lost on the way
                failed = failed if attempt > 1 else self.clock()
                pause = self.pause(attempt, failed, err.retry_after, request.deadline)
                if pause is None:
                    raise
                _log.debug("%s %s: %s; again in %.2f s", request.method, request.path, err, pause)
            self.sleep(pause)

    def pause(
        self, attempt: int, failed: float, retry_after: Optional[float], deadline: Optional[float]
    ) -> Optional[float]:
        """Seconds to wait before the attempt behind the one of this number; None
        if there is to be none. The first one failed at a time of the clock."""
        if attempt >= self.retry.attempts:
            return None
        delay = self.retry.delay(attempt, retry_after, self.chance())
        end = failed + self.retry.total
        if deadline is not None:
            end = min(end, deadline)
        return delay if self.clock() + delay <= end else None

    def stream(self, request: Request) -> Generator[bytes, None, None]:
        """Send a request once, on a connection of its own, and give the lines of
        the answer as they come, until it ends. Closing the iterator closes the
        connection."""
        connection = self._pool.fresh()
        try:
            response = self._send(connection, request)
            if response.status != 200:
                self._refuse(response, self._body(connection, response))
            while True:
                line = connection.line(response, _MAX_LINE)
                if not line:
                    return
                if len(line) >= _MAX_LINE and not line.endswith(b"\n"):
                    raise self._foreign(response, "it has a line without end")
                yield line
        finally:
            connection.close()

    def _once(self, request: Request) -> Answer:
        connection, response = self._open(request)
        try:
            body = self._body(connection, response)
        except BaseException:
            connection.close()
            raise
        self._pool.give(connection)
        if response.status != 200:
            self._refuse(response, body)
        return Answer(self._json(response, body), response.headers, lambda why: self._foreign(response, why))

    def _open(self, request: Request) -> Tuple[Connection, http.client.HTTPResponse]:
        """Send a request on a connection that rested, or else on a new one. A
        server may close the former at any moment; a new one is made then, if the
        request cannot have been heard or may be repeated."""
        connection = self._pool.take()
        try:
            return connection, self._send(connection, request)
        except NoAnswer as err:
            if not connection.reused or err.timed_out or (err.sent and not request.repeatable):
                raise
            lost = err
        try:
            connection = self._pool.fresh()
        except NoAnswer as err:
            if lost.sent:
                raise lost from err  # it was there until then
            raise
        return connection, self._send(connection, request)

    def _send(self, connection: Connection, request: Request) -> http.client.HTTPResponse:
        headers = {**self._headers, **request.headers}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        silence = self._read_timeout if request.silence is None else request.silence
        began = self.clock()
        try:
            response = connection.send(request.method, request.path, headers, request.body, silence)
        except BaseException:
            connection.close()
            raise
        _log.debug("%s %s: %d in %.1f ms", request.method, request.path, response.status, (self.clock() - began) * 1000)
        return response

    def _body(self, connection: Connection, response: http.client.HTTPResponse) -> bytes:
        body = connection.body(response, _MAX_ANSWER)
        if len(body) > _MAX_ANSWER:
            raise self._foreign(response, "it is longer than any answer of a faaspot server")
        return body

    def _json(self, response: http.client.HTTPResponse, body: bytes) -> Any:
        try:
            return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError) as err:
            raise self._foreign(response, "it is not JSON") from err

    def _refuse(self, response: http.client.HTTPResponse, body: bytes) -> NoReturn:
        """Raise what an answer that is no success says."""
        fields: Any
        try:
            fields = json.loads(body.decode("utf-8"))
        except (ValueError, RecursionError):
            fields = None
        hint = "check the token of the profile, or FAASPOT_TOKEN if it is set" if response.status == 401 else None
        if not isinstance(fields, dict) or not (fields.get("message") or fields.get("detail")):
            if 300 <= response.status < 400:
                raise self._foreign(response, "it sends on to {}".format(response.getheader("Location")))
            if response.status not in _BUSY_GATEWAY:
                raise self._foreign(response, "it is not an error of faaspot")
            # A proxy, or the server itself when it has too many connections.
            fields = {"message": "{} takes no requests now".format(self._at.url), "hint": "try again later"}
        raise from_fields(
            fields,
            status=response.status,
            reason=_reason(response),
            retry_after=parse_retry_after(response.getheader("Retry-After")),
            execution_id=response.getheader("X-Execution-Id"),
            hint=hint,
        )

    def _foreign(self, response: http.client.HTTPResponse, why: str) -> ForeignAnswer:
        return ForeignAnswer(
            "{} answered, but {}".format(self._at.url, why),
            _reason(response),
            status_code=response.status,
            hint="check host, port and protocol of the profile, and any proxy on the way",
        )


def _reason(response: http.client.HTTPResponse) -> str:
    return response.reason or http.client.responses.get(response.status, "no reason given")


def worth_repeating(request: Request, err: FaaspotException, there: bool) -> bool:
    """Whether a request that failed is to be sent again. there says that the
    server was there a moment ago: if it cannot be reached, it may be starting
    again."""
    if isinstance(err, NoAnswer):
        if not err.sent:
            return there
        return request.repeatable and (there or not err.timed_out)
    if err.status_code == 429 and not request.retry_busy:
        return False
    # If a run began, the status is what became of it.
    return err.status_code in _COME_AGAIN and (request.repeatable or err.execution_id is None)


def _no_constant(name: str) -> NoReturn:
    raise ValueError("{} is not JSON".format(name))
