"""Client for faaspot servers: deploy Python functions, run them, look up executions.

    from faaspot import Faaspot

    f = Faaspot()
    f.functions.create("hello", "hello.py", wait=True)
    f.functions.run("hello", {"name": "you"}, wait=True)

The package sends requests to one server and reads the profile file that names it. It does not know
how a server works. It covers functions, executions, searches of them and operations on them, jobs, dead letters and
profiles; faaspot.aio has the same for asyncio.

It needs Python 3.9 or later and no other packages. A client is installed into the environments of
other programs, and without dependencies it can neither conflict with theirs nor break when a package
index is out of reach. The price is small: the retry rules are those of this
API (a blocking run must never be sent twice), so they would be written here even on top of a general
HTTP library, and http.client, ssl and a pool of some 90 lines provide the rest; the profile file uses
so little of YAML that a strict reader of that subset suffices.

Any thread may use any of it concurrently; an iterator belongs to the thread that iterates over it.
The logger "faaspot" records requests at level DEBUG, without tokens, code and parameters.
"""

from ._version import __version__
from .client import Faaspot
from .deadletters import DeadLetters
from .errors import (
    AlreadyExists,
    Conflict,
    DeployFailed,
    FaaspotException,
    ForeignAnswer,
    InvalidRequest,
    NoAnswer,
    NotFound,
    ProfileError,
    RunFailed,
    ServerError,
    TooBusy,
    TooLarge,
    Unauthenticated,
    Unavailable,
    WaitTimeout,
)
from .executions import Executions
from .functions import Functions
from .jobs import Jobs
from .models import (
    Bundle,
    CancelledExecution,
    DeadLetter,
    Egress,
    Execution,
    ExecutionError,
    FollowedLogEntry,
    FoundExecution,
    Function,
    FunctionStats,
    FunctionSummary,
    FunctionVersion,
    FunctionVersionDetail,
    Job,
    JobExecution,
    JobRevision,
    JobTask,
    LogEntry,
    Logs,
    Operation,
    RunStats,
    Stats,
    StepStats,
    VersionDiff,
)
from .operations import Operations
from .profiles import Profile, Profiles, ProfileSummary
from .retry import Retry

__all__ = [
    "AlreadyExists",
    "Bundle",
    "CancelledExecution",
    "Conflict",
    "DeadLetter",
    "DeadLetters",
    "DeployFailed",
    "Egress",
    "Execution",
    "ExecutionError",
    "Executions",
    "Faaspot",
    "FaaspotException",
    "FollowedLogEntry",
    "ForeignAnswer",
    "FoundExecution",
    "Function",
    "FunctionStats",
    "FunctionSummary",
    "FunctionVersion",
    "FunctionVersionDetail",
    "Functions",
    "InvalidRequest",
    "Job",
    "JobExecution",
    "JobRevision",
    "JobTask",
    "Jobs",
    "LogEntry",
    "Logs",
    "NoAnswer",
    "NotFound",
    "Operation",
    "Operations",
    "Profile",
    "ProfileError",
    "ProfileSummary",
    "Profiles",
    "Retry",
    "RunFailed",
    "RunStats",
    "ServerError",
    "Stats",
    "StepStats",
    "TooBusy",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "VersionDiff",
    "WaitTimeout",
    "__version__",
]
