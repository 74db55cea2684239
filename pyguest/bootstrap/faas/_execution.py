"""What a run can learn about itself. The host is asked when a program asks, not before."""

from __future__ import annotations

import os
import time

from _faas_boot import values

_DEVICE = "/dev/execution"
_MAX_BYTES = 64 * 1024

# Bound here, because functions replace attributes of modules, such as in tests.
_open, _read, _close, _now = os.open, os.read, os.close, time.time


def _ask() -> dict[str, object]:
    descriptor = _open(_DEVICE, os.O_RDONLY)
    try:
        text = _read(descriptor, _MAX_BYTES)
    finally:
        _close(descriptor)
    if not text:
        raise RuntimeError(
            "no run is in progress: code outside of main and hooks of faas.warm_up run when the function is deployed;"
            " use faas.execution in main, or in a hook of faas.register_after_restore"
        )
    return values.decode(text)


class Execution:
    """The run in progress. Its attributes raise RuntimeError while the function is deployed."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, object] | None = None

    def _get(self, name: str) -> object:
        if self._known is None:
            self._known = _ask()
        return self._known.get(name)

    @property
    def id(self) -> str:
        """The ID of the execution, under which the server has its result and its log.

        It is empty in a hook of faas.warm_up.
        """
        return self._get("id")

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1: it grows if the run is retried, or its server was lost.

        It is 0 in a hook of faas.warm_up.
        """
        return self._get("attempt")

    @property
    def function(self) -> str:
        """The name of the function."""
        return self._get("function")

    @property
    def version(self) -> int:
        """The version of the function."""
        return self._get("version")

    @property
    def job(self) -> str | None:
        """The name of the job that the run is a task of; None if it is no task."""
        return self._get("job")

    @property
    def job_execution(self) -> str | None:
        """The ID of the execution of that job; None if the run is no task."""
        return self._get("job_execution")

    @property
    def task(self) -> int | None:
        """The number of the task, from 0; None if the run is no task."""
        return self._get("task")

    @property
    def deadline(self) -> float:
        """When the run is stopped if it has not ended, in seconds since the epoch, as of time.time().

        It moves if the server makes the run wait for memory. In a hook of faas.warm_up it is a
        minute from now.
        """
        if self._known is not None and not self._known["id"]:
            return _now() + 60.0
        return _ask()["deadline"]

    @property
    def remaining(self) -> float:
        """The seconds until the deadline, 0.0 if it has passed."""
        return max(self.deadline - _now(), 0.0)

    def __repr__(self) -> str:
        try:
            return "<faas.execution %s, attempt %d>" % (self.id, self.attempt)
        except RuntimeError:
            return "<faas.execution: no run is in progress>"
