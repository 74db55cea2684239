"""File control on a system with one process: it gets every lock at once, and there are no devices."""

from __future__ import annotations

import errno
import os
import stat

from _faas_boot import absent

_CONSTANTS = (
    "DN_ACCESS=1 DN_ATTRIB=32 DN_CREATE=4 DN_DELETE=8 DN_MODIFY=2 DN_MULTISHOT=2147483648 DN_RENAME=16 "
    "FASYNC=8192 FD_CLOEXEC=1 FICLONE=1074041865 FICLONERANGE=1075876877 F_ADD_SEALS=1033 F_DUPFD=0 "
    "F_DUPFD_CLOEXEC=1030 F_EXLCK=4 F_GETFD=1 F_GETFL=3 F_GETLEASE=1025 F_GETLK=5 F_GETLK64=5 F_GETOWN=9 "
    "F_GETOWN_EX=16 F_GETPIPE_SZ=1032 F_GETSIG=11 F_GET_FILE_RW_HINT=1037 F_GET_RW_HINT=1035 F_GET_SEALS=1034 "
    "F_NOTIFY=1026 F_OFD_GETLK=36 F_OFD_SETLK=37 F_OFD_SETLKW=38 F_OWNER_PGRP=2 F_OWNER_PID=1 F_OWNER_TID=0 "
    "F_RDLCK=0 F_SEAL_FUTURE_WRITE=16 F_SEAL_GROW=4 F_SEAL_SEAL=1 F_SEAL_SHRINK=2 F_SEAL_WRITE=8 F_SETFD=2 "
    "F_SETFL=4 F_SETLEASE=1024 F_SETLK=6 F_SETLK64=6 F_SETLKW=7 F_SETLKW64=7 F_SETOWN=8 F_SETOWN_EX=15 "
    "F_SETPIPE_SZ=1031 F_SETSIG=10 F_SET_FILE_RW_HINT=1038 F_SET_RW_HINT=1036 F_SHLCK=8 F_UNLCK=2 F_WRLCK=1 "
    "LOCK_EX=2 LOCK_MAND=32 LOCK_NB=4 LOCK_READ=64 LOCK_RW=192 LOCK_SH=1 LOCK_UN=8 LOCK_WRITE=128 "
    "RWH_WRITE_LIFE_EXTREME=5 RWH_WRITE_LIFE_LONG=4 RWH_WRITE_LIFE_MEDIUM=3 RWH_WRITE_LIFE_NONE=1 "
    "RWH_WRITE_LIFE_NOT_SET=0 RWH_WRITE_LIFE_SHORT=2"
)  # of Linux on x86-64
for _entry in _CONSTANTS.split():
    _name, _, _value = _entry.partition("=")
    globals()[_name] = int(_value)
del _entry, _name, _value



_MAX_BYTES = 1024  # of an argument, as on Linux


def _descriptor(fd: object) -> int:
    """Return the number of an open descriptor, given itself or by an object that has one."""
    if not isinstance(fd, int):
        fileno = getattr(fd, "fileno", None)
        if fileno is None:
            raise TypeError("argument must be an int, or have a fileno() method.")
        fd = fileno()
        if not isinstance(fd, int):
            raise TypeError("fileno() returned a non-integer")
    if fd < 0:
        raise ValueError("file descriptor cannot be a negative integer (%d)" % fd)
    os.fstat(fd)
    return fd


def _is_socket(fd: int) -> bool:
    return stat.S_ISSOCK(os.fstat(fd).st_mode)


def _can(use, *args) -> bool:
    try:
        use(*args)
    except OSError as error:
        return error.errno != errno.EBADF
    return True


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("'%s' object cannot be interpreted as an integer" % type(value).__name__)
    return value


def fcntl(fd, cmd, arg=0, /):
    """Perform the operation `cmd` on file descriptor fd.

    F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_SETLK and F_SETLKW are available. O_NONBLOCK is set for sockets;
    other flags have no effect, because no program is started and no file waits; a lock is granted. Other
    commands raise OSError.
    """
    fd = _descriptor(fd)
    _number(cmd)
    if isinstance(arg, str):
        arg = arg.encode()
    if not isinstance(arg, int):
        if len(memoryview(arg).cast("B")) > _MAX_BYTES:
            raise ValueError("fcntl string arg too long")
        if cmd in (F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW):
            return bytes(arg)
    elif cmd == F_GETFD:
        return 0 if fd <= 2 else FD_CLOEXEC
    elif cmd in (F_SETFD, F_SETFL):
        if cmd == F_SETFL and _is_socket(fd):
            os.set_blocking(fd, not arg & os.O_NONBLOCK)
        return 0
    elif cmd == F_GETFL:
        if _is_socket(fd):
            return os.O_RDWR if os.get_blocking(fd) else os.O_RDWR | os.O_NONBLOCK
        reads, writes = _can(os.read, fd, 0), _can(os.write, fd, b"")
        return (os.O_RDWR if reads else os.O_WRONLY) if writes else os.O_RDONLY
    raise OSError(errno.EINVAL, "%s: %s" % (os.strerror(errno.EINVAL), absent.CALLS))


def ioctl(fd, request, arg=0, mutate_flag=True, /):
    """Raise OSError: no descriptor is of a device that has such operations."""
    _descriptor(fd)
    _number(request)
    raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))


def flock(fd, operation, /):
    """Perform the lock operation `operation` on file descriptor `fd`: the only process has every lock."""
    _descriptor(fd)
    if _number(operation) & ~LOCK_NB not in (LOCK_SH, LOCK_EX, LOCK_UN):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def lockf(fd, cmd, len=0, start=0, whence=0, /):  # noqa: A002 # the name of the original
    """A wrapper around the fcntl() locking calls: the only process has every lock."""
    _descriptor(fd)
    if not _number(cmd) & (LOCK_SH | LOCK_EX | LOCK_UN):
        raise ValueError("unrecognized lockf argument")
