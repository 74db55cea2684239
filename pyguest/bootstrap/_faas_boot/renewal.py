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


def before_image() -> None:
    """Drop state that would make clones of this memory alike."""
    tempfile._name_sequence = None
    random._inst.gauss_next = None


def after_restore() -> None:
    """Call the function's own hooks, which renew state that must be unique."""
    for hook in faas._after_restore:
        hook()
