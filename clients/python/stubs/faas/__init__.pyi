"""Types of the module faas, which functions import on a server."""

from collections.abc import Callable
from typing import Literal, TypeVar, final

__all__ = ["Execution", "execution", "log", "register_after_restore", "warm_up"]

_Hook = TypeVar("_Hook", bound=Callable[[], object])

@final
class Execution:
    """The run in progress. Its attributes raise RuntimeError while the function is deployed."""

    @property
    def id(self) -> str:
        """The ID of the execution. It is empty in a hook of warm_up."""
    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1. It is 0 in a hook of warm_up."""
    @property
    def function(self) -> str:
        """The name of the function."""
    @property
    def version(self) -> int:
        """The version of the function."""
    @property
    def job(self) -> str | None:
        """The name of the job that the run is a task of; None if it is no task."""
    @property
    def job_execution(self) -> str | None:
        """The ID of the execution of that job; None if the run is no task."""
    @property
    def task(self) -> int | None:
        """The number of the task, from 0; None if the run is no task."""
    @property
    def deadline(self) -> float:
        """When the run is stopped if it has not ended, in seconds since the epoch."""
    @property
    def remaining(self) -> float:
        """The seconds until the deadline, 0.0 if it has passed."""

execution: Execution

def log(
    message: object, /, level: Literal["debug", "info", "warning", "error", "critical"] = "info", **fields: object
) -> None:
    """Write a line to the log of the run: a JSON object with the time, the level, the message and the fields."""

def register_after_restore(hook: _Hook) -> _Hook:
    """Register hook() to be called at the start of every run, before main. It may be async."""

def warm_up(hook: _Hook) -> _Hook:
    """Register hook() to be called when the function is deployed, after its module body. It may be async."""
