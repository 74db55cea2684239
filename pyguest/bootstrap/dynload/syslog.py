"""The log of the system, which here is the log of the run: each message is a line on stderr."""

from __future__ import annotations

import os
import sys

_CONSTANTS = (
    "LOG_ALERT=1 LOG_AUTH=32 LOG_AUTHPRIV=80 LOG_CONS=2 LOG_CRIT=2 LOG_CRON=72 LOG_DAEMON=24 LOG_DEBUG=7 "
    "LOG_EMERG=0 LOG_ERR=3 LOG_FTP=88 LOG_INFO=6 LOG_KERN=0 LOG_LOCAL0=128 LOG_LOCAL1=136 LOG_LOCAL2=144 "
    "LOG_LOCAL3=152 LOG_LOCAL4=160 LOG_LOCAL5=168 LOG_LOCAL6=176 LOG_LOCAL7=184 LOG_LPR=48 LOG_MAIL=16 "
    "LOG_NDELAY=8 LOG_NEWS=56 LOG_NOTICE=5 LOG_NOWAIT=16 LOG_ODELAY=4 LOG_PERROR=32 LOG_PID=1 LOG_SYSLOG=40 "
    "LOG_USER=8 LOG_UUCP=64 LOG_WARNING=4"
)  # of Linux on x86-64
for _entry in _CONSTANTS.split():
    _name, _, _value = _entry.partition("=")
    globals()[_name] = int(_value)
del _entry, _name, _value

_ident = None
_option = 0
_facility = LOG_USER
_mask = 0xFF
_stderr = sys.stderr


def openlog(ident=None, logoption=0, facility=LOG_USER):
    """Set logging options of subsequent syslog() calls."""
    global _ident, _option, _facility
    if ident is not None and not isinstance(ident, str):
        raise TypeError("openlog() argument 1 must be str, not %s" % type(ident).__name__)
    if ident is not None:
        ident.encode()  # raises UnicodeEncodeError for what is no text
    _ident, _option, _facility = ident, logoption, facility


def closelog():
    """Reset the syslog module values."""
    openlog()


def syslog(*args):
    """syslog([priority=LOG_INFO,] message): write a message to the log of the run."""
    if len(args) not in (1, 2):
        raise TypeError("syslog.syslog requires 1 to 2 arguments")
    priority, message = args if len(args) == 2 else (LOG_INFO, args[0])
    if not isinstance(message, str):
        raise TypeError("syslog() argument %d must be str, not %s" % (len(args), type(message).__name__))
    if not _mask & 1 << (priority & 7):
        return
    name = _ident if _ident is not None else os.path.basename(sys.argv[0])
    process = "[%d]" % os.getpid() if _option & LOG_PID else ""
    _stderr.write("%s%s: %s\n" % (name, process, message))


def setlogmask(maskpri, /):
    """Set the priority mask to maskpri and return the previous mask value. 0 changes nothing."""
    global _mask
    previous = _mask
    if maskpri != 0:
        _mask = maskpri
    return previous


def LOG_MASK(pri, /):  # noqa: N802 # the name of the original
    """Calculates the mask for the individual priority pri."""
    return 1 << pri


def LOG_UPTO(pri, /):  # noqa: N802
    """Calculates the mask for all priorities up to and including pri."""
    return (1 << pri + 1) - 1
