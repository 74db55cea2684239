"""Renewal of state that must differ between runs that start from the same memory."""

from __future__ import annotations

import random
import tempfile

import _faas
import _random
import faas

# The generator behind random.random and similar functions: faas_run renews its
# state before each run.
_faas.share(random._inst, _random.Random.getstate(random._inst))

# What faas.execution has while hooks of faas.warm_up run, which are not runs.
_WARM_UP = {"id": "", "attempt": 0, "version": 0}

imaged = False  # the function is deployed: what runs now is a run of it


def warm_up(function: str) -> None:
    """Call the function's hooks that fill the image."""
    if not faas._warm_up:
        return
    from _faas_boot import coroutines

    faas.execution._known = _WARM_UP | {"function": function}
    try:
        for hook in faas._warm_up:
            coroutines.finished(hook())
    finally:
        faas.execution._known = None


def before_image() -> None:
    """Drop state that would make clones of this memory alike."""
    global imaged
    imaged = True
    tempfile._name_sequence = None
    random._inst.gauss_next = None


def after_restore() -> None:
    """Call the function's own hooks, which renew state that must be unique."""
    for hook in faas._after_restore:
        if (awaitable := hook()) is not None:
            from _faas_boot import coroutines

            coroutines.finished(awaitable)
