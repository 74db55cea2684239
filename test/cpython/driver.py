"""Runs unit tests of CPython: the function that the tests of this package deploy.

args:
    files   base64 of a zip with the package `test`
    module  name of the module below `test`
    start   index of the first test to run
    only    ids of the tests to run, empty for all
    budget  seconds after which no further test is started

The result is {"total": number of tests, "next": index of the next test to run, "tests": [...]} or
{"skipped": reason} or {"failed": traceback} of the module itself. A test is [index, id, outcome,
reason, details]; an id is without the name of the module, and an outcome is passed, failed, error
or skipped.

A test can end the whole run. Progress therefore also goes to stderr, one line for the start and one
for the end of each test; MARK begins them.

As a program, it reads args from stdin and prints the result: that is how the tests run in a native
Python.
"""

import base64
import importlib
import io
import json
import os
import re
import sys
import time
import traceback
import types
import unittest
import zipfile

MARK = "\x1etest "
MAX_REASON = 300
MAX_DETAILS = 4000


def report(fields):
    os.write(2, (MARK + json.dumps(fields) + "\n").encode())


def unpack(files, root):
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(files))) as archive:
        archive.extractall(root)


class Absent(types.ModuleType):
    """A C module that exists only for CPython's tests. What it has skips the test that uses it."""

    class Attribute:
        def __init__(self, name):
            self.name = name

        def __call__(self, *args, **kwargs):
            raise unittest.SkipTest(f"No module named {self.name!r}")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("get_recursion_depth", "get_optimizer"):
            raise ImportError(name)  # test.support has a substitute
        if name in ("suppress_immortalization", "get_immortalize_deferred"):
            return lambda *args: False
        return self.Attribute(self.__name__)


def load(module):
    """Imports a module. If it cannot be imported without a C module for tests, it gets an absent
    one, so that only the tests that use the C module are skipped."""
    while True:
        try:
            return importlib.import_module("test." + module)
        except (ImportError, unittest.SkipTest) as err:
            missing = re.search(r"No module named '(_test\w+|_xx\w+)'", str(err))
            if missing is None or missing[1] in sys.modules:
                raise
            sys.modules[missing[1]] = Absent(missing[1])


def tests_of(module):
    """Returns all tests of a module in order, or raises what its import raises."""
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromModule(load(module))
    tests = []
    stack = [suite]
    while stack:
        item = stack.pop()
        if isinstance(item, unittest.TestSuite):
            stack.extend(reversed(list(item)))
        else:
            tests.append(item)
    return tests


def id_of(test, module):
    return test.id().removeprefix("test.").removeprefix(module + ".")


def last_line(error):
    """Returns the exception itself, as the last lines of its traceback render it."""
    kind, value, _ = error
    try:
        text = str(value)
    except Exception:
        text = "(no text)"
    text = f"{kind.__name__}: {text}" if text else kind.__name__
    return text[:MAX_REASON]


