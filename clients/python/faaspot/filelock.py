"""A lock that programs share by a file beside what it guards.

It is the one that `fas` takes, too: flock(2) on Unix, LockFileEx on Windows. It
works between threads as well as between processes.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Generator

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # msvcrt gives up after ten seconds, people who hold it do not hurry.
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                return
            except OSError:
                time.sleep(0.05)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextlib.contextmanager
def locked(path: str) -> Generator[None, None, None]:
    """Hold the lock whose file is at path; it is made if absent, and stays."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor)
        try:
            yield
        finally:
            _unlock(descriptor)
    finally:
        os.close(descriptor)
