"""Resources of the only process. The limits of a function are not the kernel's, so that setting one fails."""

from __future__ import annotations

import collections
import errno
import os
import time

from _faas_boot import absent

_CONSTANTS = (
    "RLIMIT_AS=9 RLIMIT_CORE=4 RLIMIT_CPU=0 RLIMIT_DATA=2 RLIMIT_FSIZE=1 RLIMIT_MEMLOCK=8 RLIMIT_MSGQUEUE=12 "
    "RLIMIT_NICE=13 RLIMIT_NOFILE=7 RLIMIT_NPROC=6 RLIMIT_OFILE=7 RLIMIT_RSS=5 RLIMIT_RTPRIO=14 "
    "RLIMIT_RTTIME=15 RLIMIT_SIGPENDING=11 RLIMIT_STACK=3 RLIM_INFINITY=-1 RUSAGE_CHILDREN=-1 RUSAGE_SELF=0 "
    "RUSAGE_THREAD=1"
)  # of Linux on x86-64
for _entry in _CONSTANTS.split():
    _name, _, _value = _entry.partition("=")
    globals()[_name] = int(_value)
del _entry, _name, _value

error = OSError
_PAGE = 65536  # of WebAssembly
_OPEN_FILES = 256
_LIMITS = 16  # RLIMIT_CPU to RLIMIT_RTTIME

_FIELDS = (
    "ru_utime ru_stime ru_maxrss ru_ixrss ru_idrss ru_isrss ru_minflt ru_majflt ru_nswap ru_inblock ru_oublock"
    " ru_msgsnd ru_msgrcv ru_nsignals ru_nvcsw ru_nivcsw"
)
struct_rusage = collections.namedtuple("struct_rusage", _FIELDS, module="resource")


def getrusage(who, /):
    """Return what the process has used: the time in which it computed. Nothing else is counted."""
    if who not in (RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD):
        raise ValueError("invalid who parameter")
    return struct_rusage(0.0 if who == RUSAGE_CHILDREN else time.process_time(), 0.0, *[0] * 14)


def getrlimit(resource, /):
    """Return the soft and the hard limit of a resource. RLIM_INFINITY: the function's own limits apply."""
    if not isinstance(resource, int):
        raise TypeError("'%s' object cannot be interpreted as an integer" % type(resource).__name__)
    if not 0 <= resource < _LIMITS:
        raise ValueError("invalid resource specified")
    limit = {RLIMIT_NOFILE: _OPEN_FILES, RLIMIT_NPROC: 1, RLIMIT_CORE: 0}.get(resource, RLIM_INFINITY)
    return limit, limit


def setrlimit(resource, limits, /):
    """Accept the limits that a resource has, and raise OSError for others."""
    present = getrlimit(resource)
    try:
        soft, hard = limits
    except (TypeError, ValueError):
        raise ValueError("expected a tuple of 2 integers") from None
    if (soft, hard) != present:
        raise PermissionError(errno.EPERM, "%s: %s" % (os.strerror(errno.EPERM), absent.LIMITS))


def prlimit(pid, resource, limits=None, /):
    """Return the limits of the only process, and set them as setrlimit does."""
    if pid not in (0, os.getpid()):
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    present = getrlimit(resource)
    if limits is not None:
        setrlimit(resource, limits)
    return present


def getpagesize():
    """Return the size of a page in bytes."""
    return _PAGE
