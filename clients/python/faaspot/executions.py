"""f.executions: looking up runs, waiting for them, cancelling them."""

from __future__ import annotations

import datetime
from typing import Callable, Dict, Generator, Iterator, List, Optional, Sequence, Tuple, Union, cast, overload
from urllib.parse import urlencode

from . import arguments, pages
from .errors import TooBusy, WaitTimeout
from .follow import follow
from .shapes import CancelledExecution, Execution, FollowedLogEntry, Logs
from .transport import Request, Transport

DONE = frozenset({"Success", "Failed", "Cancelled"})

# How long one request waits for an execution: proxies commonly give up after 60 s
# in which nothing comes.
_LONG_POLL = 50.0  # seconds
# How much later than asked an answer may come.
_MARGIN = 30.0  # seconds
# Between two looks at an execution that cannot be waited for.
_POLL = 1.0  # seconds
_SHORTEST = 0.001  # seconds; what is left of a time that is over

# Ids in one request. The server takes ten times as many, but answers only so many
# bytes of outputs at once.
_MAX_BULK = 1000
_MAX_PAGE = 1000  # executions that the server gives in one answer

Time = Union[str, datetime.datetime]
Ids = Union[List[str], Tuple[str, ...]]


class Executions:
    """The executions of a server. Any thread may use it.

    Everything here may raise a FaaspotException.
    """

    def __init__(self, transport: Callable[[], Transport]) -> None:
        self._transport = transport

    def __call__(self) -> Executions:
        """f.executions() is f.executions."""
        return self

    def list(
        self,
        include_completed: bool = False,
        deployment: Optional[str] = None,
        *,
        function: Optional[str] = None,
        status: Union[str, Sequence[str], None] = None,
        created_after: Optional[Time] = None,
        created_before: Optional[Time] = None,
        limit: Optional[int] = None,
    ) -> List[Execution]:
        """Executions that are Pending or Started, newest first.

        include_completed  also those that are done
        function           only of the function of this name; deployment is the
                           old word for it
        status             only these: "Pending", "Started", "Success", "Failed",
                           "Cancelled", one or a list; include_completed does not
                           matter then
        created_after      accepted at this time or later: a datetime with a time
                           zone, or text as answers have it
        created_before     accepted before this time
        limit              how many at most; default all there are

        Outputs of more than 1 KiB are left out: see output_omitted.
        """
        return list(
            self.iterate(
                include_completed,
                deployment,
                function=function,
                status=status,
                created_after=created_after,
                created_before=created_before,
                limit=limit,
            )
        )

    def iterate(
        self,
        include_completed: bool = False,
        deployment: Optional[str] = None,
        *,
        function: Optional[str] = None,
        status: Union[str, Sequence[str], None] = None,
        created_after: Optional[Time] = None,
        created_before: Optional[Time] = None,
        limit: Optional[int] = None,
    ) -> Iterator[Execution]:
        """What list gives, one by one, without having all in memory."""
        query: Dict[str, str] = {"include_completed": str(bool(include_completed))}
        for name, value in (("deployment", deployment), ("function", function)):
            if value is not None:
                query[name] = value
        if status is not None:
            query["status"] = status if isinstance(status, str) else ",".join(status)
            if not query["status"]:
                raise ValueError("status must not be empty; None lists by include_completed")
        for name, when in (("created_after", created_after), ("created_before", created_before)):
            if when is not None:
                query[name] = _time(when, name)
        if limit is not None:
            if limit < 0:
                raise ValueError("limit must not be negative, and is {}".format(limit))
            query["limit"] = str(min(max(limit, 1), _MAX_PAGE))
        return self._iterate("/v1/executions/?" + urlencode(query), limit)

    def _iterate(self, path: str, limit: Optional[int]) -> Iterator[Execution]:
        if limit == 0:
            return
        for count, execution in enumerate(pages.items(self._transport(), path), 1):
            yield execution
            if count == limit:
                return

    @overload
    def get(self, uuid: str, wait: bool = ..., *, wait_timeout: Optional[float] = ...) -> Execution:
        ...

    @overload
    def get(self, uuid: Ids, wait: bool = ..., *, wait_timeout: Optional[float] = ...) -> List[Execution]:
        ...

    def get(
        self, uuid: Union[str, Ids], wait: bool = False, *, wait_timeout: Optional[float] = None
    ) -> Union[Execution, List[Execution]]:
        """An execution; of a list of ids, a list of executions in order.

        wait          return when it is done, however it ended; a list, when all
                      are. A server that restarts meanwhile is waited for, too
        wait_timeout  seconds after which WaitTimeout is raised; default never
        """
        if wait_timeout is not None:
            arguments.check_seconds(wait_timeout, "wait_timeout")
        if isinstance(uuid, str):
            return self._wait(uuid, wait_timeout) if wait else self._get(uuid)
        if not wait:
            return self.get_bulk(uuid)
        return self._wait_all(uuid, wait_timeout)

    def get_bulk(self, uuids: Sequence[str]) -> List[Execution]:
        """Executions, in the order of the ids. One that is not there has the
        status "NotFound". Large outputs may be left out: see output_omitted."""
        uuids = _ids(uuids)
        found: List[Execution] = []
        for start in range(0, len(uuids), _MAX_BULK):
            body = arguments.encode(uuids[start : start + _MAX_BULK], "uuids")
            answer = self._transport().call(Request("POST", "/v1/executions/bulk/", body, repeatable=True))
            found.extend(answer.expect(list))
        return found

    def cancel(self, uuid: str) -> CancelledExecution:
        """Cancel an execution and return it as it stands then, with changed and
        message. One that is done stays as it is; that is no error."""
        answer = self._transport().call(Request("DELETE", _path(uuid), repeatable=True))
        return cast(CancelledExecution, answer.expect(dict))

    def logs(self, uuid: str, *, stream: Optional[str] = None) -> Logs:
        """What the latest attempt wrote so far; only to one stream, if that is
        "stdout" or "stderr"."""
        path = _path(uuid) + "/logs" + _query(stream=stream)
        return cast(Logs, self._transport().call(Request("GET", path, repeatable=True)).expect(dict))

    def follow_logs(self, uuid: str, *, stream: Optional[str] = None) -> Generator[FollowedLogEntry, None, None]:
        """What an execution writes, from its beginning on and as it writes it,
        until it is done. A lost connection is made again and nothing is told
        twice; if another attempt begins, its first entry has restarted set.

        Closing the iterator, or the end of the program, ends only the following.
        """
        return follow(self._transport(), _path(uuid) + "/logs" + _query(follow="1", stream=stream))

    def _get(
        self, uuid: str, wait: Optional[float] = None, *, patient: bool = False, deadline: Optional[float] = None
    ) -> Execution:
        query = "" if wait is None else "?wait={:.3f}".format(wait)
        request = Request(
            "GET",
            _path(uuid) + query,
            repeatable=True,
            silence=None if wait is None else wait + _MARGIN,
            patient=patient,
            retry_busy=wait is None,
            deadline=deadline,
        )
        return cast(Execution, self._transport().call(request).expect(dict))

    def _wait(self, uuid: str, wait_timeout: Optional[float]) -> Execution:
        transport = self._transport()
        deadline = None if wait_timeout is None else transport.clock() + wait_timeout
        patient = False
        while True:
            asked = transport.clock()
            left = _LONG_POLL if deadline is None else min(_LONG_POLL, max(0.0, deadline - asked))
            try:
                execution = self._get(uuid, left, patient=patient, deadline=deadline)
            except TooBusy:
                # Too many wait already; to look is not to wait.
                execution = self._get(uuid, patient=patient, deadline=deadline)
            if execution["status"] in DONE:
                return execution
            patient = True
            now = transport.clock()
            if deadline is not None and now >= deadline:
                raise _late("{} is {} after {} s".format(uuid, execution["status"], wait_timeout), uuid, execution)
            if now - asked < min(left, _POLL):
                # Not waited for: too many wait, or the server is about to stop.
                transport.sleep(_POLL if deadline is None else min(_POLL, deadline - now))

    def _wait_all(self, uuids: Sequence[str], wait_timeout: Optional[float]) -> List[Execution]:
        clock = self._transport().clock
        deadline = None if wait_timeout is None else clock() + wait_timeout
        left = _ids(uuids)
        while True:
            # One that is not there will not come to be.
            found = self.get_bulk(left)
            left = [each["uuid"] for each in found if each["status"] in ("Pending", "Started")]
            if not left:
                return found if len(found) == len(uuids) else self.get_bulk(uuids)
            # Runs begin in their order, so that when the last one is done hardly
            # any other is not.
            try:
                self._wait(left[-1], None if deadline is None else max(deadline - clock(), _SHORTEST))
            except WaitTimeout as err:
                text = "{} of {} executions are not done after {} s".format(len(left), len(uuids), wait_timeout)
                raise _late(text, left[-1], err.execution) from None


def _late(message: str, uuid: str, execution: Optional[Execution]) -> WaitTimeout:
    return WaitTimeout(
        message,
        hint="it goes on; executions.get({!r}, wait=True) waits for it again".format(uuid),
        execution_id=uuid,
        execution=execution,
    )


def _path(uuid: str) -> str:
    return "/v1/executions/" + arguments.segment(uuid, "uuid")


def _query(**parameters: Optional[str]) -> str:
    given = {name: value for name, value in parameters.items() if value is not None}
    return "?" + urlencode(given) if given else ""


def _ids(uuids: Sequence[str]) -> List[str]:
    if isinstance(uuids, (str, bytes)):
        raise TypeError("uuids must be a list of ids, not one")
    return list(uuids)


def _time(when: Time, name: str) -> str:
    if not isinstance(when, datetime.datetime):
        return when
    if when.tzinfo is None:
        raise ValueError("{} has no time zone: give one, such as datetime.now(timezone.utc)".format(name))
    return when.isoformat()
