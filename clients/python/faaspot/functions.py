"""f.functions: deploying functions and running them."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Literal, Mapping, Optional, Sequence, cast, overload

from . import arguments, pages
from .errors import NoAnswer, Unavailable, WaitTimeout, from_fields
from .executions import Executions
from .shapes import Execution, Function, FunctionSummary
from .sources import Source, read_source
from .transport import Answer, Request, Transport

# A run lasts up to 900 s, may have to wait for a place before, and nothing comes
# until it is over. Deploying runs the code outside main, with the same limit.
_WORK_SILENCE = 1200.0  # seconds


class Functions:
    """The functions of a server. Any thread may use it.

    Everything here may raise a FaaspotException.
    """

    def __init__(self, transport: Callable[[], Transport], executions: Executions) -> None:
        self._transport = transport
        self._executions = executions

    def __call__(self) -> Functions:
        """f.functions() is f.functions."""
        return self

    def list(self) -> List[FunctionSummary]:
        """All functions, by name."""
        return list(pages.items(self._transport(), "/v1/functions/"))

    def get(self, name: str) -> Function:
        """A function with its code. Values of its context are never told."""
        path = _path(name) + "?encoding=plain"
        answer = self._transport().call(Request("GET", path, repeatable=True))
        return cast(Function, answer.expect(dict))

    def create(
        self,
        name: str,
        file: Source,
        context_file: Optional[Source] = None,
        wait: bool = False,
        *,
        timeout: Optional[float] = None,
        memory: Optional[float] = None,
        retries: Optional[int] = None,
    ) -> str:
        """Deploy a new function and return the id of that execution.

        file          Python that defines main(args, context): a path, or an
                      object whose read() gives text or UTF-8 bytes
        context_file  what main gets as context: lines of key = "value" (TOML),
                      or a JSON object; a path or object as well
        wait          return when it is deployed. A server of today answers not
                      before that anyway
        timeout       seconds that a run may take, 0.1 to 900; default 60
        memory        MB that a run may use, 64 to 1024; default 128
        retries       further attempts that a background run gets after the
                      function failed, 0 to 10; default 0

        Raises DeployFailed if the code does not deploy, with line and
        server_traceback, and AlreadyExists if there is a function of that name.
        """
        body = _definition(file, context_file, timeout, memory, retries)
        return self._change("PUT", "/v1/functions/", {"name": name, **body}, wait)

    def update(
        self,
        name: str,
        file: Optional[Source] = None,
        context_file: Optional[Source] = None,
        new_name: Optional[str] = None,
        wait: bool = False,
        *,
        timeout: Optional[float] = None,
        memory: Optional[float] = None,
        retries: Optional[int] = None,
    ) -> str:
        """Change what is given of a function and return the id of that
        execution. Arguments are as for create; if what results does not deploy,
        nothing is changed."""
        body = _definition(file, context_file, timeout, memory, retries)
        if new_name is not None:
            body["name"] = new_name
        return self._change("PATCH", _path(name), body, wait)

    def delete(self, name: str, wait: bool = False) -> str:
        """Delete a function and return the id of that execution."""
        return self._change("DELETE", _path(name), None, wait)

    @overload
    def run(
        self,
        name: str,
        parameters: Optional[Mapping[str, Any]] = ...,
        wait: Literal[False] = ...,
        *,
        retries: Optional[int] = ...,
        idempotency_key: Optional[str] = ...,
        timeout: Optional[float] = ...,
    ) -> str:
        ...

    @overload
    def run(
        self,
        name: str,
        parameters: Optional[Mapping[str, Any]] = ...,
        wait: bool = ...,
        *,
        retries: Optional[int] = ...,
        idempotency_key: Optional[str] = ...,
        timeout: Optional[float] = ...,
    ) -> Any:
        ...

    def run(
        self,
        name: str,
        parameters: Optional[Mapping[str, Any]] = None,
        wait: bool = False,
        *,
        retries: Optional[int] = None,
        idempotency_key: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Any:
        """Run a function.

        parameters       what main gets as args: a dict of what JSON can express
        wait             False: return the id of the execution once the server
                         has it on disk. True: return what main returned
        retries          further attempts after failures of the function, 0 to
                         10; default what the function says. With wait, 0
        idempotency_key  within 24 hours the server does the same call with the
                         same key once, however often it is made: 1 to 255
                         printable ASCII characters
        timeout          seconds to wait for the server's answer; default 1200
                         with wait, which is longer than any run

        With wait, RunFailed is raised if the function raised or met a limit. With
        wait and neither retries nor idempotency_key, a run whose connection is
        lost is not repeated, as it may have happened: NoAnswer is raised.
        """
        body = arguments.encode_parameters(parameters)
        if not wait:
            return self._accept(name, "/rpc/", body, retries, idempotency_key, timeout).expect(str)
        # A key makes a background run of it that is waited for, which costs more.
        keyed = retries is not None or idempotency_key is not None
        request = Request(
            "POST",
            "/v1/sync/functions/{}/rpc/".format(arguments.segment(name, "name")),
            body,
            arguments.accepting(idempotency_key, retries) if keyed else {},
            repeatable=keyed,
            silence=_WORK_SILENCE if timeout is None else arguments.check_seconds(timeout, "timeout"),
        )
        try:
            return self._transport().call(request).value
        except NoAnswer as err:
            if not err.timed_out or not err.sent or timeout is None:
                raise
            hint = "it goes on: see executions.list(function={!r})".format(name)
            if idempotency_key is not None:
                hint = "it goes on: the same call with the same idempotency_key waits for it again"
            raise WaitTimeout("{} is not done after {:g} s".format(name, timeout), hint=hint) from err
        except Unavailable as err:
            if not keyed or err.execution_id is None:
                raise
            # It was accepted, and takes longer than the server lets one request
            # wait, or than the server stayed.
            return _output(self._executions.get(err.execution_id, wait=True, wait_timeout=timeout))

    def run_bulk(
        self,
        name: str,
        parameters: Sequence[Mapping[str, Any]],
        *,
        retries: Optional[int] = None,
        idempotency_key: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> List[str]:
        """Run a function in the background once for each dict, 1 to 10,000 of
        them. Returns the ids of the executions in order once all are on disk; if
        one cannot be accepted, none is. The other arguments are as for run."""
        if isinstance(parameters, (str, bytes, Mapping)):
            raise TypeError("parameters must be a list of dicts, not {}".format(type(parameters).__name__))
        each = [arguments.check_parameters(one, "parameters[{}]".format(i)) for i, one in enumerate(parameters)]
        body = arguments.encode(each, "parameters")
        return self._accept(name, "/bulk_rpc/", body, retries, idempotency_key, timeout).expect(list)

    def _accept(
        self,
        name: str,
        end: str,
        body: bytes,
        retries: Optional[int],
        idempotency_key: Optional[str],
        timeout: Optional[float],
    ) -> Answer:
        return self._transport().call(
            Request(
                "POST",
                _path(name) + end,
                body,
                arguments.accepting(idempotency_key, retries),
                repeatable=True,
                silence=None if timeout is None else arguments.check_seconds(timeout, "timeout"),
            )
        )

    def _change(self, method: str, path: str, body: Optional[Dict[str, Any]], wait: bool) -> str:
        request = Request(
            method,
            path,
            None if body is None else arguments.encode(body, "the function"),
            arguments.accepting(),
            repeatable=True,
            silence=_WORK_SILENCE,
        )
        uuid = self._transport().call(request).expect(str)
        if wait:
            _output(self._executions.get(uuid, wait=True))
        return uuid


def _output(execution: Execution) -> Any:
    """What came of an execution that is done."""
    if execution["status"] != "Success":
        raise from_fields(cast(Mapping[str, Any], execution["error"] or {}), execution_id=execution["uuid"])
    return execution["output"]


def _path(name: str) -> str:
    return "/v1/functions/" + arguments.segment(name, "name")


def _definition(
    file: Optional[Source],
    context_file: Optional[Source],
    timeout: Optional[float],
    memory: Optional[float],
    retries: Optional[int],
) -> Dict[str, Any]:
    body: Dict[str, Any] = {}
    if file is not None:
        body["code"] = read_source(file, "file")
    if context_file is not None:
        body["context"] = read_source(context_file, "context_file")
    if body:
        body["encoding"] = "plain"  # texts are sent as they are; else the server would have to guess
    for name, value in (("timeout", timeout), ("memory", memory), ("retries", retries)):
        if value is not None:
            body[name] = value
    return body
