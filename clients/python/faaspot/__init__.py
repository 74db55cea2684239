"""Client of FaaSpot servers: deploy Python functions, run them, look up runs.

    from faaspot import Faaspot

    f = Faaspot()
    f.functions.create("hello", "hello.py", wait=True)
    f.functions.run("hello", {"name": "you"}, wait=True)

The package owns talking to a server and the profile file that says which. It needs
Python 3.9 and the standard library, and knows nothing of how a server works. All of
it may be used from several threads at once; what an iterator gives belongs to the
thread that asks for it. Requests are logged as "faaspot" at level DEBUG, without
tokens, code and parameters.
"""

from ._version import __version__
from .client import Faaspot
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
from .profiles import Profile, Profiles, ProfileSummary
from .retry import Retry
from .shapes import (
    CancelledExecution,
    Execution,
    ExecutionError,
    FollowedLogEntry,
    Function,
    FunctionSummary,
    LogEntry,
    Logs,
)

__all__ = [
    "AlreadyExists",
    "CancelledExecution",
    "Conflict",
    "DeployFailed",
    "Execution",
    "ExecutionError",
    "Executions",
    "Faaspot",
    "FaaspotException",
    "FollowedLogEntry",
    "ForeignAnswer",
    "Function",
    "FunctionSummary",
    "Functions",
    "InvalidRequest",
    "LogEntry",
    "Logs",
    "NoAnswer",
    "NotFound",
    "Profile",
    "ProfileError",
    "ProfileSummary",
    "Profiles",
    "Retry",
    "RunFailed",
    "ServerError",
    "TooBusy",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "WaitTimeout",
    "__version__",
]
