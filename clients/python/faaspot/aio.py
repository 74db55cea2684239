"""The client for asyncio: AsyncFaaspot has the methods of Faaspot as coroutines.

    from faaspot.aio import AsyncFaaspot

    async with AsyncFaaspot() as f:
        results = await asyncio.gather(*(f.functions.run("hello", {"n": n}, wait=True) for n in range(20)))

Its calls are those of Faaspot, in threads: the same requests, retries and errors. _twin.py writes this
file; change the originals.
"""

from __future__ import annotations

from typing import Any, AsyncIterator, Dict, Iterable, List, Literal, Mapping, Optional, Sequence, Union, overload
from .arguments import Time
from .client import Faaspot
from .code_input import BundleInput, BundleOutput, CodeInput
from .deadletters import DeadLetters
from .executions import Executions, Ids
from .functions import Functions
from .jobs import Jobs
from .models import (
    CancelledExecution,
    DeadLetter,
    Execution,
    FollowedLogEntry,
    FoundExecution,
    Function,
    FunctionSummary,
    FunctionVersion,
    FunctionVersionDetail,
    Job,
    JobExecution,
    JobRevision,
    JobTask,
    Logs,
    Operation,
    Stats,
    VersionDiff,
)
from .operations import Operations
from .profiles import Profile, ProfileSummary, Profiles
from .threads import Calls


class AsyncFaaspot:
    """A client for one server, for asyncio. It belongs to the event loop that first uses it.

    concurrency  calls that may be under way at once, at least 1; others wait for their turn. Each takes a
                 thread
    pool_size    maximum number of idle connections kept for later requests; default concurrency

    The other arguments are those of Faaspot. A call whose task is cancelled ends: its connection is closed,
    and it is not sent again. A run that has started then goes on only if it is a background run.
    """

    def __init__(
        self, profile: Optional[str] = None, *, concurrency: int = 32, pool_size: Optional[int] = None, **options: Any
    ) -> None:
        self._calls = Calls(concurrency)
        self._sync = Faaspot(profile, pool_size=concurrency if pool_size is None else pool_size, **options)
        self.functions = AsyncFunctions(self._calls, self._sync.functions)
        self.executions = AsyncExecutions(self._calls, self._sync.executions)
        self.operations = AsyncOperations(self._calls, self._sync.operations)
        self.jobs = AsyncJobs(self._calls, self._sync.jobs)
        self.dead_letters = AsyncDeadLetters(self._calls, self._sync.dead_letters)
        self.profiles = AsyncProfiles(self._calls, self._sync.profiles)

    async def close(self) -> None:
        """Close the idle connections. Requests in progress continue, and the client stays usable."""
        self._sync.close()
        self._calls.close()

    async def __aenter__(self) -> AsyncFaaspot:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


