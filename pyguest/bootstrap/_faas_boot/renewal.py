"""What must differ between runs that start from the same memory."""

from __future__ import annotations

import os
import random
import tempfile

import faas

_urandom = os.urandom
_seed = random.Random.__base__.seed  # the C method; Random.seed does more than an int needs
_generator = random._inst
_from_bytes = int.from_bytes

# Bytes of randomness that the shared generator is seeded with.
SEED_BYTES = 32


def before_image() -> None:
    """Drop what would make clones of this memory alike."""
    tempfile._name_sequence = None


def after_restore() -> None:
    """Renew what must be unique, then call the function's own hooks."""
    _seed(_generator, _from_bytes(_urandom(SEED_BYTES)))
    _generator.gauss_next = None
    for hook in faas._after_restore:
        hook()
