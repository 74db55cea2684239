"""What functions do not have, and the sentence that says so.

Each sentence says why a thing is absent and what to do instead. These are the only places
that word it: HTTP, the command line and the clients pass on the message of a failure.

Most absent things are absent attributes or modules, because programs look for them with
hasattr and try, and then do without. `explain` finds the sentence for an exception that such
a program did not expect.
"""

from __future__ import annotations

import errno
import sys
import types
from collections.abc import Iterator

MAX_FRAMES = 1000  # of an exception that are looked at

THREADS = (
    "a function runs on one thread and cannot start others: call the work directly, one part after the other,"
    " or start a run for each part"
)
PROCESSES = (
    "a function runs as one process and cannot start others: do the work in Python, or start a run for each part"
)
SIGNALS = "a function receives no signals: the time limit of the function ends a run that takes too long"
NETWORK = (
    "a function has no network: send the data in the args, or fetch it where the function is called and"
    " use the result there"
)
PACKAGES = (
    "a function is one file and has Python's standard library, without third-party packages: put the code that it"
    " needs into the file, or use a module of the standard library"
)
FILES = (
    "a function is one file, and no others are beside it: put the data that it needs into the file, or send it in"
    " the args or the context"
)
ENVIRONMENT = (
    "code outside of main runs once, when the function is deployed, and sees the variables HOME, LANG and TMPDIR"
    " only: read settings from context, and the variables of a job from os.environ in main"
)
NO_VARIABLE = (
    "a run has the variables HOME, LANG and TMPDIR, and those of its job: read settings from context"
)
WRITABLE = "a function writes files in /tmp only: use a path there, such as os.path.join(tempfile.gettempdir(), name)"
NATIVE = (
    "a function runs in WebAssembly, where machine code and mapped memory do not exist: use Python code and files"
    " in /tmp"
)
TERMINAL = "a function has no terminal and no screen: take the input from args and return the output"
TRACING = "the objects of a function are not traced: read the memory that a run has used from its execution"
SYSTEM = "a function runs in a sandbox without users, locks and limits of a Unix system: do without it"
ASYNC = (
    "main is async, and nothing awaits it: rename it, and define main(args, context) that returns"
    " asyncio.run(renamed(args, context))"
)
NO_MAIN = "the code defines no function main(args, context)"
# What other services call the function that they run.
OTHER_NAMES = ("handler", "lambda_handler", "handle", "app", "run", "hello_world", "Main")

_BY_MODULE = {
    "_multiprocessing": PROCESSES,
    "_posixsubprocess": PROCESSES,
    "_posixshmem": PROCESSES,
    "_ssl": NETWORK,
    "ctypes": NATIVE,
    "_ctypes": NATIVE,
    "mmap": NATIVE,
    "curses": TERMINAL,
    "_curses": TERMINAL,
    "idlelib": TERMINAL,
    "readline": TERMINAL,
    "termios": TERMINAL,
    "tkinter": TERMINAL,
    "_tkinter": TERMINAL,
    "turtle": TERMINAL,
    "turtledemo": TERMINAL,
    "_pyrepl": TERMINAL,
    "ensurepip": PACKAGES,
    "venv": PACKAGES,
    "pip": PACKAGES,
    "setuptools": PACKAGES,
    "fcntl": SYSTEM,
    "resource": SYSTEM,
    "syslog": SYSTEM,
    "_dbm": SYSTEM,
    "_gdbm": SYSTEM,
}

