"""Programs look for what a Unix system says about users, files, terminals and limits."""
import errno
import fcntl
import getpass
import grp
import os
import pwd
import resource
import struct
import syslog
import tempfile
import termios
import tty


def attempt(function):
    try:
        return function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main(args, context):
    out = {"ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getuid() == pwd.getpwuid(os.getuid()).pw_uid], "names": [getpass.getuser(), os.environ["USER"], pwd.getpwnam("root").pw_name, grp.getgrgid(0).gr_name, os.environ.get("LOGNAME")]}
    with tempfile.TemporaryFile() as file:
        out["locks"] = [fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB), fcntl.lockf(file, fcntl.LOCK_EX), fcntl.lockf(file.fileno(), fcntl.LOCK_UN, 10, 5, 0), fcntl.flock(file.fileno(), fcntl.LOCK_UN), fcntl.fcntl(file, fcntl.F_SETLKW, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)).hex()]
        out["flags"] = [fcntl.fcntl(file, fcntl.F_GETFD), fcntl.fcntl(file, fcntl.F_SETFD, fcntl.FD_CLOEXEC), fcntl.fcntl(file, fcntl.F_GETFL) & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR) == os.O_RDWR, attempt(lambda: fcntl.ioctl(file, termios.TIOCGWINSZ, b"12345678"))]
        out["terminal"] = [attempt(lambda: termios.tcgetattr(file)), attempt(lambda: termios.tcgetwinsize(file.fileno())), attempt(lambda: tty.setraw(file)), os.isatty(file.fileno())]
    with open(tempfile.gettempdir() + "/read", "w") as file:
        out["write only"] = fcntl.fcntl(file, fcntl.F_GETFL) & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR) == os.O_WRONLY
    out["errors"] = [attempt(lambda: fcntl.flock(99, fcntl.LOCK_SH)), attempt(lambda: fcntl.lockf(99, fcntl.LOCK_SH)), attempt(lambda: fcntl.fcntl(99, fcntl.F_GETFD)), attempt(lambda: fcntl.flock("x", 1)), attempt(lambda: fcntl.flock(-1, 1)), attempt(lambda: termios.tcgetattr(99)), attempt(lambda: termios.tcdrain("x")), attempt(lambda: fcntl.lockf(0, 16))]
    out["limits"] = [resource.getrlimit(resource.RLIMIT_AS) == (resource.RLIM_INFINITY,) * 2, attempt(lambda: resource.getrlimit(99)), attempt(lambda: resource.getrlimit("x")), attempt(lambda: resource.setrlimit(resource.RLIMIT_CORE, (1,))), resource.setrlimit(resource.RLIMIT_AS, resource.getrlimit(resource.RLIMIT_AS)), attempt(lambda: resource.getrusage(7)), resource.getrusage(resource.RUSAGE_SELF).ru_utime > 0, type(resource.getrusage(resource.RUSAGE_SELF)).__name__, attempt(lambda: resource.prlimit(0, resource.RLIMIT_AS) == resource.getrlimit(resource.RLIMIT_AS))]
    out["syslog"] = [syslog.openlog("corpus", syslog.LOG_PID, syslog.LOG_MAIL), syslog.syslog("text"), syslog.syslog(syslog.LOG_ERR, "text"), syslog.setlogmask(syslog.LOG_UPTO(syslog.LOG_ERR)), syslog.setlogmask(0), syslog.LOG_MASK(syslog.LOG_INFO), attempt(lambda: syslog.syslog()), syslog.closelog()]
    out["constants"] = [fcntl.LOCK_EX, fcntl.F_SETFL, termios.TCSANOW, termios.TIOCGWINSZ, resource.RLIMIT_NOFILE, syslog.LOG_INFO, syslog.LOG_LOCAL7, issubclass(termios.error, Exception), resource.error is OSError, errno.ENOTTY]
    return out
