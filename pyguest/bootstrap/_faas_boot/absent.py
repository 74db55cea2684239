"""What functions do not have, and the sentence that says so.

Each sentence says why a thing is absent and what to do instead. These are the only places
that word it: HTTP, the command line and the clients pass on the message of a failure.

Most absent things are absent attributes or modules, because programs look for them with
hasattr and try, and then do without. Where CPython on Linux would have succeeded, the exception
itself has the sentence after its usual message, so that a program that catches and prints it
says why: patches of CPython (pyguest/build/patches) call `attribute` and `after_no_module`, and
raise with the sentences. Where CPython fails in the same way, as for a file that does not
exist, the exception stays as it is, and `explain` finds the sentence for the end of a run.
"""

from __future__ import annotations

import errno
import sys
import types
from collections.abc import Iterator

from _faas_boot import native

MAX_FRAMES = 1000  # of an exception that are looked at

THREADS = (
    "a function runs on one thread and cannot start others: call the work directly, submit it to a"
    " ThreadPoolExecutor, which runs it at once, or start a run for each part"
)
PROCESSES = (
    "a function runs as one process and cannot start others: do the work in Python, or start a run for each part"
)
SIGNALS = "a function receives no signals: the time limit of the function ends a run that takes too long"
ENDLESS_WAIT = (
    "this wait would never end: a function runs on one thread, and no other releases, sets or puts what it waits"
    " for: do that before the wait, or wait with a timeout"
)
NETWORK = (
    "a function has no network unless its setting allow lists what it may reach: list the host there, or send the"
    " data in the args, or fetch it where the function is called and use the result there"
)
NETWORK_LATER = (
    "code outside of main runs once, when the function is deployed, and has no network: connect in main, where"
    " clients that were made outside of it connect as well"
)
SERVERS = (
    "a function connects to others and receives no connections: let callers run the function, or fetch the data in"
    " main"
)  # in lower case, since asyncio writes it so
ANCILLARY = (
    "ancillary data carries descriptors and credentials between processes, and a function is a single one: send the"
    " data in the message itself"
)
FAMILIES = "the sockets of a function are those of IPv4 and IPv6: connect to an address with a port"
PACKAGES = (
    "a function is one file and has Python's standard library, without third-party packages: deploy a folder with"
    " a requirements.txt, put the code that it needs into the file, or use a module of the standard library"
)
FILES = (
    "a function is one file, and no others are beside it: deploy a folder with the files, put the data that it"
    " needs into the file, or send it in the args or the context"
)
ENVIRONMENT = (
    "code outside of main runs once, when the function is deployed, and sees the variables HOME, LANG, TMPDIR"
    " and USER only: read settings from context, and the variables of a job from os.environ in main"
)
NO_VARIABLE = (
    "a run has the variables HOME, LANG, TMPDIR and USER, and those of its job: read settings from context"
)
WRITABLE = "a function writes files in /tmp only: use a path there, such as os.path.join(tempfile.gettempdir(), name)"
NATIVE = (
    "a function runs in WebAssembly, where machine code and mapped memory do not exist: use Python code and files"
    " in /tmp"
)
TERMINAL = "a function has no terminal and no screen: take the input from args and return the output"
CALLS = (
    "a function runs in WebAssembly, whose system interface has no such call: use open, read, write and seek, or do"
    " without it"
)
SYSTEM = "a function runs in a sandbox without users, locks and limits of a Unix system: do without it"
LIMITS = "the limits of a run are those of its function: change them with fas functions update"
# Of a function with a bundle.
BUNDLE_PACKAGES = (
    "a bundle has Python's standard library and what is in it: add the package to requirements.txt, or put the"
    " module into the folder, and deploy the folder again"
)
BUNDLE_FILES = (
    "a bundle has the files that were in its folder, below /function, where relative paths begin: put the file into"
    " the folder, and deploy it again"
)
BUNDLE_RELATIVE = "main.py is in no package: import modules beside it by their names, without a dot"

has_bundle = False  # the program is a bundle

NO_MAIN = "the code defines no function main(args, context)"
# What other services call the function that they run.
OTHER_NAMES = ("handler", "lambda_handler", "handle", "app", "run", "hello_world", "Main")

_SENTENCES = (
    THREADS, PROCESSES, SIGNALS, ENDLESS_WAIT, NETWORK, NETWORK_LATER, SERVERS, ANCILLARY, FAMILIES, PACKAGES, FILES, ENVIRONMENT, NO_VARIABLE, WRITABLE, NATIVE,
    TERMINAL, CALLS, SYSTEM, LIMITS, BUNDLE_PACKAGES, BUNDLE_FILES, BUNDLE_RELATIVE, native.NATIVE,
)  # fmt: skip

