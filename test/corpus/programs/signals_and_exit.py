"""Registers handlers and exit functions, and uses system exit inside the program."""
import atexit
import contextlib
import faulthandler
import io
import signal
import sys


def attempt(function, *args):
    try:
        return repr(function(*args))
    except BaseException as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    previous = attempt(lambda: signal.signal(signal.SIGINT, lambda *a: None))
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(stderr):
        print("out", 1, None, sep="-", end="!\n", flush=True)
        print("err", file=sys.stderr)
        help_text = attempt(lambda: sys.displayhook({"a": 1}))
    return {
        "signals": [previous[:20], signal.SIGTERM.value, signal.Signals(15).name, attempt(lambda: signal.strsignal(9)), attempt(lambda: signal.getsignal(signal.SIGTERM)), attempt(lambda: len(signal.valid_signals()) > 20), attempt(lambda: signal.alarm(0)), attempt(lambda: signal.setitimer(signal.ITIMER_REAL, 0))], "raised": attempt(lambda: signal.raise_signal(signal.SIGINT)), "exit": [attempt(sys.exit, c) for c in (None, 0, 3, "text", (1, 2))] + [attempt(lambda: exit()) if "exit" in dir(__builtins__) else "SystemExit: None"], "atexit": [atexit.register(len, "x") is len, atexit.unregister(len)],
        "fault": [faulthandler.is_enabled()], "written": stderr.getvalue(), "hook": help_text, "interrupt": attempt(lambda: (_ for _ in ()).throw(KeyboardInterrupt())), "hooks": [sys.excepthook is sys.__excepthook__, attempt(lambda: sys.settrace(None)), attempt(lambda: sys.gettrace()), sys.intern("x") == "x", attempt(lambda: sys._getframe(0).f_code.co_name), attempt(lambda: sys.audit("x.y", 1)), attempt(lambda: sys.call_tracing(len, ("ab",))), attempt(lambda: sys.setswitchinterval(0.01)), attempt(lambda: sys.set_int_max_str_digits(100)), attempt(lambda: sys.set_int_max_str_digits(640))],
    }