class AsyncFunctions:
    """The functions of a server. Its methods are coroutines and asynchronous iterators.

    Every method may raise the FaaspotExceptions of its request, such as NotFound, Unauthenticated,
    TooBusy, Unavailable and NoAnswer, and TypeError or ValueError for arguments that are not valid.
    """

    def __init__(self, calls: Calls, sync: Functions) -> None:
        self._calls = calls
        self._sync = sync

    async def list(self) -> List[FunctionSummary]:
        """Return all functions, ordered by name."""
        return await self._calls.call(self._sync.list)

    async def get(self, name: str) -> Function:
        """Return one function with its code. The values of its context are never returned."""
        return await self._calls.call(self._sync.get, name)

    async def create(
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
        return await self._calls.call(
            self._sync.create,
            name,
            file,
            context_file,
            wait,
            timeout=timeout,
            memory=memory,
            retries=retries,
            allow=allow,
            keep_args=keep_args,
        )

    async def apply(
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
        return await self._calls.call(
            self._sync.apply,
            name,
            file,
            context_file,
            wait,
            timeout=timeout,
            memory=memory,
            retries=retries,
            allow=allow,
            keep_args=keep_args,
        )

    async def deploy_bundle(
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
        return await self._calls.call(
            self._sync.deploy_bundle,
            name,
            bundle,
            wait,
            timeout=timeout,
            memory=memory,
            retries=retries,
            allow=allow,
            keep_args=keep_args,
        )

    @overload
    async def get_bundle(self, name: str) -> bytes:
        ...

    @overload
    async def get_bundle(self, name: str, file: BundleOutput) -> None:
        ...

    async def get_bundle(self, name: str, file: Optional[BundleOutput] = None) -> Optional[bytes]:
        """Return the zip file of a function of several files, as it was deployed.

        file  a path, or an object whose write() takes bytes, to which the zip file is written instead;
              a path has all of it, or is as it was before if it cannot be read to its end

        Raises NotFound if there is no such function, or if it is a single file.
        """
        return await self._calls.call(self._sync.get_bundle, name, file)

    async def update(
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
        return await self._calls.call(
            self._sync.update,
            name,
            file,
            context_file,
            new_name,
            wait,
            timeout=timeout,
            memory=memory,
            retries=retries,
            allow=allow,
            keep_args=keep_args,
        )

    async def patch_context(self, name: str, values: Mapping[str, Any], wait: bool = False) -> str:
        """Change single values of a function's context and return the id of the deploy's execution.

        values  the values to set, by their names; None removes one; the others stay

        Raises TooLarge if the context exceeds its limit then."""
        return await self._calls.call(self._sync.patch_context, name, values, wait)

    async def versions(self, name: str) -> List[FunctionVersion]:
        """Return the stored versions of a function, at most 10, newest first."""
        return await self._calls.call(self._sync.versions, name)

    async def version(self, name: str, number: int) -> FunctionVersionDetail:
        """Return one stored version of a function with its code."""
        return await self._calls.call(self._sync.version, name, number)

    async def diff(self, name: str, older: Optional[int] = None, newer: Optional[int] = None) -> VersionDiff:
        """Return what differs between two versions of a function.

        older  number of a version; default the one before newer
        newer  number of a version; default the current one

        Raises NotFound if one of them is not stored. Of the context it has the names."""
        return await self._calls.call(self._sync.diff, name, older, newer)

    async def rollback(self, name: str, version: int, wait: bool = False, *, keep_context: bool = False) -> str:
        """Make a new version that is equal to a stored one and return the id of the deploy's execution.

        keep_context  True: the context stays as it is, for example because a secret in it has been
                      replaced since

        If it cannot be deployed, nothing changes. Raises NotFound if the version is not stored, and
        InvalidRequest if it is the current one."""
        return await self._calls.call(self._sync.rollback, name, version, wait, keep_context=keep_context)

    async def pause(self, name: str) -> FunctionSummary:
        """Begin no background run of a function until it is resumed, and return the function.

        Runs and tasks of jobs are accepted and queued meanwhile. Those that have begun go on, and so do
        runs whose caller waits. A function that is paused stays so."""
        return await self._calls.call(self._sync.pause, name)

    async def resume(self, name: str) -> FunctionSummary:
        """Let the background runs of a function begin again, and return the function.

        A function that is not paused stays so."""
        return await self._calls.call(self._sync.resume, name)

    async def stats(
        self, name: Optional[str] = None, *, since: Optional[Time] = None, step: Union[int, str, None] = None
    ) -> Stats:
        """Return statistics of the runs that have ended, of all functions or of one.

        since  ended at this time or later: a datetime with a time zone, or text (RFC 3339, or a
               duration such as "24h"); default as docs/observability.md says
        step   count also by steps of that many seconds, or of a duration such as "15m"
        """
        return await self._calls.call(self._sync.stats, name, since=since, step=step)

    async def delete(self, name: str, wait: bool = False) -> str:
        """Delete a function and return the id of the deletion's execution."""
        return await self._calls.call(self._sync.delete, name, wait)

    @overload
    async def run(
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
    async def run(
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

    async def run(
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
        return await self._calls.call(
            self._sync.run, name, parameters, wait, retries=retries, idempotency_key=idempotency_key, timeout=timeout
        )

    async def run_bulk(
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
        return await self._calls.call(
            self._sync.run_bulk, name, parameters, retries=retries, idempotency_key=idempotency_key, timeout=timeout
        )


class AsyncExecutions:
    """The executions of a server. Its methods are coroutines and asynchronous iterators.

    Every method may raise the FaaspotExceptions of its request, such as NotFound, Unauthenticated,
    TooBusy, Unavailable and NoAnswer, and TypeError or ValueError for arguments that are not valid.
    """

    def __init__(self, calls: Calls, sync: Executions) -> None:
        self._calls = calls
        self._sync = sync

    async def list(
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
        return await self._calls.call(
            self._sync.list,
            include_completed,
            deployment,
            function=function,
            status=status,
            created_after=created_after,
            created_before=created_before,
            where=where,
            limit=limit,
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
    ) -> AsyncIterator[Execution]:
        """Iterate over the executions that list returns, without having all of them in memory."""
        return self._calls.iterate(
            self._sync.iterate,
            include_completed,
            deployment,
            function=function,
            status=status,
            created_after=created_after,
            created_before=created_before,
            where=where,
            limit=limit,
        )

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
    ) -> AsyncIterator[FoundExecution]:
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
        return self._calls.iterate(
            self._sync.search, function=function, job=job, rid=rid, where=where, since=since, until=until, limit=limit
        )

    @overload
    async def get(self, uuid: str, wait: bool = ..., *, wait_timeout: Optional[float] = ...) -> Execution:
        ...

    @overload
    async def get(self, uuid: Ids, wait: bool = ..., *, wait_timeout: Optional[float] = ...) -> List[Execution]:
        ...

    async def get(
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
        return await self._calls.call(self._sync.get, uuid, wait, wait_timeout=wait_timeout)

    async def get_bulk(self, uuids: Sequence[str]) -> List[Execution]:
        """Return the executions with these ids, in the same order. One request has at most 1,000 ids.

        An unknown id has the status "NotFound". Large outputs may be omitted; output_omitted is True
        then."""
        return await self._calls.call(self._sync.get_bulk, uuids)

    async def cancel(self, uuid: str) -> CancelledExecution:
        """Cancel an execution and return it, with changed and message. One that is done is returned
        unchanged, without an error."""
        return await self._calls.call(self._sync.cancel, uuid)

    async def rerun(
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
        return await self._calls.call(
            self._sync.rerun, uuid, parameters, version=version, retries=retries, idempotency_key=idempotency_key
        )

    async def logs(self, uuid: str, *, stream: Optional[str] = None, times: bool = False) -> Logs:
        """Return the text that the latest attempt has written so far.

        stream  "stdout" or "stderr"; default both
        times   True: entries are divided where the time changes, and have the time at which their
                first line was begun; without it if an earlier version of the server has stored them
        """
        return await self._calls.call(self._sync.logs, uuid, stream=stream, times=times)

    def follow_logs(
        self, uuid: str, *, stream: Optional[str] = None, times: bool = False
    ) -> AsyncIterator[FollowedLogEntry]:
        """Iterate over the text that an execution writes, from its start, as it is written, until
        the execution is done. stream and times are as in logs.

        The client reconnects after a lost connection, and neither skips nor repeats text. When a
        further attempt starts, restarted is True in its first entry. Closing the iterator does not
        affect the execution. Raises NotFound if the execution is unknown.
        """
        return self._calls.follow(self._sync.follow_logs, uuid, stream=stream, times=times)


class AsyncOperations:
    """The operations of a server. Its methods are coroutines and asynchronous iterators.

    Every method may raise the FaaspotExceptions of its request, such as NotFound, Unauthenticated,
    TooBusy, Unavailable and NoAnswer, and TypeError or ValueError for arguments that are not valid.
    """

    def __init__(self, calls: Calls, sync: Operations) -> None:
        self._calls = calls
        self._sync = sync

    async def start(
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
        return await self._calls.call(
            self._sync.start,
            kind,
            function=function,
            status=status,
            created_after=created_after,
            created_before=created_before,
            trace_id=trace_id,
            where=where,
        )

    async def list(self) -> List[Operation]:
        """Return the operations that are stored, at most 32, newest first."""
        return await self._calls.call(self._sync.list)

    async def get(self, uuid: str, wait: bool = False, *, wait_timeout: Optional[float] = None) -> Operation:
        """Return one operation with its progress.

        wait          True: return when it is done, failed or cancelled. The call survives restarts of the server
        wait_timeout  seconds after which WaitTimeout is raised, above 0 and at most 86,400; default
                      never. The operation continues
        """
        return await self._calls.call(self._sync.get, uuid, wait, wait_timeout=wait_timeout)

    async def cancel(self, uuid: str) -> Operation:
        """End an operation and return it. What it has done stays."""
        return await self._calls.call(self._sync.cancel, uuid)


class AsyncJobs:
    """The jobs of a server. Its methods are coroutines and asynchronous iterators.

    Every method may raise the FaaspotExceptions of its request, such as NotFound, Unauthenticated,
    TooBusy, Unavailable and NoAnswer, and TypeError or ValueError for arguments that are not valid.
    """

    def __init__(self, calls: Calls, sync: Jobs) -> None:
        self._calls = calls
        self._sync = sync

    async def list(self) -> List[Job]:
        """Return all jobs, ordered by name."""
        return await self._calls.call(self._sync.list)

    async def get(self, name: str) -> Job:
        """Return one job. Values of secret variables, and secrets of callbacks, are never returned."""
        return await self._calls.call(self._sync.get, name)

    async def create(
        self,
        name: str,
        function: str,
        *,
        display_name: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        enabled: bool = True,
        memory: Optional[float] = None,
        timeout: Optional[float] = None,
        max_retries: int = 0,
        max_concurrent_tasks: Optional[int] = None,
        env: Optional[Mapping[str, str]] = None,
        secrets: Optional[Mapping[str, str]] = None,
        triggers: Iterable[Mapping[str, Any]] = (),
    ) -> Job:
        """Create a job and return it.

        name                  1 to 49 of a-z, 0-9 and -
        function              name of the function that each task runs
        display_name          text of at most 256 bytes
        labels                at most 64 texts by their keys
        enabled               False: neither requests nor schedules start executions
        memory                MB that a task may use, 64 to 3,072; default that of the function
        timeout               seconds that an attempt of a task may take, 0.1 to 86,400; default that of
                              the function
        max_retries           further attempts of a failed task, 0 to 10
        max_concurrent_tasks  tasks of one execution that run at once, 1 to 10,000; default no limit
        env                   environment variables of tasks
        secrets               environment variables whose values the server never returns
        triggers              at most 20 dicts as in docs/jobs.md, such as {"type": "cron",
                              "configuration": {"schedule": "0 3 * * *", "tasks": [{}]}}

        The answer has the secret of a trigger's callbacks if the server has generated it, once. Raises
        AlreadyExists if there is a job of that name, and InvalidRequest if there is no such function.
        """
        return await self._calls.call(
            self._sync.create,
            name,
            function,
            display_name=display_name,
            labels=labels,
            enabled=enabled,
            memory=memory,
            timeout=timeout,
            max_retries=max_retries,
            max_concurrent_tasks=max_concurrent_tasks,
            env=env,
            secrets=secrets,
            triggers=triggers,
        )

    async def replace(
        self,
        name: str,
        function: str,
        *,
        display_name: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        enabled: bool = True,
        memory: Optional[float] = None,
        timeout: Optional[float] = None,
        max_retries: int = 0,
        max_concurrent_tasks: Optional[int] = None,
        env: Optional[Mapping[str, str]] = None,
        secrets: Optional[Mapping[str, str]] = None,
        triggers: Iterable[Mapping[str, Any]] = (),
    ) -> Job:
        """Replace a job and return it. Arguments and errors are those of create; an argument that is not
        given has its default. A secret "***", as get returns it, stays as it is. Raises NotFound if there
        is no such job. If nothing differs, nothing changes."""
        return await self._calls.call(
            self._sync.replace,
            name,
            function,
            display_name=display_name,
            labels=labels,
            enabled=enabled,
            memory=memory,
            timeout=timeout,
            max_retries=max_retries,
            max_concurrent_tasks=max_concurrent_tasks,
            env=env,
            secrets=secrets,
            triggers=triggers,
        )

    async def delete(self, name: str) -> Job:
        """Delete a job, cancel its executions, and return it as it was."""
        return await self._calls.call(self._sync.delete, name)

    async def revisions(self, name: str) -> List[JobRevision]:
        """Return the last revisions of a job, newest first."""
        return await self._calls.call(self._sync.revisions, name)

    async def rollback(self, name: str, revision: str) -> Job:
        """Make a stored revision the newest revision of a job, and return the job."""
        return await self._calls.call(self._sync.rollback, name, revision)

    async def run(
        self,
        name: str,
        tasks: Sequence[Mapping[str, Any]] = ({},),
        *,
        execution_id: Optional[str] = None,
        env: Optional[Mapping[str, str]] = None,
        memory: Optional[float] = None,
        parallelism: Optional[int] = None,
        allow_queue: bool = True,
        idempotency_key: Optional[str] = None,
    ) -> str:
        """Start an execution of a job, and return its id once it is on the server's disk.

        tasks            the args of 1 to 10,000 tasks: dicts of JSON values
        execution_id     a name for the execution; default its UUID
        env              variables in addition to those of the job
        memory           MB of a task, at most that of the job
        parallelism      tasks that run at once, at most max_concurrent_tasks of the job
        allow_queue      False: raise TooBusy unless the first task can start now
        idempotency_key  1 to 255 printable ASCII characters; within 24 hours the server accepts the
                         same call with the same key once, however often it is sent

        Raises Conflict if an execution of the job has that name, and TooLarge if there are too many tasks.
        """
        return await self._calls.call(
            self._sync.run,
            name,
            tasks,
            execution_id=execution_id,
            env=env,
            memory=memory,
            parallelism=parallelism,
            allow_queue=allow_queue,
            idempotency_key=idempotency_key,
        )

    async def trigger(self, name: str, path: str, data: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        """Call a trigger of type "http" or "http-async" by its path, as an HTTP request would.

        data  the args of one task, or {"tasks": [...]}; default the tasks of the trigger

        Returns the execution with its results for "http", in its state when the timeout of the trigger
        ends, and for "http-async" what was accepted, with executionId. A call whose connection is lost
        is not sent again, because the execution may have started: NoAnswer is raised.
        """
        return await self._calls.call(self._sync.trigger, name, path, data)

    def executions(self, name: str, *, limit: Optional[int] = None) -> AsyncIterator[JobExecution]:
        """Iterate over the executions of a job, newest first, each with up to 20 of its tasks. limit is
        their maximum number, at least 0."""
        return self._calls.iterate(self._sync.executions, name, limit=limit)

    async def get_execution(
        self, name: str, id: str, wait: bool = False, *, wait_timeout: Optional[float] = None
    ) -> JobExecution:
        """Return an execution of a job, with up to 200 of its tasks.

        wait          True: return when the execution is done, whatever its final status. The call
                      survives restarts of the server
        wait_timeout  seconds after which WaitTimeout is raised, above 0 and at most 86,400; default
                      never
        """
        return await self._calls.call(self._sync.get_execution, name, id, wait, wait_timeout=wait_timeout)

    async def cancel_execution(self, name: str, id: str) -> JobExecution:
        """Cancel an execution of a job and return it. Running tasks finish, and no others start."""
        return await self._calls.call(self._sync.cancel_execution, name, id)

    def tasks(self, name: str, id: str, *, limit: Optional[int] = None) -> AsyncIterator[JobTask]:
        """Iterate over the tasks of an execution of a job, in their order. f.executions.get(task["execution"])
        returns the run of a task. limit is the maximum number of tasks, at least 0."""
        return self._calls.iterate(self._sync.tasks, name, id, limit=limit)


class AsyncDeadLetters:
    """The dead letters of a server. Its methods are coroutines and asynchronous iterators.

    Every method may raise the FaaspotExceptions of its request, such as NotFound, Unauthenticated,
    TooBusy, Unavailable and NoAnswer, and TypeError or ValueError for arguments that are not valid.
    """

    def __init__(self, calls: Calls, sync: DeadLetters) -> None:
        self._calls = calls
        self._sync = sync

    async def list(self, *, limit: Optional[int] = None) -> List[DeadLetter]:
        """Return the dead letters without their bodies, newest first; limit is their maximum number, at
        least 0."""
        return await self._calls.call(self._sync.list, limit=limit)

    def iterate(self, *, limit: Optional[int] = None) -> AsyncIterator[DeadLetter]:
        """Iterate over the dead letters that list returns, without having all of them in memory."""
        return self._calls.iterate(self._sync.iterate, limit=limit)

    async def get(self, id: str) -> DeadLetter:
        """Return one dead letter with its body."""
        return await self._calls.call(self._sync.get, id)

    async def redrive(self, ids: Optional[Sequence[str]] = None) -> int:
        """Let the server deliver dead letters again as if they were new, and return their number.

        ids  at most 10,000 ids; default all dead letters. If one of them is unknown, NotFound is raised
             and none is delivered again
        """
        return await self._calls.call(self._sync.redrive, ids)

    async def purge(self, id: str) -> None:
        """Delete one dead letter."""
        return await self._calls.call(self._sync.purge, id)

    async def purge_all(self) -> int:
        """Delete all dead letters, and return their number."""
        return await self._calls.call(self._sync.purge_all)


class AsyncProfiles:
    """The profiles in the file that FAASPOT_CONFIG or FAASPOT_DIR names, else in
    ~/.faaspot/fasconf.yaml. Its methods are coroutines and asynchronous iterators.

    list, get and current read the file. create, update, use and delete run the command line
    `fas profiles`, the single writer of the file; they need the executable `fas` on the PATH, or
    its path in FAASPOT_FAS. `fas` preserves comments and unknown keys. It receives token and password
    on its standard input, never as an argument that other users of the machine can see.

    Every method may raise ProfileError; if `fas` is not installed, its hint is the command to run.
    A change does not affect a client that has sent its first request.
    """

    def __init__(self, calls: Calls, sync: Profiles) -> None:
        self._calls = calls
        self._sync = sync

    async def list(self) -> List[ProfileSummary]:
        """Return all profiles, in the order of the file, without secrets."""
        return await self._calls.call(self._sync.list)

    async def get(self, name: str) -> Profile:
        """Return one profile with its secrets. Raises ProfileError if there is none of that name."""
        return await self._calls.call(self._sync.get, name)

    async def current(self) -> Optional[str]:
        """Return the name of the profile that this client uses: the constructor's argument, else
        FAASPOT_PROFILE, else the active profile of the file; None if there is none."""
        return await self._calls.call(self._sync.current)

    async def create(
        self,
        name: str = "default",
        username: Optional[str] = None,
        password: Optional[str] = None,
        token: Optional[str] = None,
        update_if_exist: bool = False,
        set_as_active_profile: bool = False,
        *,
        host: Optional[str] = None,
        port: Optional[int] = None,
        protocol: Optional[str] = None,
        ssl_certificate: Optional[str] = None,
        ssl_trust_all: Optional[bool] = None,
        ssl_enabled: Optional[bool] = None,
    ) -> Profile:
        """Create a profile and return it. No request is sent to the server.

        name                   1 to 128 of A-Z a-z 0-9 - _ . but no dot or dash in front
        username, password     stored for other programs, not used here
        token                  the token that the server requires; printable ASCII without spaces
        update_if_exist        True: change the given fields of an existing profile of that name,
                               instead of raising AlreadyExists
        set_as_active_profile  True: make it the active profile; without an active profile it always
                               becomes that
        host, port, protocol   address of the server; default 127.0.0.1, 8080 (443 with https), http
        ssl_certificate        path of a PEM file with the authorities to trust
        ssl_trust_all          True: do not verify the server's certificate
        ssl_enabled            True: https, whatever protocol says; stored as the protocol https

        Token and password are written by two calls of `fas`, the password second. Raises
        AlreadyExists, ProfileError, and TypeError or ValueError for arguments that are not valid.
        """
        return await self._calls.call(
            self._sync.create,
            name,
            username,
            password,
            token,
            update_if_exist,
            set_as_active_profile,
            host=host,
            port=port,
            protocol=protocol,
            ssl_certificate=ssl_certificate,
            ssl_trust_all=ssl_trust_all,
            ssl_enabled=ssl_enabled,
        )

    async def update(
        self,
        name: str,
        username: Optional[str] = None,
        password: Optional[str] = None,
        token: Optional[str] = None,
        *,
        host: Optional[str] = None,
        port: Optional[int] = None,
        protocol: Optional[str] = None,
        ssl_certificate: Optional[str] = None,
        ssl_trust_all: Optional[bool] = None,
        ssl_enabled: Optional[bool] = None,
    ) -> Profile:
        """Change the given fields of a profile and return it. Arguments and errors are those of
        create; a given protocol turns ssl_enabled off. A server on this machine that wrote the
        profile restores its address when it starts."""
        return await self._calls.call(
            self._sync.update,
            name,
            username,
            password,
            token,
            host=host,
            port=port,
            protocol=protocol,
            ssl_certificate=ssl_certificate,
            ssl_trust_all=ssl_trust_all,
            ssl_enabled=ssl_enabled,
        )

    async def use(self, name: str) -> None:
        """Make a profile the active one. FAASPOT_PROFILE takes precedence over it."""
        return await self._calls.call(self._sync.use, name)

    async def delete(self, name: str) -> None:
        """Delete a profile and its token. No request is sent to its server. If it was the active
        profile, none is."""
        return await self._calls.call(self._sync.delete, name)
