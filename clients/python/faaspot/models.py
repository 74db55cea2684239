"""The server's answers as types for type checkers. At run time they are plain dicts and lists.

Times are text such as "2017-07-21 15:10:52.537686+00:00", in UTC. A server may add members.
"""

from __future__ import annotations

from typing import Any, List, Optional, TypedDict


class FunctionSummary(TypedDict):
    """A function in a list."""

    name: str
    runner_url: str  # URL that runs the function
    version: int  # number of the latest version, from 1
    created: str
    updated: str


class Bundle(TypedDict):
    """The zip file of a function of several files."""

    sha256: str  # in hexadecimal
    bytes: int  # size


class _FunctionAlways(FunctionSummary):
    code: str  # Python source, as it was deployed; main.py of a bundle
    encoding: str  # "plain"
    timeout: float  # seconds that a run may take
    memory: float  # MB that a run may use
    retries: int  # further attempts of a background run after the function failed
    allow: List[str]  # what runs may reach, as rules HOST:PORT
    context_keys: List[str]  # names in the context; the server never returns their values


class Function(_FunctionAlways, total=False):
    """A function with its code."""

    bundle: Bundle  # absent if code is all there is
    imports_during_runs: List[str]  # modules that the first runs of a bundle imported; absent if there are none


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
    output_omitted: bool  # True: the output is too large for a list; get the execution alone


class CancelledExecution(Execution):
    """An execution after a request to cancel it."""

    changed: bool  # whether this request cancelled it
    message: str  # a sentence about its state


class LogEntry(TypedDict):
    """Text that a function wrote to one stream."""

    stream: str  # "stdout" or "stderr"
    text: str


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
