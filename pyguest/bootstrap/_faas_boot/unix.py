"""What programs expect of Linux and the C modules lack here: see `install`.

Only functions that can do what they say are added. What cannot be done stays absent, so that
programs which look for it do without; `absent` words that.
"""

from __future__ import annotations

import _locale
import _sitebuiltins
import _thread
import builtins
import errno
import os
import posix
import sys
import threading
import time

import _faas
from _faas_boot import absent, accounts, network

_LOCALES = {"POSIX": "C"} | {name: name for name in ("C", "C.UTF-8", "C.utf8", "C.UTF8", "C.utf-8")}
_CATEGORIES = ("LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES")

# The errors of Linux that WASI does not have: nothing raises them here.
_ERRORS = (
    "EADV=68 EBADE=52 EBADFD=77 EBADR=53 EBADRQC=56 EBADSLT=57 EBFONT=59 ECHRNG=44 ECOMM=70 EDEADLOCK=35 "
    "EDOTDOT=73 EHOSTDOWN=112 EISNAM=120 EKEYEXPIRED=127 EKEYREJECTED=129 EKEYREVOKED=128 EL2HLT=51 "
    "EL2NSYNC=45 EL3HLT=46 EL3RST=47 ELIBACC=79 ELIBBAD=80 ELIBEXEC=83 ELIBMAX=82 ELIBSCN=81 ELNRNG=48 "
    "EMEDIUMTYPE=124 ENAVAIL=119 ENOANO=55 ENOCSI=50 ENODATA=61 ENOKEY=126 ENOMEDIUM=123 ENONET=64 "
    "ENOPKG=65 ENOSR=63 ENOSTR=60 ENOTBLK=15 ENOTNAM=118 ENOTUNIQ=76 EPFNOSUPPORT=96 EREMCHG=78 "
    "EREMOTE=66 EREMOTEIO=121 ERESTART=85 ERFKILL=132 ESHUTDOWN=108 ESOCKTNOSUPPORT=94 ESRMNT=69 "
    "ESTRPIPE=86 ETIME=62 ETOOMANYREFS=109 EUCLEAN=117 EUNATCH=49 EUSERS=87 EXFULL=54 "
)

_GRND_NONBLOCK, _GRND_RANDOM = 1, 2

_mkdir = os.mkdir
_nl_langinfo = _locale.nl_langinfo
_umask = 0o022
_locales = dict.fromkeys(_CATEGORIES, "C")
_locales["LC_CTYPE"] = "C.UTF-8"


def install() -> None:
    """Add functions to os, time, threading and builtins, and let _locale refuse what does not exist."""
    for entry in _ERRORS.split():
        name, _, number = entry.partition("=")
        if not hasattr(errno, name):
            setattr(errno, name, int(number))
            errno.errorcode.setdefault(int(number), name)
    del errno.ENOTCAPABLE  # of WASI alone; Python shows it as EACCES
    # CPython takes ESHUTDOWN for EPIPE in WASI, also where it maps numbers to exceptions.
    errno.errorcode.update({errno.EACCES: "EACCES", errno.EDEADLOCK: "EDEADLOCK", errno.EPIPE: "EPIPE"})
    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    builtins.help = _sitebuiltins._Helper()
    _replace(os, chmod)
    for function in (
        fchmod, chown, fchown, lchown, ctermid, get_terminal_size, getgroups, getloadavg, getlogin, getpgid,
        getpgrp, getppid, getrandom, getsid, sched_getaffinity, sync, ttyname, umask,
    ):  # fmt: skip
        _add(os, function.__name__, function)
    for name in ("getuid", "geteuid", "getgid", "getegid"):
        _add(os, name, _root(name))
    for name, value in (("GRND_NONBLOCK", _GRND_NONBLOCK), ("GRND_RANDOM", _GRND_RANDOM)):
        if not hasattr(os, name):
            setattr(os, name, value)
            os.__all__.append(name)
    _replace(os, mkdir)
    posix.mkdir = _mkdir  # which the import system calls: a debugger would see the frames of another
    os.supports_fd |= {chmod, chown}
    os.supports_follow_symlinks.add(chown)
    threading.get_native_id = _thread.get_native_id = os.getpid
    for module in (accounts.pwd(), accounts.grp()):
        sys.modules[module.__name__] = module
    os.cpu_count = _one
    os.process_cpu_count = _one
    _uname = os.uname

    def uname() -> os.uname_result:
        """Return the names of the system, as a named tuple."""
        names = list(_uname())
        names[1] = network.HOST
        return os.uname_result(names)

    _replace(os, uname)
    _replace(os, times)
    _replace(_locale, setlocale)
    _replace(_locale, nl_langinfo)
    _replace(_locale, getencoding)
    _replace(_thread, start_new_thread)
    _thread.start_new = start_new_thread
    _replace(_thread, start_joinable_thread)
    threading._start_joinable_thread = start_joinable_thread
    sys.breakpointhook = breakpointhook