# The attributes of Linux that the modules here lack.
_ABSENT = {
    "os": {
        PROCESSES: "execv execve fork forkpty kill killpg login_tty openpty pidfd_open pipe pipe2 popen posix_spawn"
        " posix_spawnp register_at_fork setsid spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe"
        " system wait wait3 wait4 waitid waitpid waitstatus_to_exitcode P_NOWAIT P_WAIT WCONTINUED WEXITSTATUS WIFEXITED"
        " WIFSIGNALED WIFSTOPPED WNOHANG WSTOPSIG WTERMSIG WUNTRACED",
        SYSTEM: "chroot eventfd getpriority getxattr listxattr lockf memfd_create mkfifo mknod nice"
        " removexattr sched_setaffinity sendfile setgid setpgid setpriority setuid setxattr unshare",
        TERMINAL: "tcgetpgrp tcsetpgrp ttyname",
    },
    "signal": {
        SIGNALS: "alarm getitimer pause pthread_kill pthread_sigmask setitimer siginterrupt sigpending sigtimedwait"
        " sigwait sigwaitinfo valid_signals ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF"
    },
    "ftplib": {NETWORK: "FTP_TLS"},
    "imaplib": {NETWORK: "IMAP4_SSL"},
    "poplib": {NETWORK: "POP3_SSL"},
    "select": {NETWORK: "epoll kqueue devpoll"},
    "smtplib": {NETWORK: "SMTP_SSL"},
    "socket": {NETWORK: "AF_UNIX AF_PACKET AF_NETLINK sethostname if_nameindex send_fds recv_fds"},
    "http.client": {NETWORK: "HTTPSConnection"},
    "urllib.request": {NETWORK: "HTTPSHandler"},
    "asyncio": {NETWORK: "open_unix_connection start_unix_server"},
    "subprocess": {PROCESSES: "_fork_exec"},
}
_BY_ATTRIBUTE = {
    (module, name): sentence
    for module, sentences in _ABSENT.items()
    for sentence, names in sentences.items()
    for name in names.split()
}


def explain(error: BaseException) -> str:
    """Return the message for an exception that comes from something absent; empty for any other."""
    try:
        return _explain(error)
    except Exception:
        return ""  # a class with attributes of its own making


def _explain(error: BaseException) -> str:
    kind = type(error)
    if issubclass(kind, ModuleNotFoundError):
        return _module(error.name)
    if issubclass(kind, ImportError):
        if str(error).startswith("attempted relative import"):
            return "a relative import finds nothing: " + PACKAGES
        return _attribute(error.name, error.name_from)
    if issubclass(kind, AttributeError):
        if any(code.co_qualname == "ThreadPool.__init__" for code in _codes(error)):
            return "ThreadPool is absent: " + THREADS
        return _attribute(error.obj.__name__, error.name) if type(error.obj) is types.ModuleType else ""
    if issubclass(kind, NotImplementedError):
        text = str(error)
        if text.startswith("This Python build lacks multiprocessing."):
            return "multiprocessing is absent: " + PROCESSES
        return "tracemalloc is absent: " + TRACING if text.startswith("objects are not traced") else ""
    if kind is EOFError:
        return "input has nothing to read: " + TERMINAL if str(error) == "EOF when reading a line" else ""
    if issubclass(kind, FileNotFoundError):
        path = error.filename
        if isinstance(path, str) and (path.startswith("/function/") or path and not path.startswith("/")):
            return "%s does not exist: %s" % (path[:300], FILES)
    elif issubclass(kind, OSError):
        if error.errno == errno.ENOTSUP and str(error.strerror).endswith("does not support processes."):
            return "processes are absent: " + PROCESSES
        if error.errno == errno.EROFS:
            return "%s cannot be written: %s" % (str(error.filename)[:300], WRITABLE)
        text = str(error.args[0])
        if text.startswith("unknown url type: https"):
            return "https is absent: " + NETWORK
        if text.startswith("could not bind on any address"):
            return "servers are absent: " + NETWORK
    elif issubclass(kind, KeyError):
        codes = list(_codes(error))
        if codes and codes[-1].co_qualname == "_Environ.__getitem__":
            loading = any(code.co_name == "<module>" for code in codes)
            return "the environment has no variable %r: %s" % (error.args[0], ENVIRONMENT if loading else NO_VARIABLE)
    return ""


def _codes(error: BaseException) -> Iterator[types.CodeType]:
    """Yield the code of each frame that an exception has left, the outermost first."""
    traceback = error.__traceback__
    for _ in range(MAX_FRAMES):
        if traceback is None:
            return
        yield traceback.tb_frame.f_code
        traceback = traceback.tb_next


def _module(name: str | None) -> str:
    if not isinstance(name, str):
        return ""
    top = name.partition(".")[0]
    sentence = _BY_MODULE.get(top)
    if sentence is not None:
        return "the module %s is absent: %s" % (top.lstrip("_"), sentence)
    if top in sys.stdlib_module_names:
        return ""
    return "there is no module %s: %s" % (name[:200], PACKAGES)


def _attribute(module: str | None, name: str | None) -> str:
    if not isinstance(module, str) or not isinstance(name, str):
        return ""
    public = {"posix": "os", "_socket": "socket", "_signal": "signal"}.get(module, module)
    sentence = _BY_ATTRIBUTE.get((public, name))
    return "%s.%s is absent: %s" % (public, name, sentence) if sentence else ""
