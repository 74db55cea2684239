"""f.functions: deploys functions and runs them."""

from __future__ import annotations

import urllib.parse
from dataclasses import replace
from typing import Any, Callable, Dict, Iterable, List, Literal, Mapping, Optional, Sequence, Union, cast, overload

from . import arguments, pages
from .arguments import Time
from .code_input import BundleInput, BundleOutput, CodeInput, read_bundle, read_code, writer
from .errors import NoAnswer, Unavailable, WaitTimeout, from_fields
from .executions import Executions
from .models import Execution, Function, FunctionSummary, FunctionVersion, FunctionVersionDetail, Stats, VersionDiff
from .transport import Answer, Request, Transport

# A run whose caller waits takes up to 900 s and may wait for a free slot before, and the server is silent
# until it ends. A deploy runs the code outside main, with the same limit.
_RUN_TIMEOUT = 1200.0  # seconds

_MAX_BUNDLE = 50 << 20  # bytes


class Functions:
    """The functions of a server. Any thread may use it.

    Every method may raise the FaaspotExceptions of its request, such as NotFound, Unauthenticated,
    TooBusy, Unavailable and NoAnswer, and TypeError or ValueError for arguments that are not valid.
    """

    def __init__(self, transport: Callable[[], Transport], executions: Executions) -> None:
        self._transport = transport
        self._executions = executions

    def __call__(self) -> Functions:
        """Return self: f.functions() is f.functions."""
        return self

    def list(self) -> List[FunctionSummary]:
        """Return all functions, ordered by name."""
        return list(pages.items(self._transport(), "/v1/functions/"))

    def get(self, name: str) -> Function:
        """Return one function with its code. The values of its context are never returned."""
        path = _path(name) + "?encoding=plain"
        answer = self._transport().call(Request("GET", path, repeatable=True))
        return cast(Function, answer.expect(dict))

    def create(
        self,
        name: str,
        file: CodeInput,
        context_file: Optional[CodeInput] = None,
        wait: bool = False,
        *,
        timeout: Optional[float] = None,
        memory: Optional[float] = None,
        retries: Optional[int] = None,
        allow: Optional[Iterable[str]] = None,
        keep_args: Optional[bool] = None,
    ) -> str:
        """Deploy a new function and return the id of the deploy's execution.

        file          Python source that defines main(args, context): a path, or an object whose
                      read() returns text or UTF-8 bytes
        context_file  the context that main receives, as lines of key = "value" (TOML) or a JSON
                      object; a path or an object like file
        wait          True: return when the function is deployed; current servers never answer
                      earlier
        timeout       seconds that a run may take, 0.1 to 86,400; default 60; a run takes at most 900
                      of them while its caller waits (wait=True)
        memory        MB that a run may use, 64 to 3,072; default 128
        retries       further attempts of a background run after the function failed, 0 to 10;
                      default 0
        allow         what runs may reach, as rules HOST:PORT or udp:HOST:PORT, where HOST is a name,
                      *.NAME, an address, [IPv6] or a network; default nothing
        keep_args     whether the parameters of runs are stored with their executions, so that they
                      can run again; default as the server is set

        Raises DeployFailed, with line and server_traceback, if the code cannot be deployed,
        AlreadyExists if there is a function of that name, TooLarge if code or context exceed a
        limit, OSError if a path cannot be read, and ValueError if the text is not UTF-8.
        """
        body = _definition(file, context_file, timeout, memory, retries, allow, keep_args)
        return self._change("PUT", "/v1/functions/", {"name": name, **body}, wait)

    def apply(
        self,
        name: str,
        file: CodeInput,
        context_file: Optional[CodeInput] = None,
        wait: bool = False,
        *,
        timeout: Optional[float] = None,
        memory: Optional[float] = None,
        retries: Optional[int] = None,
        allow: Optional[Iterable[str]] = None,
        keep_args: Optional[bool] = None,
    ) -> str:
        """Deploy a function, new or not, and return the id of the deploy's execution.

        Arguments and errors are those of create. If there is a function of that name, it is changed,
        and what the arguments do not name stays as it is."""
        body = _definition(file, context_file, timeout, memory, retries, allow, keep_args)
        return self._change("PUT", _path(name), body, wait)

    def deploy_bundle(
        self,
        name: str,
        bundle: BundleInput,
        wait: bool = False,
        *,
        timeout: Optional[float] = None,
        memory: Optional[float] = None,
        retries: Optional[int] = None,
        allow: Optional[Iterable[str]] = None,
        keep_args: Optional[bool] = None,
    ) -> str:
        """Deploy a function of several files, new or not, and return the id of the deploy's execution.

        bundle  a zip file of at most 50 MiB, with main.py at its root, which defines
                main(args, context), and its modules, packages and data: a path, the bytes, or an
                object whose read() returns them; the server installs nothing
        The other arguments are those of create, and allow replaces the whole list: [] allows nothing. If
        there is a function of that name, what the arguments do not name stays as it is, and so does its
        context, which update changes. Raises DeployFailed, with line and server_traceback, if the code
        cannot be deployed, TooLarge if the zip file exceeds a limit, InvalidRequest if it is not
        valid, and OSError if a path cannot be read.
        """
        body = read_bundle(bundle, "bundle")
        settings = _settings(timeout, memory, retries)
        if keep_args is not None:
            settings["keep_args"] = str(bool(keep_args)).lower()
        if allow is not None:
            settings["allow"] = arguments.check_allow(allow) or [""]  # an empty rule, alone, is no rule
        path = _path(name) + "/bundle" + ("?" + urllib.parse.urlencode(settings, doseq=True) if settings else "")
        return self._deploy(Request("PUT", path, body, {"Content-Type": "application/zip"}), wait)

    @overload
    def get_bundle(self, name: str) -> bytes:
        ...

    @overload
    def get_bundle(self, name: str, file: BundleOutput) -> None:
        ...

    def get_bundle(self, name: str, file: Optional[BundleOutput] = None) -> Optional[bytes]:
        """Return the zip file of a function of several files, as it was deployed.

        file  a path, or an object whose write() takes bytes, to which the zip file is written instead;
              a path has all of it, or is as it was before if it cannot be read to its end

        Raises NotFound if there is no such function, or if it is a single file.
        """
        request = Request("GET", _path(name) + "/bundle", headers={"Accept": "application/zip"}, repeatable=True)
        if file is None:
            return self._transport().download(request, "application/zip", _MAX_BUNDLE, None)
        with writer(file, "file") as write:
            self._transport().download(request, "application/zip", _MAX_BUNDLE, write)
        return None

    def update(
        self,
        name: str,
        file: Optional[CodeInput] = None,
        context_file: Optional[CodeInput] = None,
        new_name: Optional[str] = None,
        wait: bool = False,
        *,
        timeout: Optional[float] = None,
        memory: Optional[float] = None,
        retries: Optional[int] = None,
        allow: Optional[Iterable[str]] = None,
        keep_args: Optional[bool] = None,
    ) -> str:
        """Change the given parts of a function and return the id of the deploy's execution.

        Arguments and errors are those of create; new_name renames the function, and allow replaces
        the whole list: [] allows nothing. If the result cannot be deployed, nothing changes."""
        body = _definition(file, context_file, timeout, memory, retries, allow, keep_args)
        if new_name is not None:
            body["name"] = new_name
        return self._change("PATCH", _path(name), body, wait)

    def patch_context(self, name: str, values: Mapping[str, Any], wait: bool = False) -> str:
        """Change single values of a function's context and return the id of the deploy's execution.

        values  the values to set, by their names; None removes one; the others stay

        Raises TooLarge if the context exceeds its limit then."""
        body = arguments.check_parameters(values, "values")
        return self._change("PATCH", _path(name) + "/context", body, wait)

    def versions(self, name: str) -> List[FunctionVersion]:
        """Return the stored versions of a function, at most 10, newest first."""
        request = Request("GET", _path(name) + "/versions", repeatable=True)
        return self._transport().call(request).expect(list)

    def version(self, name: str, number: int) -> FunctionVersionDetail:
        """Return one stored version of a function with its code."""
        path = "{}/versions/{}?encoding=plain".format(_path(name), arguments.check_whole(number, "number"))
        return cast(FunctionVersionDetail, self._transport().call(Request("GET", path, repeatable=True)).expect(dict))

    def diff(self, name: str, older: Optional[int] = None, newer: Optional[int] = None) -> VersionDiff:
        """Return what differs between two versions of a function.

        older  number of a version; default the one before newer
        newer  number of a version; default the current one

        Raises NotFound if one of them is not stored. Of the context it has the names."""
        given = (("from", "older", older), ("to", "newer", newer))
        query = {key: arguments.check_whole(number, what) for key, what, number in given if number is not None}
        path = _path(name) + "/diff" + ("?" + urllib.parse.urlencode(query) if query else "")
        return cast(VersionDiff, self._transport().call(Request("GET", path, repeatable=True)).expect(dict))

    def rollback(self, name: str, version: int, wait: bool = False, *, keep_context: bool = False) -> str:
        """Make a new version that is equal to a stored one and return the id of the deploy's execution.

        keep_context  True: the context stays as it is, for example because a secret in it has been
                      replaced since

        If it cannot be deployed, nothing changes. Raises NotFound if the version is not stored, and
        InvalidRequest if it is the current one."""
        body = {"version": arguments.check_whole(version, "version"), "keep_context": bool(keep_context)}
        return self._change("POST", _path(name) + "/rollback", body, wait)

    def pause(self, name: str) -> FunctionSummary:
        """Begin no background run of a function until it is resumed, and return the function.

        Runs and tasks of jobs are accepted and queued meanwhile. Those that have begun go on, and so do
        runs whose caller waits. A function that is paused stays so."""
        return self._set_paused(name, "/pause")

    def resume(self, name: str) -> FunctionSummary:
        """Let the background runs of a function begin again, and return the function.

        A function that is not paused stays so."""
        return self._set_paused(name, "/resume")

    def _set_paused(self, name: str, path: str) -> FunctionSummary:
        request = Request("POST", _path(name) + path, repeatable=True)
        return cast(FunctionSummary, self._transport().call(request).expect(dict))

    def stats(
        self,
        name: Optional[str] = None,
        *,
        since: Optional[Time] = None,
        step: Union[int, str, None] = None,
    ) -> Stats:
        """Return statistics of the runs that have ended, of all functions or of one.

        since  ended at this time or later: a datetime with a time zone, or text (RFC 3339, or a
               duration such as "24h"); default as docs/observability.md says
        step   count also by steps of that many seconds, or of a duration such as "15m"
        """
        query: Dict[str, str] = {}
        if name is not None:
            query["function"] = name
        if since is not None:
            query["since"] = arguments.time_text(since, "since")
        if step is not None:
            query["step"] = str(step)
        path = "/v1/stats/" + ("?" + urllib.parse.urlencode(query) if query else "")
        return cast(Stats, self._transport().call(Request("GET", path, repeatable=True)).expect(dict))

    def delete(self, name: str, wait: bool = False) -> str:
        """Delete a function and return the id of the deletion's execution."""
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

        parameters       the args that main receives: a dict of JSON values; default {}
        wait             False: return the id of the execution once the server has written it to
                         disk. True: return the return value of main
        retries          further attempts after the function failed, 0 to 10; default the retries of
                         the function, with wait 0
        idempotency_key  1 to 255 printable ASCII characters; within 24 hours the server accepts the
                         same call with the same key once, however often it is sent
        timeout          seconds to wait for the server's answer, above 0 and at most 86,400; default
                         1200 with wait, which is longer than any run, else the client's read_timeout

        With wait, raises RunFailed if the function raised or exceeded a limit, and WaitTimeout if a
        given timeout ends first. With wait and neither retries nor idempotency_key, a run whose
        connection is lost is not sent again, because it may have happened: NoAnswer is raised.
        """
        body = arguments.encode_parameters(parameters)
        if not wait:
            return self._submit(name, "/rpc/", body, retries, idempotency_key, timeout).expect(str)
        # With a key the server makes it a background run and waits for it, which costs more.
        keyed = retries is not None or idempotency_key is not None
        request = Request(
            "POST",
            "/v1/sync/functions/{}/rpc/".format(arguments.segment(name, "name")),
            body,
            arguments.idempotency_headers(idempotency_key, retries) if keyed else {},
            repeatable=keyed,
            read_timeout=_RUN_TIMEOUT if timeout is None else arguments.check_seconds(timeout, "timeout"),
        )
        try:
            return self._transport().call(request).value
        except NoAnswer as err:
            if not err.timed_out or not err.sent or timeout is None:
                raise
            hint = "the run continues: see executions.list(function={!r})".format(name)
            if idempotency_key is not None:
                hint = "the run continues: the same call with the same idempotency_key waits for it again"
            raise WaitTimeout("{} is not done after {:g} s".format(name, timeout), hint=hint) from err
        except Unavailable as err:
            if not keyed or err.execution_id is None:
                raise
            # The run was accepted and takes longer than the server lets one request wait, or the
            # server stopped meanwhile.
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
        """Run a function in the background once for each of 1 to 10,000 dicts.

        Returns the ids of the executions, in order, once the server has written all of them to disk.
        If one cannot be accepted, none is. The other arguments are those of run. Raises TooLarge if
        there are too many."""
        if isinstance(parameters, (str, bytes, Mapping)):
            raise TypeError("parameters must be a list of dicts, not {}".format(type(parameters).__name__))
        each = [arguments.check_parameters(one, "parameters[{}]".format(i)) for i, one in enumerate(parameters)]
        body = arguments.encode(each, "parameters")
        return self._submit(name, "/bulk_rpc/", body, retries, idempotency_key, timeout).expect(list)

    def _submit(
        self,
        name: str,
        suffix: str,
        body: bytes,
        retries: Optional[int],
        idempotency_key: Optional[str],
        timeout: Optional[float],
    ) -> Answer:
        return self._transport().call(
            Request(
                "POST",
                _path(name) + suffix,
                body,
                arguments.idempotency_headers(idempotency_key, retries),
                repeatable=True,
                read_timeout=None if timeout is None else arguments.check_seconds(timeout, "timeout"),
            )
        )

    def _change(self, method: str, path: str, body: Optional[Dict[str, Any]], wait: bool) -> str:
        data = None if body is None else arguments.encode(body, "the function")
        return self._deploy(Request(method, path, data), wait)

    def _deploy(self, request: Request, wait: bool) -> str:
        """Send a request that changes a function, with an idempotency key."""
        headers = {**request.headers, **arguments.idempotency_headers()}
        request = replace(request, headers=headers, repeatable=True, read_timeout=_RUN_TIMEOUT)
        uuid = self._transport().call(request).expect(str)
        if wait:
            _output(self._executions.get(uuid, wait=True))
        return uuid


def _output(execution: Execution) -> Any:
    """The output of an execution that is done. Raises the exception for its error."""
    if execution["status"] != "Success":
        raise from_fields(cast(Mapping[str, Any], execution["error"] or {}), execution_id=execution["uuid"])
    return execution["output"]


def _path(name: str) -> str:
    return "/v1/functions/" + arguments.segment(name, "name")


def _definition(
    file: Optional[CodeInput],
    context_file: Optional[CodeInput],
    timeout: Optional[float],
    memory: Optional[float],
    retries: Optional[int],
    allow: Optional[Iterable[str]],
    keep_args: Optional[bool],
) -> Dict[str, Any]:
    body: Dict[str, Any] = {}
    if file is not None:
        body["code"] = read_code(file, "file")
    if context_file is not None:
        body["context"] = read_code(context_file, "context_file")
    if body:
        body["encoding"] = "plain"  # the text is sent as it is; without this the server would guess
    body.update(_settings(timeout, memory, retries))
    if allow is not None:
        body["allow"] = arguments.check_allow(allow)
    if keep_args is not None:
        body["keep_args"] = bool(keep_args)
    return body


def _settings(timeout: Optional[float], memory: Optional[float], retries: Optional[int]) -> Dict[str, Any]:
    named = (("timeout", timeout), ("memory", memory), ("retries", retries))
    return {name: value for name, value in named if value is not None}