def zone_of_environment() -> None:
    """Use the variable TZ, as a process does that starts with it."""
    time.tzset()


def _add(module: object, name: str, function: object) -> None:
    if not hasattr(module, name):
        function.__module__ = module.__name__
        setattr(module, name, function)
        if module is os:
            setattr(posix, name, function)
        getattr(module, "__all__", []).append(name)


def _replace(module: object, function: object) -> None:
    function.__module__ = module.__name__
    function.__qualname__ = function.__name__
    setattr(module, function.__name__, function)
    if module is os:
        setattr(posix, function.__name__, function)


def _root(name: str) -> object:
    def identity() -> int:
        return 0

    identity.__name__ = identity.__qualname__ = name
    return identity


def _one() -> int:
    return 1


def chmod(path, mode, *, dir_fd=None, follow_symlinks=True):
    """Change the access permissions of a file, which os.stat reports; nothing else depends on them."""
    if dir_fd is not None:
        raise NotImplementedError("chmod: dir_fd unavailable on this platform")
    if not follow_symlinks:
        raise NotImplementedError("chmod: follow_symlinks unavailable on this platform")
    found = os.stat(path)
    if not isinstance(mode, int):
        raise TypeError("'%s' object cannot be interpreted as an integer" % type(mode).__name__)
    if found.st_dev == 1:
        raise _read_only(path)
    _set_mode(found, mode)


def _read_only(path):
    name = os.fspath(path) if not isinstance(path, int) else None
    return OSError(errno.EROFS, "%s: %s" % (os.strerror(errno.EROFS), absent.WRITABLE), name)


def fchmod(fd, mode):
    """Change the access permissions of an open file."""
    chmod(fd, mode)


def chown(path, uid, gid, *, dir_fd=None, follow_symlinks=True):
    """Accept any owner of a file, as root may set it; all files stay those of user 0 and group 0."""
    if dir_fd is not None:
        raise NotImplementedError("chown: dir_fd unavailable on this platform")
    for number in (uid, gid):
        if not isinstance(number, int):
            raise TypeError("%s should be integer, not %s" % ("uid" if number is uid else "gid", type(number).__name__))
    if os.stat(path, follow_symlinks=follow_symlinks).st_dev == 1:
        raise _read_only(path)


def fchown(fd, uid, gid):
    """Accept any owner of an open file."""
    chown(fd, uid, gid)


def lchown(path, uid, gid):
    """Accept any owner of a file, of a symbolic link itself."""
    chown(path, uid, gid, follow_symlinks=False)


def mkdir(path, mode=0o777, *, dir_fd=None):
    """Create a directory."""
    _mkdir(path, mode, dir_fd=dir_fd)
    if mode & ~_umask != 0o755 and dir_fd is None:
        _set_mode(os.stat(path), mode & ~_umask)


def _set_mode(found, mode):
    _faas.set_mode(found.st_dev, found.st_ino, mode & 0o7777)


def ctermid():
    """Return the name of the controlling terminal, which does not exist."""
    return "/dev/tty"


def get_terminal_size(fd=1):
    """Raise OSError: no descriptor is a terminal."""
    os.fstat(fd)
    raise OSError(25, os.strerror(25))


