"""What the server answers, as types for type checkers: at run time all of it is
plain dicts and lists.

Times are like "2017-07-21 15:10:52.537686+00:00", in UTC. Servers may add
further members.
"""

from __future__ import annotations

from typing import Any, List, Optional, TypedDict


class FunctionSummary(TypedDict):
    """A function in a list."""

    name: str
    runner_url: str  # where it is run by HTTP
    version: int  # counts changes, from 1
    created: str
    updated: str


class Function(FunctionSummary):
    """A function."""

    code: str  # Python, as it was given
    encoding: str  # "plain"
    timeout: float  # seconds that a run may take
    memory: float  # MB that a run may use
    retries: int  # further attempts of background runs after failures of the function
    context_keys: List[str]  # names in the context; their values are never told


class _ErrorAlways(TypedDict):
    message: str
    error_code: str


class ExecutionError(_ErrorAlways, total=False):
    """Why an execution is Failed or Cancelled."""

    hint: str
    server_traceback: str
    line: int
    error_type: str


class _ExecutionAlways(TypedDict):
    uuid: str
    name: str  # of the function
    kind: str  # "run", or "create", "update", "delete" of the function
    version: int
    status: str  # "Pending", "Started", "Success", "Failed" or "Cancelled"
    output: Any  # what main returned
    output_size: int  # bytes of the output as JSON
    error: Optional[ExecutionError]
    created: str
    started: Optional[str]  # of the latest attempt
    finished: Optional[str]
    duration_ms: Optional[float]
    attempts: int
    retries: int
    cancel_requested: bool
    logs_url: str


class Execution(_ExecutionAlways, total=False):
    """A run of a function, or a change of one."""

    output_omitted: bool  # True: too large for a list; get the execution on its own


class CancelledExecution(Execution):
    """What cancelling answers."""

    changed: bool  # whether this call made a difference
    message: str  # a sentence on what became of it


class LogEntry(TypedDict):
    """A stretch of what a function wrote to one stream."""

    stream: str  # "stdout" or "stderr"
    text: str


class FollowedLogEntry(LogEntry):
    """The same, as it is written."""

    # True on the first entry of another attempt: what came before was written by
    # one that does not count.
    restarted: bool


class Logs(TypedDict):
    """What the latest attempt wrote, as far as it has got."""

    uuid: str
    status: str
    attempt: int
    truncated: bool  # there was more than is kept
    entries: List[LogEntry]
