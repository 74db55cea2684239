"""f.executions: looks up executions, waits for them and cancels them."""

from __future__ import annotations

from typing import (
    Any,
    Callable,
    Dict,
    Generator,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
    cast,
    overload,
)
from urllib.parse import urlencode

from . import arguments, pages
from .arguments import Time
from .errors import TooBusy, WaitTimeout
from .follow import follow
from .models import CancelledExecution, Execution, FollowedLogEntry, FoundExecution, Logs
from .polling import Waits
from .transport import Request, Transport

DONE = frozenset({"Success", "Failed", "Cancelled"})

_SHORTEST = 0.001  # seconds; a timeout must be above zero, so this replaces a remaining time of zero

# Ids in one request. The server accepts ten times as many, but limits the bytes of outputs in one
# answer.
_MAX_BULK = 1000
_MAX_PAGE = 1000  # executions in one answer of the server
_MAX_FOUND = 100  # executions in one answer to a search


Ids = Union[List[str], Tuple[str, ...]]


class Executions:
    """The executions of a server. Any thread may use it.

    Every method may raise the FaaspotExceptions of its request, such as NotFound, Unauthenticated,
    TooBusy, Unavailable and NoAnswer, and TypeError or ValueError for arguments that are not valid.
    """

    def __init__(self, transport: Callable[[], Transport]) -> None:
        self._transport = transport

    def __call__(self) -> Executions:
        """Return self: f.executions() is f.executions."""
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
        where: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> List[Execution]:
        """Return the executions that are Pending or Started, newest first.

        include_completed  True: also those that are done
        function           name of a function: only its executions; deployment is the former name of
                           this argument
        status             one status or a list of them: "Pending", "Started", "Success", "Failed",
                           "Cancelled"; include_completed is ignored then
        created_after      accepted at this time or later: a datetime with a time zone, or text in
                           the format of the answers
        created_before     accepted before this time
        where              an expression that must hold, such as "duration >= 30s and user = ann";
                           docs/http-api.md describes all of them
        limit              maximum number of executions, at least 0; default no limit

        Outputs of more than 1 KiB are omitted; output_omitted is True then.
        """
        return list(
            self.iterate(
                include_completed,
                deployment,
                function=function,
                status=status,
                created_after=created_after,
                created_before=created_before,
                where=where,
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
        where: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Iterator[Execution]:
        """Iterate over the executions that list returns, without having all of them in memory."""
        query: Dict[str, str] = {"include_completed": str(bool(include_completed))}
        for name, value in (("deployment", deployment), ("function", function), ("where", where)):
            if value is not None:
                query[name] = value
        if status is not None:
            query["status"] = status if isinstance(status, str) else ",".join(status)
            if not query["status"]:
                raise ValueError("status must not be empty; None lists by include_completed")
        for name, when in (("created_after", created_after), ("created_before", created_before)):
            if when is not None:
                query[name] = arguments.time_text(when, name)
        size = pages.check_limit(limit, _MAX_PAGE)
        if limit is not None:
            query["limit"] = str(size)
        return self._iterate("/v1/executions/?" + urlencode(query), limit)

    def _iterate(self, path: str, limit: Optional[int]) -> Iterator[Execution]:
        yield from pages.limited(pages.items(self._transport(), path), limit)

    def search(
        self,
        *,
        function: Optional[str] = None,
        job: Optional[str] = None,
        rid: Optional[str] = None,
        where: Optional[Mapping[str, Any]] = None,
        since: Optional[Time] = None,
        until: Optional[Time] = None,
        limit: Optional[int] = 100,
    ) -> Iterator[FoundExecution]:
        """Iterate over finished executions of one function or job, the latest start first.

        function  name of a function
        job       name of a job: then an execution of the job counts as one, however many tasks it has
        rid       id of a function or job in searches, instead of its name
        where     a filter, such as {"type": "eq", "field": "status", "value": "FAILED"};
                  docs/observability.md describes all of them
        since     started at this time or later: a datetime with a time zone, or text (RFC 3339);
                  default 24 hours ago
        until     started before this time
        limit     maximum number of executions, at least 0; None: no limit

        One of function, job and rid is needed. Raises NotFound if there is none of that name.
        """
        if sum(each is not None for each in (function, job, rid)) != 1:
            raise TypeError("give one of function, job and rid: each names what is searched")
        body: Dict[str, Any] = {"pageSize": pages.check_limit(limit, _MAX_FOUND)}
        if where is not None:
            body["where"] = arguments.check_parameters(where, "where")
        for name, member, when in (("since", "startTime", since), ("until", "endTime", until)):
            if when is not None:
                body[member] = arguments.time_text(when, name)
        return self._search(function, job, rid, body, limit)

    def _search(
        self,
        function: Optional[str],
        job: Optional[str],
        rid: Optional[str],
        body: Dict[str, Any],
        limit: Optional[int],
    ) -> Iterator[FoundExecution]:
        transport = self._transport()
        if function is not None:
            answer = transport.call(
                Request("GET", "/v1/functions/" + arguments.segment(function, "function"), repeatable=True)
            )
            rid = answer.expect(dict).get("rid")
        elif job is not None:
            answer = transport.call(Request("GET", "/v0/jobs/" + arguments.segment(job, "job"), repeatable=True))
            rid = answer.expect(dict).get("metadata", {}).get("rid")
        rid = arguments.segment(rid or "", "rid")
        path = "/api/v2/observability/resources/{}/listExecutions?preview=true&details=true"
        yield from pages.limited(pages.token_items(transport, path.format(rid), body), limit)

    @overload
    def get(self, uuid: str, wait: bool = ..., *, wait_timeout: Optional[float] = ...) -> Execution:
        ...

    @overload
    def get(self, uuid: Ids, wait: bool = ..., *, wait_timeout: Optional[float] = ...) -> List[Execution]:
        ...

    def get(
        self, uuid: Union[str, Ids], wait: bool = False, *, wait_timeout: Optional[float] = None
    ) -> Union[Execution, List[Execution]]:
        """Return one execution, or for a list of ids a list of executions in the same order.

        wait          True: return when the execution is done, whatever its final status; for a list,
                      when all are. The call survives restarts of the server
        wait_timeout  seconds after which WaitTimeout is raised, above 0 and at most 86,400; default
                      never

        A failed execution raises nothing: its error is in the dict. Raises NotFound for one unknown
        id; in a list, an unknown id has the status "NotFound".
        """
        if wait_timeout is not None:
            arguments.check_seconds(wait_timeout, "wait_timeout")
        if isinstance(uuid, str):
            return self._wait(uuid, wait_timeout) if wait else self._get(Request("GET", _path(uuid), repeatable=True))
        if not wait:
            return self.get_bulk(uuid)
        return self._wait_all(uuid, wait_timeout)

    def get_bulk(self, uuids: Sequence[str]) -> List[Execution]:
        """Return the executions with these ids, in the same order. One request has at most 1,000 ids.

        An unknown id has the status "NotFound". Large outputs may be omitted; output_omitted is True
        then."""
        uuids = _ids(uuids)
        found: List[Execution] = []
        for start in range(0, len(uuids), _MAX_BULK):
            body = arguments.encode(uuids[start : start + _MAX_BULK], "uuids")
            answer = self._transport().call(Request("POST", "/v1/executions/bulk/", body, repeatable=True))
            found.extend(answer.expect(list))
        return found

    def cancel(self, uuid: str) -> CancelledExecution:
        """Cancel an execution and return it, with changed and message. One that is done is returned
        unchanged, without an error."""
        answer = self._transport().call(Request("DELETE", _path(uuid), repeatable=True))
        return cast(CancelledExecution, answer.expect(dict))

    def rerun(
        self,
        uuid: str,
        parameters: Optional[Mapping[str, Any]] = None,
        *,
        version: Optional[int] = None,
        retries: Optional[int] = None,
        idempotency_key: Optional[str] = None,
    ) -> Execution:
        """Run the function of an execution again, in the background, and return the new execution.

        parameters       the args that main receives; default those of the execution, if they were
                         kept, see keep_args of functions.create
        version          number of a stored version of the function; default the current one
        retries          further attempts after the function failed, 0 to 10; default the retries of the
                         function
        idempotency_key  as in functions.run

        Raises NotFound if the execution or the version is unknown, and InvalidRequest if the args
        were not kept.
        """
        body: Dict[str, Any] = {}
        if parameters is not None:
            body["args"] = arguments.check_parameters(parameters, "parameters")
        if version is not None:
            body["version"] = arguments.check_whole(version, "version")
        if retries is not None:
            body["retries"] = arguments.check_retries(retries)
        headers = arguments.idempotency_headers(idempotency_key)
        path = _path(uuid) + "/rerun"
        return self._get(Request("POST", path, arguments.encode(body, "parameters"), headers, repeatable=True))

    def logs(self, uuid: str, *, stream: Optional[str] = None, times: bool = False) -> Logs:
        """Return the text that the latest attempt has written so far.

        stream  "stdout" or "stderr"; default both
        times   True: entries are divided where the time changes, and have the time at which their
                first line was begun; without it if an earlier version of the server has stored them
        """
        path = _path(uuid) + "/logs" + _query(stream=stream, times="1" if times else None)
        return cast(Logs, self._transport().call(Request("GET", path, repeatable=True)).expect(dict))

    def follow_logs(
        self, uuid: str, *, stream: Optional[str] = None, times: bool = False
    ) -> Generator[FollowedLogEntry, None, None]:
        """Iterate over the text that an execution writes, from its start, as it is written, until
        the execution is done. stream and times are as in logs.

        The client reconnects after a lost connection, and neither skips nor repeats text. When a
        further attempt starts, restarted is True in its first entry. Closing the iterator does not
        affect the execution. Raises NotFound if the execution is unknown.
        """
        return follow(
            self._transport(), _path(uuid) + "/logs" + _query(follow="1", stream=stream, times="1" if times else None)
        )

    def _get(self, request: Request) -> Execution:
        return cast(Execution, self._transport().call(request).expect(dict))

    def _wait(self, uuid: str, wait_timeout: Optional[float]) -> Execution:
        waits = Waits(self._transport(), wait_timeout)
        path = _path(uuid)
        while True:
            try:
                execution = self._get(waits.request(path))
            except TooBusy:
                # Too many requests wait already; get it without waiting.
                execution = self._get(waits.request(path, now=True))
            if execution["status"] in DONE:
                return execution
            if not waits.next():
                raise _wait_timeout(
                    "{} is {} after {} s".format(uuid, execution["status"], wait_timeout), uuid, execution
                )

    def _wait_all(self, uuids: Sequence[str], wait_timeout: Optional[float]) -> List[Execution]:
        clock = self._transport().clock
        deadline = None if wait_timeout is None else clock() + wait_timeout
        left = _ids(uuids)
        while True:
            # An unknown id stays unknown.
            found = self.get_bulk(left)
            left = [each["uuid"] for each in found if each["status"] in ("Pending", "Started")]
            if not left:
                return found if len(found) == len(uuids) else self.get_bulk(uuids)
            # Runs start in order, so when the last one is done, nearly all others are.
            try:
                self._wait(left[-1], None if deadline is None else max(deadline - clock(), _SHORTEST))
            except WaitTimeout as err:
                text = "{} of {} executions are not done after {} s".format(len(left), len(uuids), wait_timeout)
                raise _wait_timeout(text, left[-1], err.execution) from None


def _wait_timeout(message: str, uuid: str, execution: Optional[Execution]) -> WaitTimeout:
    return WaitTimeout(
        message,
        hint="it continues; executions.get({!r}, wait=True) waits for it again".format(uuid),
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