class Result(unittest.TestResult):
    def __init__(self, module, ids, start, end):
        super().__init__()
        self.module = module
        self.ids = ids
        self.index = start - 1
        self.end = end
        self.open = False
        self.outcome = None
        self.rows = []
        self.holders = []  # failures of setUpClass, setUpModule and the like

    def startTest(self, test):
        super().startTest(test)
        identity = id_of(test, self.module)
        self.index = self.ids.index(identity, self.index + 1)
        self.open = True
        self.outcome = None
        report(["start", self.index, identity])

    def stopTest(self, test):
        super().stopTest(test)
        self.open = False
        outcome, reason, details = self.outcome or ("passed", "", "")
        self.rows.append([self.index, self.ids[self.index], outcome, reason, details])
        report(["end", self.index, self.ids[self.index], outcome, reason])
        if time.monotonic() > self.end:
            self.stop()

    def set(self, test, outcome, reason="", details=""):
        if not self.open:
            self.holders.append((test.id(), outcome, reason, details))
        elif self.outcome is None or self.outcome[0] in ("passed", "skipped"):
            self.outcome = (outcome, reason, details)

    def fail(self, test, outcome, error):
        details = "".join(traceback.format_exception(*error))
        self.set(test, outcome, last_line(error), details[-MAX_DETAILS:])

    def addError(self, test, error):
        self.fail(test, "error", error)

    def addFailure(self, test, error):
        self.fail(test, "failed", error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.fail(test, "failed" if issubclass(error[0], test.failureException) else "error", error)

    def addSkip(self, test, reason):
        if self.open and hasattr(test, "test_case"):  # one subtest of several
            return
        self.set(test, "skipped", str(reason)[:MAX_REASON])

    def addUnexpectedSuccess(self, test):
        self.set(test, "failed", "unexpected success")

    def settle(self, classes, start, until):
        """Adds the tests that never started because their class or module failed to set up."""
        done = {row[0] for row in self.rows}
        for index in range(start, until):
            if index in done:
                continue
            module, cls = classes[index]
            names = (f"({module}.{cls})", f"({module})")
            for holder, outcome, reason, details in self.holders:
                if holder.endswith(names):
                    break
            else:
                outcome, reason, details = "error", "the test was not started", ""
            self.rows.append([index, self.ids[index], outcome, reason, details])
        for holder, outcome, reason, details in self.holders:
            if holder.startswith("tearDown"):
                name, _, where = holder.rstrip(")").partition(" (")
                where = where.removeprefix("test.").removeprefix(self.module).removeprefix(".")
                self.rows.append([-1, f"{where}.{name}".removeprefix("."), outcome, reason, details])
        self.rows.sort(key=lambda row: row[0])


def main(args, context):
    began = time.monotonic()
    root = args.get("root", "/tmp/cpython")
    unpack(args["files"], root)
    sys.path.insert(0, root)
    work = os.path.join(root, "work")
    os.makedirs(work, exist_ok=True)
    os.chdir(work)
    # What tests print must not displace the progress from the log.
    sys.stdout = io.TextIOWrapper(open(os.path.join(root, "stdout"), "wb"), encoding="utf-8", errors="backslashreplace")
    sys.stderr = io.TextIOWrapper(open(os.path.join(root, "stderr"), "wb"), encoding="utf-8", errors="backslashreplace")

    from test import support

    support.use_resources = {}  # as `python -m test` without -u
    # CPython skips what does not work on WASI. The guest behaves like CPython on Linux, so a test
    # that does not pass fails.
    support.is_wasi = False
    support.has_socket_support = True
    support.has_no_debug_ranges = lambda: False  # it asks a C module for tests
    if os.path.exists(os.path.join(root, "test", "test_tools")):
        # Its import is refused without processes, which its users do not need.
        subprocesses, support.has_subprocess_support = support.has_subprocess_support, True
        importlib.import_module("test.test_tools")
        support.has_subprocess_support = subprocesses
    try:
        tests = tests_of(args["module"])
    except unittest.SkipTest as skip:
        return {"skipped": str(skip)[:MAX_REASON]}
    except BaseException:
        return {"failed": last_line(sys.exc_info()), "details": traceback.format_exc()[-MAX_DETAILS:]}
    only = set(args.get("only") or ())
    if only:
        tests = [test for test in tests if id_of(test, args["module"]) in only]
    total = len(tests)
    start = args.get("start", 0)
    until = total
    ids = [id_of(test, args["module"]) for test in tests]
    classes = [(type(test).__module__, type(test).__qualname__) for test in tests]
    suite = unittest.TestSuite(tests[start:])
    del tests  # the suite drops each test when it is done
    report(["total", total])
    result = Result(args["module"], ids, start, began + args.get("budget", 1e9))
    suite.run(result)
    if result.shouldStop:
        until = result.index + 1
    result.settle(classes, start, until)
    return {"total": total, "next": until, "tests": result.rows}


if __name__ == "__main__":
    out = sys.stdout
    answer = main(json.load(sys.stdin), {})
    json.dump(answer, out)
    out.flush()
    os._exit(0)
