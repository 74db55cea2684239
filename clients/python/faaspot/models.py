"""The server's answers as types for type checkers. At run time they are plain dicts and lists.

Times are text such as "2017-07-21 15:10:52.537686+00:00", in UTC. A server may add members.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, TypedDict


class FunctionSummary(TypedDict):
    """A function in a list."""

    name: str
    runner_url: str  # URL that runs the function
    version: int  # number of the latest version, from 1
    created: str
    updated: str
    paused: bool  # no background run begins


class Bundle(TypedDict):
    """The zip file of a function of several files."""

    sha256: str  # in hexadecimal
    bytes: int  # size


class _FunctionAlways(FunctionSummary):
    rid: str  # permanent id of the function in searches
    code: str  # Python source, as it was deployed; main.py of a bundle
    encoding: str  # "plain"
    timeout: float  # seconds that a run may take
    memory: float  # MB that a run may use
    retries: int  # further attempts of a background run after the function failed
    allow: List[str]  # what runs may reach, as rules HOST:PORT
    keep_args: bool  # whether the parameters of runs are stored with their executions
    context_keys: List[str]  # names in the context; the server never returns their values


class Function(_FunctionAlways, total=False):
    """A function with its code."""

    bundle: Bundle  # absent if code is all there is
    imports_during_runs: List[str]  # modules that the first runs of a bundle imported; absent if there are none


class _VersionAlways(TypedDict):
    version: int  # from 1
    current: bool
    created: str
    user_id: Optional[str]  # who deployed it; None if an earlier release did
    name: str  # of the function when the version was deployed
    timeout: float  # seconds that a run may take
    memory: float  # MB that a run may use
    retries: int
    allow: List[str]  # what runs may reach, as rules HOST:PORT
    code_bytes: int


class FunctionVersion(_VersionAlways, total=False):
    """A stored version of a function in a list."""

    bundle: Bundle  # absent for a single file


class FunctionVersionDetail(FunctionVersion):
    """A stored version of a function with its code."""

    code: str  # Python source; main.py of a bundle
    encoding: str  # "plain"
    context_keys: List[str]  # names in the context


class VersionDiff(TypedDict):
    """What differs between two versions of a function. "from", the number of the older one, is a member,
    too: it is a word of Python."""

    to: int
    code: str  # a unified diff; "" if the code is the same
    settings: List[Dict[str, Any]]  # name, from and to of each setting that differs
    context: List[Dict[str, str]]  # name, and change: "added", "removed" or "changed"


class RunStats(TypedDict):
    """Numbers of runs that have ended. Times are milliseconds, None if no run has started."""

    count: int
    success: int
    failed: int  # timed_out included
    timed_out: int
    cancelled: int
    p50_ms: Optional[float]
    p90_ms: Optional[float]
    p99_ms: Optional[float]
    max_ms: Optional[float]
    mean_ms: Optional[float]


class StepStats(RunStats):
    """Numbers of the runs that ended in one step."""

    at: str  # its beginning


class FunctionStats(RunStats):
    """Numbers of the runs of one function."""

    function: str
    queued: int  # in the background, not started
    running: int
    paused: bool  # no background run begins


class Stats(TypedDict):
    """Statistics of runs. "from" is a member, too: it is a word of Python."""

    to: str
    complete_since: str  # runs that ended before may be missing
    step_seconds: Optional[int]  # None: there are no steps
    total: RunStats
    steps: List[StepStats]  # consecutive
    functions: List[FunctionStats]  # those with most runs
    other_functions: int  # number of those that functions does not have
    queue: Dict[str, int]  # queued, oldest_ms and running
    memory: Dict[str, int]  # used and limit, in bytes


class _ErrorAlways(TypedDict):
    message: str
    error_code: str


class ExecutionError(_ErrorAlways, total=False):
    """Why an execution is Failed or Cancelled."""

    hint: str
    server_traceback: str
    line: int  # of the code, from 1
    error_type: str  # type of the exception that the function raised


class _EgressAlways(TypedDict):
    host: str  # the name that was resolved, else the address; "(others)": the sum of the rest
    connections: int
    bytes_sent: int
    bytes_received: int
    duration_ms: float  # sum of the times for which the connections were open


class Egress(_EgressAlways, total=False):
    """What the latest attempt of an execution sent to one destination and received from it."""

    network: str  # "tcp" or "udp"
    port: int


class _ExecutionAlways(TypedDict):
    uuid: str
    name: str  # name of the function
    kind: str  # "run", or "create", "update" or "delete" for a change of the function
    version: int  # version of the function
    status: str  # "Pending", "Started", "Success", "Failed" or "Cancelled"
    output: Any  # return value of main
    output_size: int  # bytes of the output as JSON
    error: Optional[ExecutionError]
    created: str
    started: Optional[str]  # start of the latest attempt
    finished: Optional[str]
    duration_ms: Optional[float]  # milliseconds
    attempts: int  # attempts so far
    retries: int  # further attempts allowed after failures of the function
    cancel_requested: bool
    logs_url: str


class Execution(_ExecutionAlways, total=False):
    """The record of a run, or of a change of a function."""

    egress: List[Egress]  # absent if it has connected to nothing
    args: Dict[str, Any]  # of main; absent in lists, and if they were not kept
    args_size: int  # bytes of the args as JSON
    rerun_of: str  # id of the execution whose run this repeats
    output_omitted: bool  # True: the output is too large for a list; get the execution alone


class CancelledExecution(Execution):
    """An execution after a request to cancel it."""

    changed: bool  # whether this request cancelled it
    message: str  # a sentence about its state


class Operation(TypedDict):
    """A request to repeat or cancel all executions that a filter selects, and its progress."""

    uuid: str
    kind: str  # "rerun" or "cancel"
    state: str  # "running", "done", "cancelled" or "failed"
    filter: Dict[str, Any]
    matched: int  # executions that were selected so far
    done: int  # of them repeated or cancelled
    failed: int  # of them refused
    skipped: int  # of them without kept args, or that had ended
    error: Optional[str]  # why the last of failed was refused
    created: str
    finished: Optional[str]
    trace_id: str  # of the executions that it starts
    user_id: Optional[str]


class _LogEntryAlways(TypedDict):
    stream: str  # "stdout" or "stderr"
    text: str


class LogEntry(_LogEntryAlways, total=False):
    """Text that a function wrote to one stream."""

    time: str  # when its first line was begun; absent if times are not requested, or not known


class FollowedLogEntry(LogEntry):
    """Text that a function wrote, received while it runs."""

    # True in the first entry of a further attempt: the entries before it belong to an attempt whose
    # result was discarded.
    restarted: bool


class Logs(TypedDict):
    """The text that the latest attempt has written so far."""

    uuid: str
    status: str
    attempt: int  # number of the attempt, from 1
    truncated: bool  # the function wrote more than the server stores
    entries: List[LogEntry]


class Duration(TypedDict):
    """How long an execution took."""

    value: int
    unit: str  # "MILLISECONDS"


class _FoundAlways(TypedDict):
    resourceRid: str  # of the function or job
    resourceVersion: str  # version of the function, or revision of the job
    foundryTraceId: str  # 32 hexadecimal digits
    traceOwningRid: str  # of what the trace began with
    status: str  # "SUCCEEDED" or "FAILED"
    startTime: str  # RFC 3339, in UTC
    duration: Duration
    executionId: str  # id of the run, or of the execution of the job
    durationMs: float  # milliseconds, with three decimals


class FoundExecution(_FoundAlways, total=False):
    """A finished execution that a search has found."""

    failureReason: str  # such as "error", "timeout", "cancelled" and "memory"
    userId: str  # who sent the request
    callerRid: str  # of the job that started it


class _DeadLetterAlways(TypedDict):
    id: str  # UUID of the execution of the job
    job: str
    execution: str
    url: str  # where the callback was sent
    created: Optional[str]  # when the execution ended
    attempts: int
    last_attempt: Optional[str]
    last_status: Optional[int]  # HTTP status of the last answer; None if there was none
    last_error: str
    body_size: int  # bytes


class DeadLetter(_DeadLetterAlways, total=False):
    """A callback that could not be delivered."""

    body: Dict[str, Any]  # absent in lists


class _JobMetadataAlways(TypedDict):
    name: str
    createdAt: str  # RFC 3339, in UTC
    updatedAt: str
    workspace: str
    url: str
    rid: str  # permanent id of the job in searches


class JobMetadata(_JobMetadataAlways, total=False):
    """What names a job."""

    displayName: str
    labels: Dict[str, str]
    createdBy: str
    updatedBy: str


class _EnvVariableAlways(TypedDict):
    name: str
    value: str  # "***" for a secret


class EnvVariable(_EnvVariableAlways, total=False):
    """An environment variable of the tasks of a job."""

    secret: bool  # absent if it is none


class _JobRuntimeAlways(TypedDict):
    maxRetries: int
    envs: List[EnvVariable]


class JobRuntime(_JobRuntimeAlways, total=False):
    """The limits of the tasks of a job. What is absent is that of the function."""

    memory: float  # MB
    timeout: float  # seconds
    maxConcurrentTasks: int


class JobTrigger(TypedDict):
    """What starts executions of a job."""

    id: str
    type: str  # "http", "http-async" or "cron"
    enabled: bool
    configuration: Dict[str, Any]  # see docs/jobs.md


class ActiveRevision(TypedDict):
    """The revision of a job that runs."""

    active: str  # a number


class JobSpec(TypedDict):
    """What a job does."""

    enabled: bool
    function: str
    runtime: JobRuntime
    triggers: List[JobTrigger]
    revision: ActiveRevision


class Job(TypedDict):
    """A job."""

    metadata: JobMetadata
    spec: JobSpec
    status: str  # "DEPLOYED"


class _JobRevisionAlways(TypedDict):
    id: str  # a number
    active: bool
    previousActive: bool
    createdAt: str
    status: str
    trafficPercent: int


class JobRevision(_JobRevisionAlways, total=False):
    """A revision of a job."""

    createdBy: str


class JobStats(TypedDict):
    """Numbers of the tasks of an execution."""

    cancelled: int
    failure: int
    retried: int
    running: int
    success: int
    total: int


class JobTask(TypedDict):
    """A task of an execution of a job."""

    metadata: Dict[str, Any]  # name, such as "task-0", and times
    spec: Dict[str, Any]  # maxRetries and timeout
    status: str  # "pending", "reconciling", "running", "succeeded", "failed" or "cancelled"
    conditions: List[Dict[str, Any]]  # what has happened to it
    execution: str  # id of its run in f.executions


class JobExecution(TypedDict):
    """An execution of a job."""

    metadata: Dict[str, Any]  # id, job, uuid, revision, traceId and times
    spec: Dict[str, Any]  # what was requested: parallelism, taskCount, timeout
    stats: JobStats
    status: str  # "queued", "pending", "running", "cancelling", "cancelled", "failed", "succeeded" or "timeout"
    tasks: List[JobTask]  # the first ones