_BY_MODULE = {
    "_multiprocessing": PROCESSES,
    "_posixsubprocess": PROCESSES,
    "_posixshmem": PROCESSES,
    "_ctypes": NATIVE,
    "curses": TERMINAL,
    "_curses": TERMINAL,
    "idlelib": TERMINAL,
    "readline": TERMINAL,
    "tkinter": TERMINAL,
    "_tkinter": TERMINAL,
    "turtle": TERMINAL,
    "turtledemo": TERMINAL,
    "_pyrepl": TERMINAL,
    "ensurepip": PACKAGES,
    "venv": PACKAGES,
    "_dbm": SYSTEM,
    "_gdbm": SYSTEM,
}

# Modules that Linux has as a part of a package, whose absent C module has another sentence.
_BY_SUBMODULE = {"multiprocessing.shared_memory": PROCESSES}

# Modules that Python itself no longer has: the release that removed them, and what to do.
_REMOVED = {
    "asynchat": ("3.12", "use asyncio"),
    "asyncore": ("3.12", "use asyncio"),
    "distutils": ("3.12", "use sysconfig or shutil"),
    "imp": ("3.12", "use importlib"),
    "smtpd": ("3.12", SERVERS),
    "aifc": ("3.13", "use wave, which reads and writes WAV files"),
    "audioop": ("3.13", "use array and struct"),
    "cgi": ("3.13", "use urllib.parse.parse_qs for queries and email.message for forms"),
    "cgitb": ("3.13", "use traceback"),
    "chunk": ("3.13", "use struct"),
    "crypt": ("3.13", "use hashlib.scrypt or hashlib.pbkdf2_hmac"),
    "imghdr": ("3.13", "compare the first bytes of the file"),
    "lib2to3": ("3.13", "use ast"),
    "mailcap": ("3.13", "use mimetypes"),
    "msilib": ("3.13", "use zipfile or tarfile"),
    "nis": ("3.13", FAMILIES),
    "nntplib": ("3.13", "use socket"),
    "ossaudiodev": ("3.13", "use wave, which reads and writes WAV files"),
    "pipes": ("3.13", "use shlex.quote"),
    "sndhdr": ("3.13", "use wave, which reads and writes WAV files"),
    "spwd": ("3.13", "send passwords in the context"),
    "sunau": ("3.13", "use wave, which reads and writes WAV files"),
    "telnetlib": ("3.13", "use socket"),
    "uu": ("3.13", "use base64 or binascii.b2a_uu"),
    "xdrlib": ("3.13", "use struct"),
}

