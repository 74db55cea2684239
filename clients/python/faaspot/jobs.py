"""f.jobs: jobs, which run a function many times, on request or by a schedule, and their executions."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, cast

from . import arguments, pages
from .errors import TooBusy, WaitTimeout
from .models import Job, JobExecution, JobRevision, JobTask
from .polling import Waits
from .transport import Request, Transport

DONE = frozenset({"succeeded", "failed", "cancelled", "timeout"})

_PATH = "/v0/jobs"
_MAX_PAGE = 200  # jobs or tasks in one answer of the server
_MAX_EXECUTIONS = 100  # executions in one answer of the server
_TRIGGER_TIMEOUT = 1200.0  # seconds; a trigger waits for at most 900


class Jobs:
    """The jobs of a server. Any thread may use it.

    Every method may raise the FaaspotExceptions of its request, such as NotFound, Unauthenticated,
    TooBusy, Unavailable and NoAnswer, and TypeError or ValueError for arguments that are not valid.
    """

    def __init__(self, transport: Callable[[], Transport]) -> None:
        self._transport = transport

    def list(self) -> List[Job]:
        """Return all jobs, ordered by name."""
        return list(pages.job_items(self._transport(), _PATH, {"sort": "name:asc"}, _MAX_PAGE))

    def get(self, name: str) -> Job:
        """Return one job. Values of secret variables, and secrets of callbacks, are never returned."""
        return self._job(Request("GET", _path(name), repeatable=True))

    def create(
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
        body = _body(
            name,
            function,
            display_name,
            labels,
            enabled,
            memory,
            timeout,
            max_retries,
            max_concurrent_tasks,
            env,
            secrets,
            triggers,
        )
        return self._job(Request("POST", _PATH, body))

    def replace(
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
        body = _body(
            name,
            function,
            display_name,
            labels,
            enabled,
            memory,
            timeout,
            max_retries,
            max_concurrent_tasks,
            env,
            secrets,
            triggers,
        )
        return self._job(Request("PUT", _path(name), body, repeatable=True))

    def delete(self, name: str) -> Job:
        """Delete a job, cancel its executions, and return it as it was."""
        return self._job(Request("DELETE", _path(name)))

    def revisions(self, name: str) -> List[JobRevision]:
        """Return the last revisions of a job, newest first."""
        request = Request("GET", _path(name) + "/revisions", repeatable=True)
        return self._transport().call(request).expect(list)

    def rollback(self, name: str, revision: str) -> Job:
        """Make a stored revision the newest revision of a job, and return the job."""
        body = arguments.encode({"spec": {"revision": {"active": revision}}}, "revision")
        return self._job(Request("PUT", _path(name), body))

    def run(
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
        if isinstance(tasks, (str, bytes, Mapping)):
            raise TypeError("tasks must be a list of dicts, not {}".format(type(tasks).__name__))
        body: Dict[str, Any] = {
            "tasks": [arguments.check_parameters(task, "tasks[{}]".format(i)) for i, task in enumerate(tasks)]
        }
        given = (("executionId", execution_id), ("env", env), ("memory", memory), ("parallelism", parallelism))
        body.update((member, value) for member, value in given if value is not None)
        if not allow_queue:
            body["allowQueue"] = False
        request = Request(
            "POST",
            _executions(name),
            arguments.encode(body, "the execution"),
            arguments.idempotency_headers(idempotency_key),
            repeatable=True,
            retry_busy=allow_queue,
        )
        answer = self._transport().call(request)
        id = answer.expect(dict).get("executionId")
        if not isinstance(id, str):
            raise answer.foreign("it has no executionId")
        return id

    def trigger(self, name: str, path: str, data: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        """Call a trigger of type "http" or "http-async" by its path, as an HTTP request would.

        data  the args of one task, or {"tasks": [...]}; default the tasks of the trigger

        Returns the execution with its results for "http", in its state when the timeout of the trigger
        ends, and for "http-async" what was accepted, with executionId. A call whose connection is lost
        is not sent again, because the execution may have started: NoAnswer is raised.
        """
        segments = [arguments.segment(part, "path") for part in path.strip("/").split("/")]
        body = None if data is None else arguments.encode_parameters(data, "data")
        request = Request("POST", _path(name) + "/triggers/" + "/".join(segments), body, read_timeout=_TRIGGER_TIMEOUT)
        return self._transport().call(request).expect(dict)

    def executions(self, name: str, *, limit: Optional[int] = None) -> Iterator[JobExecution]:
        """Iterate over the executions of a job, newest first, each with up to 20 of its tasks. limit is
        their maximum number, at least 0."""
        size = pages.check_limit(limit, _MAX_EXECUTIONS)
        return self._iterate(_executions(name), {}, size, limit)

    def get_execution(
        self, name: str, id: str, wait: bool = False, *, wait_timeout: Optional[float] = None
    ) -> JobExecution:
        """Return an execution of a job, with up to 200 of its tasks.

        wait          True: return when the execution is done, whatever its final status. The call
                      survives restarts of the server
        wait_timeout  seconds after which WaitTimeout is raised, above 0 and at most 86,400; default
                      never
        """
        if wait_timeout is not None:
            arguments.check_seconds(wait_timeout, "wait_timeout")
        if not wait:
            return self._execution(Request("GET", _execution(name, id), repeatable=True))
        waits = Waits(self._transport(), wait_timeout)
        while True:
            execution = self._poll(name, id, waits)
            if execution["status"] in DONE:
                return execution
            if not waits.next():
                raise WaitTimeout(
                    "{} is {} after {} s".format(id, execution["status"], wait_timeout),
                    hint="it continues; jobs.get_execution({!r}, {!r}, wait=True) waits for it again".format(name, id),
                    execution_id=id,
                    execution=execution,
                )

    def cancel_execution(self, name: str, id: str) -> JobExecution:
        """Cancel an execution of a job and return it. Running tasks finish, and no others start."""
        return self._execution(Request("DELETE", _execution(name, id), repeatable=True))

    def tasks(self, name: str, id: str, *, limit: Optional[int] = None) -> Iterator[JobTask]:
        """Iterate over the tasks of an execution of a job, in their order. f.executions.get(task["execution"])
        returns the run of a task. limit is the maximum number of tasks, at least 0."""
        size = pages.check_limit(limit, _MAX_PAGE)
        return self._iterate(_execution(name, id) + "/tasks", {"sort": "createdAt:asc"}, size, limit)

    def _iterate(self, path: str, query: Dict[str, str], size: int, limit: Optional[int]) -> Iterator[Any]:
        yield from pages.limited(pages.job_items(self._transport(), path, query, size), limit)

    def _poll(self, name: str, id: str, waits: Waits) -> JobExecution:
        path = _execution(name, id)
        try:
            return self._execution(waits.request(path))
        except TooBusy:
            # Too many requests wait already; get it without waiting.
            return self._execution(waits.request(path, now=True))

    def _job(self, request: Request) -> Job:
        return cast(Job, self._transport().call(request).expect(dict))

    def _execution(self, request: Request) -> JobExecution:
        return cast(JobExecution, self._transport().call(request).expect(dict))


def _path(name: str) -> str:
    return _PATH + "/" + arguments.segment(name, "name")


def _executions(name: str) -> str:
    return _path(name) + "/executions"


def _execution(name: str, id: str) -> str:
    return _executions(name) + "/" + arguments.segment(id, "id")


def _body(
    name: str,
    function: str,
    display_name: Optional[str],
    labels: Optional[Mapping[str, str]],
    enabled: bool,
    memory: Optional[float],
    timeout: Optional[float],
    max_retries: int,
    max_concurrent_tasks: Optional[int],
    env: Optional[Mapping[str, str]],
    secrets: Optional[Mapping[str, str]],
    triggers: Iterable[Mapping[str, Any]],
) -> bytes:
    envs: List[Dict[str, Any]] = [{"name": key, "value": value} for key, value in (env or {}).items()]
    envs += [{"name": key, "value": value, "secret": True} for key, value in (secrets or {}).items()]
    runtime = {
        "memory": memory or 0,
        "timeout": timeout or 0,
        "maxRetries": max_retries,
        "maxConcurrentTasks": max_concurrent_tasks or 0,
        "envs": envs,
    }
    metadata: Dict[str, Any] = {"name": name}
    if display_name is not None:
        metadata["displayName"] = display_name
    if labels is not None:
        metadata["labels"] = dict(labels)
    spec = {"function": function, "enabled": enabled, "runtime": runtime, "triggers": [dict(each) for each in triggers]}
    return arguments.encode({"metadata": metadata, "spec": spec}, "the job")