def getgroups():
    """Return the groups of the only user."""
    return [0]


def getloadavg():
    """Return the load of the sandbox, which is not measured."""
    return (0.0, 0.0, 0.0)


def getlogin():
    """Raise OSError: nobody has logged in."""
    raise OSError(6, os.strerror(6))


def getpgid(pid):
    """Return the group of the only process."""
    if pid not in (0, os.getpid()):
        raise OSError(3, os.strerror(3))
    return os.getpid()


def getpgrp():
    """Return the group of the only process."""
    return os.getpid()


def getppid():
    """Return the number of the parent process."""
    return 1


def getrandom(size, flags=0):
    """Return random bytes of the host, which never has to wait for them."""
    if not isinstance(size, int) or not isinstance(flags, int):
        raise TypeError("an integer is required")
    if size < 0 or flags & ~(_GRND_NONBLOCK | _GRND_RANDOM):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return os.urandom(size)


def getsid(pid):
    """Return the session of the only process."""
    return getpgid(pid)


def sched_getaffinity(pid):
    """Return the processors that the process may use: one."""
    return {0}


def sync():
    """Do nothing: files are in memory."""


def times():
    """Return the computing time of the process, and the time that has passed, in seconds."""
    return os.times_result((time.process_time(), 0.0, 0.0, 0.0, time.monotonic()))


def ttyname(fd):
    """Raise OSError: no descriptor is a terminal."""
    os.fstat(fd)
    raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))


def umask(mask):
    """Set the mask of new files and return the previous one."""
    global _umask
    _umask = mask & 0o777
    return _faas.umask(_umask)


def setlocale(category, locale=None):
    """Set the locale of a category; C and C.UTF-8 exist."""
    if not isinstance(category, int):
        raise TypeError("'%s' object cannot be interpreted as an integer" % type(category).__name__)
    names = [name for name in _CATEGORIES if category in (_locale.LC_ALL, getattr(_locale, name))]
    if not names:
        raise _locale.Error("invalid locale category")
    if locale is not None:
        for name, value in zip(names, _resolved(locale, names), strict=True):
            _locales[name] = value
    values = [_locales[name] for name in names]
    if category != _locale.LC_ALL or len(set(values)) == 1:
        return values[0]
    return ";".join("%s=%s" % pair for pair in zip(names, values, strict=True))


def nl_langinfo(key):
    """Return a text or a setting of the locale."""
    return "UTF-8" if key == _locale.CODESET else _nl_langinfo(key)


def getencoding():
    """Return the encoding of the locale."""
    return "UTF-8"


def _resolved(locale, names):
    """Return a locale for each name. Raises Error if one of them does not exist."""
    if not isinstance(locale, str):
        raise TypeError("setlocale() argument 2 must be str or None, not %s" % type(locale).__name__)
    if locale == "":
        wanted = [os.environ.get("LC_ALL") or os.environ.get(name) or os.environ.get("LANG") or "C" for name in names]
    elif "=" in locale:
        parts = dict(part.partition("=")[::2] for part in locale.split(";"))
        wanted = [parts.get(name, "") for name in names]
    else:
        wanted = [locale] * len(names)
    if not all(name in _LOCALES for name in wanted):
        raise _locale.Error("unsupported locale setting")
    return [_LOCALES[name] for name in wanted]


def breakpointhook(*args, **kwargs):
    """Call what PYTHONBREAKPOINT names. Raise RuntimeError if it names no debugger: pdb needs a terminal."""
    if os.environ.get("PYTHONBREAKPOINT"):
        return sys.__breakpointhook__(*args, **kwargs)
    raise RuntimeError("breakpoint() is absent: " + absent.TERMINAL)


def start_new_thread(*args, **kwargs):
    """Raise RuntimeError: there is one thread."""
    raise RuntimeError("can't start new thread: " + absent.THREADS)


def start_joinable_thread(*args, **kwargs):
    """Raise RuntimeError: there is one thread."""
    raise RuntimeError("can't start new thread: " + absent.THREADS)