# The attributes of Linux that the modules here lack.
_ABSENT = {
    "os": {
        PROCESSES: "execv execve fork forkpty kill killpg login_tty openpty pidfd_open pipe pipe2 popen posix_spawn"
        " posix_spawnp register_at_fork setsid spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe"
        " system wait wait3 wait4 waitid waitpid waitstatus_to_exitcode P_NOWAIT P_WAIT WCONTINUED WEXITSTATUS WIFEXITED"
        " WIFSIGNALED WIFSTOPPED WNOHANG WSTOPSIG WTERMSIG WUNTRACED",
        CALLS: "copy_file_range eventfd fchdir fwalk memfd_create posix_fallocate posix_openpt preadv pwritev readv"
        " sendfile splice timerfd_create writev O_DIRECT O_TMPFILE SEEK_DATA SEEK_HOLE",
        SYSTEM: "chroot getgrouplist getpriority getresgid getresuid getxattr initgroups listxattr lockf mkfifo mknod nice"
        " removexattr sched_setaffinity setegid seteuid setgroups setregid setresgid setresuid setreuid setgid setpgid setpriority setuid setxattr unshare",
        TERMINAL: "tcgetpgrp tcsetpgrp ttyname",
    },
    "signal": {
        SIGNALS: "alarm getitimer pause pthread_kill pthread_sigmask setitimer siginterrupt sigpending sigtimedwait"
        " sigwait sigwaitinfo valid_signals ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF SIGALRM SIGPROF SIGVTALRM"
    },
    "select": {CALLS: "epoll kqueue devpoll"},
    "socket": {FAMILIES: "AF_UNIX AF_PACKET AF_NETLINK", SYSTEM: "sethostname if_nameindex send_fds recv_fds"},
    "asyncio": {FAMILIES: "open_unix_connection start_unix_server"},
    "subprocess": {PROCESSES: "_fork_exec"},
    "ctypes": {NATIVE: "pythonapi"},
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


def is_said_in(message: str) -> bool:
    """Return whether a message has one of the sentences, and so says what to do."""
    return any(sentence in message for sentence in _SENTENCES)


def _explain(error: BaseException) -> str:
    kind = type(error)
    if has_bundle and (issubclass(kind, ImportError) or native.is_refusal(error)):
        text = native.explain(error)
        if text:
            return text
    if issubclass(kind, ModuleNotFoundError):
        return _module(error)
    if issubclass(kind, ImportError):
        if str(error).startswith("attempted relative import"):
            if has_bundle and "no known parent" not in str(error):
                return ""
            return "a relative import finds nothing: " + (BUNDLE_RELATIVE if has_bundle else PACKAGES)
        return _named(error.name_from, error.name)
    if issubclass(kind, AttributeError):
        return _named(error.name, error.obj.__name__) if type(error.obj) is types.ModuleType else ""
    if issubclass(kind, NotImplementedError):
        text = str(error)
        if text == SIGNALS:
            return "signals are absent: " + text
        return "tracemalloc is absent: " + text if text.startswith("the objects of a function are not traced") else ""
    if kind.__name__ == "OperationalError" and str(error) == "unable to open database file":
        return "the database file cannot be opened: " + WRITABLE
    if kind is EOFError:
        return "input has nothing to read: " + TERMINAL if str(error) == "EOF when reading a line" else ""
    if kind.__module__ == "bdb" and kind.__name__ == "BdbQuit":
        return "the debugger has nothing to read: " + TERMINAL
    if issubclass(kind, FileNotFoundError):
        path = error.filename
        if isinstance(path, str) and (path.startswith("/function/") or path and not path.startswith("/")):
            return "%s does not exist: %s" % (path[:300], BUNDLE_FILES if has_bundle else FILES)
    elif issubclass(kind, OSError):
        if error.errno == errno.ENOTSUP and str(error.strerror).startswith("processes are absent: "):
            return error.strerror
        if error.errno == errno.EROFS:
            return "%s cannot be written: %s" % (str(error.filename)[:300], WRITABLE)
    elif issubclass(kind, KeyError):
        codes = list(_codes(error))
        if codes and codes[-1].co_qualname == "_Environ.__getitem__":
            return "the environment has no variable %r: %s" % (error.args[0], ENVIRONMENT if _is_deployment(codes) else NO_VARIABLE)
    return ""


def _is_deployment(codes: list[types.CodeType]) -> bool:
    """Return whether an exception that has left code was raised while the function was deployed."""
    return codes[0].co_name == "deploy" and codes[0].co_filename.endswith("/_faas_boot/__init__.py")


def _codes(error: BaseException) -> Iterator[types.CodeType]:
    """Yield the code of each frame that an exception has left, the outermost first."""
    traceback = error.__traceback__
    for _ in range(MAX_FRAMES):
        if traceback is None:
            return
        yield traceback.tb_frame.f_code
        traceback = traceback.tb_next


def _module(error: ModuleNotFoundError) -> str:
    name = error.name
    if not isinstance(name, str):
        return ""
    top = name.partition(".")[0]
    sentence = _BY_MODULE.get(top)
    if sentence is not None:
        for module, other in _BY_SUBMODULE.items():
            file = "/%s.py" % module.replace(".", "/")
            if any(code.co_name == "<module>" and code.co_filename.endswith(file) for code in _codes(error)):
                return "the module %s is absent: %s" % (module, other)
        if sentence is PACKAGES and has_bundle:
            sentence = BUNDLE_PACKAGES
        return "the module %s is absent: %s" % (top.lstrip("_"), sentence)
    if top in _REMOVED:
        return "Python %s has removed the module %s: %s" % (_REMOVED[top][0], top, _REMOVED[top][1])
    if top in sys.stdlib_module_names:
        return ""
    return "there is no module %s: %s" % (name[:200], BUNDLE_PACKAGES if has_bundle else PACKAGES)


def _named(name: object, module: object) -> str:
    sentence = attribute(module, name)
    return "%s.%s is absent: %s" % (_PUBLIC.get(module, module), name, sentence) if sentence else ""


_PUBLIC = {"posix": "os", "_socket": "socket", "_signal": "signal"}


def attribute(module: object, name: object) -> str:
    """Return why functions lack an attribute of a module that it has on Linux; empty for any other."""
    if not isinstance(module, str) or not isinstance(name, str):
        return ""
    return _BY_ATTRIBUTE.get((_PUBLIC.get(module, module), name), "")


def after_no_module(name: str) -> str:
    """Return why functions lack a module that Linux has, after a colon; empty for any other."""
    sentence = _BY_MODULE.get(name.partition(".")[0])
    return ": " + sentence if sentence else ""
