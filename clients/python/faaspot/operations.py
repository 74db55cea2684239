"""f.operations: repeats or cancels all executions that a filter selects."""

from __future__ import annotations

from typing import Callable, Dict, List, Literal, Optional, Sequence, Union, cast

from . import arguments
from .arguments import Time
from .errors import WaitTimeout
from .models import Operation
from .polling import Waits
from .transport import Request, Transport

_PATH = "/v1/operations"


class Operations:
    """The operations of a server. Any thread may use it.

    Every method may raise the FaaspotExceptions of its request, such as NotFound, Unauthenticated,
    TooBusy, Unavailable and NoAnswer, and TypeError or ValueError for arguments that are not valid.
    """

    def __init__(self, transport: Callable[[], Transport]) -> None:
        self._transport = transport

    def start(
        self,
        kind: Literal["rerun", "cancel"],
        *,
        function: Optional[str] = None,
        status: Union[str, Sequence[str], None] = None,
        created_after: Optional[Time] = None,
        created_before: Optional[Time] = None,
        trace_id: Optional[str] = None,
        where: Optional[str] = None,
    ) -> Operation:
        """Start to repeat ("rerun") or cancel ("cancel") all executions that the arguments select, in the
        background, and return the operation.

        function        name of a function; default any
        status          one status or a list of them; default "Failed", or to cancel "Pending" and "Started"
        created_after   accepted at this time or later: a datetime with a time zone, or text (RFC 3339)
        created_before  accepted before this time
        trace_id        the trace that they belong to
        where           an expression that must hold, as in executions.list

        If the connection is lost, it is not sent again, because it may have happened: NoAnswer is
        raised, and list shows whether it has.
        """
        body: Dict[str, str] = {"kind": kind}
        if status is not None:
            body["status"] = status if isinstance(status, str) else ",".join(status)
            if not body["status"]:
                raise ValueError("status must not be empty; None selects the default")
        for name, when in (("created_after", created_after), ("created_before", created_before)):
            if when is not None:
                body[name] = arguments.time_text(when, name)
        for name, value in (("function", function), ("trace_id", trace_id), ("where", where)):
            if value is not None:
                body[name] = value
        return self._call(Request("POST", _PATH, arguments.encode(body, "the operation")))

    def list(self) -> List[Operation]:
        """Return the operations that are stored, at most 32, newest first."""
        return self._transport().call(Request("GET", _PATH, repeatable=True)).expect(list)

    def get(self, uuid: str, wait: bool = False, *, wait_timeout: Optional[float] = None) -> Operation:
        """Return one operation with its progress.

        wait          True: return when it is done, failed or cancelled. The call survives restarts of the server
        wait_timeout  seconds after which WaitTimeout is raised, above 0 and at most 86,400; default
                      never. The operation continues
        """
        if wait_timeout is not None:
            arguments.check_seconds(wait_timeout, "wait_timeout")
        if not wait:
            return self._call(Request("GET", _path(uuid), repeatable=True))
        waits = Waits(self._transport(), wait_timeout)
        while True:
            operation = self._call(waits.request(_path(uuid), now=True))
            if operation["state"] != "running":
                return operation
            if not waits.next():
                raise WaitTimeout(
                    "the operation {} is running after {} s".format(uuid, wait_timeout),
                    hint="it continues; operations.get({!r}, wait=True) waits for it again".format(uuid),
                )

    def cancel(self, uuid: str) -> Operation:
        """End an operation and return it. What it has done stays."""
        return self._call(Request("DELETE", _path(uuid), repeatable=True))

    def _call(self, request: Request) -> Operation:
        return cast(Operation, self._transport().call(request).expect(dict))


def _path(uuid: str) -> str:
    return _PATH + "/" + arguments.segment(uuid, "uuid")
