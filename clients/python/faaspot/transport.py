"""Sends requests to one server, retries them, and decodes the answers.

Any thread may use a Transport.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Generator, Mapping, NoReturn, Optional, Tuple, Type, TypeVar, Union

from . import abort
from .connection import Connection
from .endpoint import Endpoint
from .errors import FaaspotException, ForeignAnswer, NoAnswer, from_fields
from .pool import Pool
from .retry import Retry, parse_retry_after

_log = logging.getLogger("faaspot")

# Far more than any answer of a faaspot server has; bounds the memory that a foreign server can use.
_MAX_ANSWER = 64 << 20  # bytes
_MAX_LINE = 1 << 20  # bytes of a line of a stream; the lines of a server are far shorter

# Statuses by which a server reports that it did nothing and the client may retry.
_RETRY_STATUSES = frozenset({429, 503})

# Statuses by which a proxy reports that it cannot reach the server.
_GATEWAY_STATUSES = _RETRY_STATUSES | {502, 504}

_A = TypeVar("_A")


@dataclass(frozen=True)
class Request:
    """One request, which may be sent several times."""

    method: str
    path: str  # from the root, escaped, with the query
    body: Optional[Union[bytes, memoryview]] = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # Sending it twice has the same effect as sending it once.
    repeatable: bool = False
    # Seconds for which the server may be silent; None: the transport's default.
    read_timeout: Optional[float] = None
    # The server answered a moment ago, see is_retryable.
    reached: bool = False
    # Retry after status 429.
    retry_busy: bool = True
    # Time of the transport's clock after which no attempt starts.
    deadline: Optional[float] = None


@dataclass(frozen=True)
class Answer:
    """A successful answer. value is its decoded JSON body."""

    value: Any
    headers: http.client.HTTPMessage
    # Makes the error for a value that a faaspot server would not send; the argument says why.
    foreign: Callable[[str], ForeignAnswer]

    def expect(self, kind: Type[_A]) -> _A:
        """The value. Raises ForeignAnswer unless it is of this type."""
        if not isinstance(self.value, kind):
            raise self.foreign("it is not a JSON {}".format(_JSON_NAMES[kind]))
        return self.value


_JSON_NAMES: Dict[type, str] = {str: "string", list: "array", dict: "object"}


class Transport:
    """Sends requests to one server. clock and sleep count in seconds, chance returns a random number
    from 0 to 1; tests replace them."""

    def __init__(
        self,
        pool: Pool,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        *,
        read_timeout: float,
        retry: Retry,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = abort.sleep,
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
        """Send a request and retry it until there is a final answer. Raises FaaspotException for
        every answer but a success."""
        return self._retried(request, self._attempt)

    def download(
        self, request: Request, media_type: str, most: int, write: Optional[Callable[[bytes], object]]
    ) -> bytes:
        """Send a request whose answer is a file of a media type with at most so many bytes. The request is
        retried until the file begins. write is called with each part of it; without write, the whole
        file is returned."""
        connection, response = self._retried(request, self._begin)
        try:
            kind, length = response.getheader("Content-Type"), response.length
            if kind != media_type or length is None or length > most:
                raise self._foreign(
                    response, "it is not a file of type {} with at most {} bytes".format(media_type, most)
                )
            data = connection.read_file(response, length, write)
        except BaseException:
            connection.close()
            raise
        self._release(connection)
        return data

    def _retried(self, request: Request, send: Callable[[Request], _A]) -> _A:
        """Call send until there is a final answer."""
        attempt, first_failure = 0, 0.0
        reached = request.reached
        while True:
            attempt += 1
            try:
                return send(request)
            except FaaspotException as err:
                abort.check()
                if not is_retryable(request, err, reached):
                    raise
                reached = True  # it answered, or the connection was lost after it was established
                first_failure = first_failure if attempt > 1 else self.clock()
                pause = self.pause(attempt, first_failure, err.retry_after, request.deadline)
                if pause is None:
                    raise
                _log.debug("%s %s: %s; again in %.2f s", request.method, request.path, err, pause)
            self.sleep(pause)

    def pause(
        self, attempt: int, first_failure: float, retry_after: Optional[float], deadline: Optional[float]
    ) -> Optional[float]:
        """Seconds to wait after attempt number attempt, from 1; None if no attempt may follow.
        first_failure and deadline are times of the clock."""
        if attempt >= self.retry.attempts:
            return None
        delay = self.retry.delay(attempt, retry_after, self.chance())
        end = first_failure + self.retry.total
        if deadline is not None:
            end = min(end, deadline)
        return delay if self.clock() + delay <= end else None

    def stream(self, request: Request) -> Generator[bytes, None, None]:
        """Send a request once, on a new connection, and yield the lines of the answer as they
        arrive. Closing the iterator closes the connection."""
        connection = self._pool.open()
        try:
            response = self._send(connection, request)
            if response.status != 200:
                self._raise_error(response, self._body(connection, response))
            while True:
                line = connection.read_line(response, _MAX_LINE)
                if not line:
                    return
                if len(line) >= _MAX_LINE and not line.endswith(b"\n"):
                    raise self._foreign(response, "it has a line of more than {} bytes".format(_MAX_LINE))
                yield line
        finally:
            connection.close()

    def _attempt(self, request: Request) -> Answer:
        connection, response = self._begin(request)
        try:
            body = self._body(connection, response)
        except BaseException:
            connection.close()
            raise
        self._release(connection)
        return Answer(self._json(response, body), response.headers, lambda why: self._foreign(response, why))

    def _begin(self, request: Request) -> Tuple[Connection, http.client.HTTPResponse]:
        """Send a request. The body of the answer, which is a success, is not read."""
        connection, response = self._open(request)
        if response.status != 200:
            try:
                body = self._body(connection, response)
            except BaseException:
                connection.close()
                raise
            self._release(connection)
            self._raise_error(response, body)
        return connection, response

    def _open(self, request: Request) -> Tuple[Connection, http.client.HTTPResponse]:
        """Send a request on an idle connection, or else on a new one. A server may close an idle
        connection at any moment; a new one is opened then, if the server cannot have received the
        request or the request is repeatable."""
        connection = self._pool.acquire()
        try:
            return connection, self._send(connection, request)
        except NoAnswer as err:
            if not connection.reused or err.timed_out or (err.sent and not request.repeatable):
                raise
            lost = err
        try:
            connection = self._pool.open()
        except NoAnswer as err:
            if lost.sent:
                raise lost from err  # the server was reachable until then
            raise
        return connection, self._send(connection, request)

    def _send(self, connection: Connection, request: Request) -> http.client.HTTPResponse:
        headers = {**self._headers, **request.headers}
        if request.body is not None:
            headers.setdefault("Content-Type", "application/json")
        read_timeout = self._read_timeout if request.read_timeout is None else request.read_timeout
        start = self.clock()
        try:
            abort.use(connection)
            response = connection.send(request.method, request.path, headers, request.body, read_timeout)
        except BaseException:
            connection.close()
            raise
        _log.debug("%s %s: %d in %.1f ms", request.method, request.path, response.status, (self.clock() - start) * 1000)
        return response

    def _release(self, connection: Connection) -> None:
        abort.use(None)
        self._pool.release(connection)

    def _body(self, connection: Connection, response: http.client.HTTPResponse) -> bytes:
        body = connection.read_body(response, _MAX_ANSWER)
        if len(body) > _MAX_ANSWER:
            raise self._foreign(response, "it is longer than any answer of a faaspot server")
        return body

    def _json(self, response: http.client.HTTPResponse, body: bytes) -> Any:
        try:
            return json.loads(body.decode("utf-8"), parse_constant=_reject_constant)
        except (ValueError, RecursionError) as err:
            raise self._foreign(response, "it is not JSON") from err

    def _raise_error(self, response: http.client.HTTPResponse, body: bytes) -> NoReturn:
        """Raise the exception for an answer that is not a success."""
        fields: Any
        try:
            fields = json.loads(body.decode("utf-8"))
        except (ValueError, RecursionError):
            fields = None
        hint = "check the token of the profile, or FAASPOT_TOKEN if it is set" if response.status == 401 else None
        if not isinstance(fields, dict) or not (fields.get("message") or fields.get("detail")):
            if 300 <= response.status < 400:
                raise self._foreign(response, "it redirects to {}".format(response.getheader("Location")))
            if response.status not in _GATEWAY_STATUSES:
                raise self._foreign(response, "it is not an error of faaspot")
            # A proxy, or the server itself when it has too many connections.
            fields = {"message": "{} does not accept requests now".format(self._at.url), "hint": "try again later"}
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
            hint="check host, port and protocol of the profile, and any proxy in between",
        )


def _reason(response: http.client.HTTPResponse) -> str:
    return response.reason or http.client.responses.get(response.status, "no reason given")


def is_retryable(request: Request, err: FaaspotException, reached: bool) -> bool:
    """Whether to send a request again after it failed with err. reached is whether the server
    answered a moment ago: if it is unreachable now, it may be restarting."""
    if isinstance(err, NoAnswer):
        if not err.sent:
            return reached
        return request.repeatable and (reached or not err.timed_out)
    if err.status_code == 429 and not request.retry_busy:
        return False
    # With an execution id a run has started, and the status is its outcome.
    return err.status_code in _RETRY_STATUSES and (request.repeatable or err.execution_id is None)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError("{} is not JSON".format(name))
