"""The client with a real server, beyond what test_contract covers."""

from __future__ import annotations

import datetime
import io
import logging
import tempfile
import threading
import unittest
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, List
from unittest import mock

from faaspot import (
    AlreadyExists,
    Conflict,
    DeployFailed,
    Faaspot,
    InvalidRequest,
    NotFound,
    Retry,
    RunFailed,
    TooLarge,
    Unauthenticated,
    WaitTimeout,
)

from . import realserver

ECHO = "def main(args, context):\n    return args\n"
SLEEPER = "import time\ndef main(args, context):\n    time.sleep(args.get('seconds', 600))\n    return 'slept'\n"


class WithServer(unittest.TestCase):
    f: Faaspot

    @classmethod
    def setUpClass(cls) -> None:
        cls.f = realserver.shared().client()
        cls.addClassCleanup(cls.f.close)

    def deploy(self, code: str, **options: Any) -> str:
        """Deploy a function under a unique name and delete it when the test ends. Return the name."""
        name = "f-" + uuid.uuid4().hex
        self.f.functions.create(name, io.StringIO(code), **options)
        self.addCleanup(self.f.functions.delete, name)
        return name

    def await_started(self, *ids: str) -> None:
        realserver.await_true(lambda: all(each["status"] == "Started" for each in self.f.executions.get_bulk(ids)))


class Functions(WithServer):
    def test_limits_of_a_function(self) -> None:
        name = self.deploy(ECHO, timeout=1.5, memory=256, retries=2)
        got = self.f.functions.get(name)
        self.assertEqual((got["timeout"], got["memory"], got["retries"]), (1.5, 256, 2))
        self.f.functions.update(name, timeout=2, memory=64, retries=0)
        got = self.f.functions.get(name)
        self.assertEqual((got["timeout"], got["memory"], got["retries"], got["version"]), (2, 64, 0, 2))
        self.assertEqual((got["code"], got["encoding"]), (ECHO, "plain"))
        with self.assertRaises(InvalidRequest):
            self.f.functions.update(name, memory=1)

    def test_allow_of_a_function(self) -> None:
        name = self.deploy(ECHO, allow=["API.example.com:443"])
        self.assertEqual(self.f.functions.get(name)["allow"], ["api.example.com:443"])
        self.f.functions.update(name, retries=1)
        self.assertEqual(self.f.functions.get(name)["allow"], ["api.example.com:443"])
        self.f.functions.update(name, allow=[])
        self.assertEqual(self.f.functions.get(name)["allow"], [])
        with self.assertRaises(InvalidRequest):
            self.f.functions.update(name, allow=["https://api.example.com"])

    def test_apply_creates_and_updates(self) -> None:
        name = "f-" + uuid.uuid4().hex
        self.addCleanup(self.f.functions.delete, name)
        self.f.functions.apply(name, io.StringIO(ECHO), io.StringIO("key = 1"), wait=True, timeout=1.5)
        self.f.functions.apply(name, io.StringIO("# two\n" + ECHO), wait=True)
        got = self.f.functions.get(name)
        self.assertEqual((got["version"], got["timeout"], got["context_keys"]), (2, 1.5, ["key"]))
        self.assertEqual(got["code"], "# two\n" + ECHO)

    def test_context_values_are_not_returned(self) -> None:
        name = "f-" + uuid.uuid4().hex
        self.f.functions.create(name, io.StringIO(ECHO), io.BytesIO(b"key = 'sesame'\n[t]\nx = 1"))
        self.addCleanup(self.f.functions.delete, name)
        got = self.f.functions.get(name)
        self.assertEqual(got["context_keys"], ["key", "t"])
        self.assertNotIn("sesame", repr(got))

    def test_code_is_deployed_unchanged(self) -> None:
        """Code that looks percent-encoded is not decoded."""
        for code in (
            "main=lambda args,context:'%41'\n",
            "def main(args, context):\r\n    return '%s %20 é \U0001f600' % 1\r\n",
            ECHO + "\n# no newline at the end",
        ):
            with self.subTest(code):
                name = self.deploy(code)
                self.assertEqual(self.f.functions.get(name)["code"], code)

    def test_values_are_returned_unchanged(self) -> None:
        name = self.deploy(ECHO)
        value: Dict[str, Any] = {
            "list": [1, -2.5, True, None, "", [], {}],
            "text": 'é\u2028\U0001f600\x00\n"\\',
            "": {"nested": {"deeply": [[[0]]]}},
            "big": 2**200,
        }
        self.assertEqual(self.f.functions.run(name, value, wait=True), value)
        self.assertEqual(self.f.executions.get(self.f.functions.run(name, value), wait=True)["output"], value)

    def test_large_values(self) -> None:
        name = self.deploy(ECHO, timeout=60)
        value = {"text": "x" * (5 << 20)}
        self.assertEqual(self.f.functions.run(name, value, wait=True), value)
        with self.assertRaises(TooLarge):
            self.f.functions.run(name, {"text": "x" * (16 << 20)}, wait=True)

    def test_code_that_cannot_be_deployed(self) -> None:
        name = self.deploy(ECHO)
        calls: List[Callable[[], object]] = [
            lambda: self.f.functions.create(name + "-2", io.StringIO("def main(args, context)\n    return 1\n")),
            lambda: self.f.functions.update(name, io.StringIO("x = 1\ny = 1 / 0\ndef main(args, context): pass\n")),
        ]
        for call in calls:
            with self.assertRaises(DeployFailed) as caught:
                call()
            self.assertIn(caught.exception.line, (1, 2))
            self.assertTrue(caught.exception.server_traceback)
        self.assertEqual(self.f.functions.get(name)["version"], 1)
        with self.assertRaises(NotFound):
            self.f.functions.get(name + "-2")
        with self.assertRaises(AlreadyExists):
            self.f.functions.create(name, io.StringIO(ECHO))

    def test_runs_that_fail(self) -> None:
        code = (
            "def main(args, context):\n"
            "    if args['how'] == 'loop':\n        while True: pass\n"
            "    if args['how'] == 'memory':\n        return len(bytearray(1 << 30))\n"
            "    if args['how'] == 'exit':\n        raise SystemExit(3)\n"
            "    if args['how'] == 'set':\n        return {1}\n"
            "    raise ValueError('not today')\n"
        )
        name = self.deploy(code, timeout=0.3)
        for how, word, status in [
            ("loop", "timeout", 504),
            ("memory", "memory", 500),
            ("exit", "exited", 500),
            ("set", "result_invalid", 500),
            ("raise", "function_error", 500),
        ]:
            with self.subTest(how):
                with self.assertRaises(RunFailed) as caught:
                    self.f.functions.run(name, {"how": how}, wait=True)
                self.assertEqual((caught.exception.error_code, caught.exception.status_code), (word, status))
                execution_id = caught.exception.execution_id
                self.assertIsNotNone(execution_id)
                execution = self.f.executions.get(str(execution_id))
                self.assertEqual(execution["status"], "Failed")
                assert execution["error"] is not None
                self.assertEqual(execution["error"]["error_code"], word)

    def test_idempotency_keys(self) -> None:
        name = self.deploy(ECHO)
        key = uuid.uuid4().hex
        first = self.f.functions.run(name, {"n": 1}, idempotency_key=key)
        self.assertEqual(self.f.functions.run(name, {"n": 1}, idempotency_key=key), first)
        with self.assertRaises(Conflict):
            self.f.functions.run(name, {"n": 2}, idempotency_key=key)
        bulk = self.f.functions.run_bulk(name, [{"n": 1}, {"n": 2}], idempotency_key=key + "b")
        self.assertEqual(self.f.functions.run_bulk(name, [{"n": 1}, {"n": 2}], idempotency_key=key + "b"), bulk)
        for _ in range(2):
            self.assertEqual(self.f.functions.run(name, {"n": 3}, wait=True, idempotency_key=key + "w"), {"n": 3})
        runs = [each for each in self.f.executions.list(True, function=name) if each["kind"] == "run"]
        self.assertEqual(len(runs), 4)

    def test_retries(self) -> None:
        name = self.deploy("def main(args, context):\n    raise ValueError('not today')\n")
        execution = self.f.executions.get(self.f.functions.run(name, retries=1), wait=True)
        self.assertEqual((execution["status"], execution["attempts"], execution["retries"]), ("Failed", 2, 1))

    def test_a_bulk_is_accepted_completely_or_not_at_all(self) -> None:
        name = self.deploy(ECHO)
        bulks: List[List[Dict[str, Any]]] = [[], [{"n": 1}] * 10_001]
        for wrong in bulks:
            with self.assertRaises((InvalidRequest, TooLarge)):
                self.f.functions.run_bulk(name, wrong)
        self.assertEqual([each["kind"] for each in self.f.executions.list(True, function=name)], ["create"])

    def test_a_wrong_token(self) -> None:
        with realserver.shared().client(token="wrong") as f, self.assertRaises(Unauthenticated) as caught:
            f.functions.list()
        self.assertEqual(caught.exception.status_code, 401)

    def test_many_threads(self) -> None:
        name = self.deploy(ECHO)
        failures: List[Any] = []

        def work(number: int) -> None:
            try:
                for each in range(25):
                    value = {"thread": number, "round": each}
                    if self.f.functions.run(name, value, wait=True) != value:
                        failures.append(value)
                ids = self.f.functions.run_bulk(name, [{"thread": number, "n": n} for n in range(20)])
                got = [each["output"] for each in self.f.executions.get(ids, wait=True)]
                if got != [{"thread": number, "n": n} for n in range(20)]:
                    failures.append(got)
            except BaseException as err:
                failures.append(err)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


class Executions(WithServer):
    def test_pages(self) -> None:
        name = self.deploy(ECHO)
        ids = self.f.functions.run_bulk(name, [{"n": n} for n in range(2100)])
        self.f.executions.get(ids, wait=True)
        listed = [each["uuid"] for each in self.f.executions.list(True, function=name, status="Success")]
        self.assertEqual([each for each in listed if each in set(ids)], ids[::-1])
        self.assertEqual(len(self.f.executions.list(True, function=name, limit=1001)), 1001)
        self.assertEqual(len(self.f.executions.list(True, function=name, limit=3)), 3)
        few = self.f.executions.iterate(True, function=name)
        self.assertEqual([next(few)["uuid"], next(few)["uuid"]], ids[:-3:-1])
        self.assertEqual([each["output"]["n"] for each in self.f.executions.get_bulk(ids)], list(range(2100)))

    def test_filters(self) -> None:
        name = self.deploy("def main(args, context):\n    return 1 / args['n']\n")
        before = datetime.datetime.now(datetime.timezone.utc)
        good = self.f.executions.get(self.f.functions.run(name, {"n": 1}), wait=True)
        bad = self.f.executions.get(self.f.functions.run(name, {"n": 0}), wait=True)

        def ids(**filters: Any) -> List[str]:
            return [each["uuid"] for each in self.f.executions.list(function=name, **filters) if each["kind"] == "run"]

        self.assertEqual(ids(status="Failed"), [bad["uuid"]])
        self.assertEqual(ids(status=["success", "FAILED"]), [bad["uuid"], good["uuid"]])
        self.assertEqual(ids(), [])
        self.assertEqual(ids(include_completed=True, created_after=before), [bad["uuid"], good["uuid"]])
        self.assertEqual(ids(include_completed=True, created_before=before), [])
        self.assertEqual(ids(include_completed=True, created_after=bad["created"]), [bad["uuid"]])
        zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
        self.assertEqual(ids(include_completed=True, created_before=before.astimezone(zone)), [])
        with self.assertRaisesRegex(ValueError, "time zone"):
            ids(created_after=datetime.datetime.now())
        with self.assertRaises(InvalidRequest):
            ids(status="Done")

        self.assertEqual(ids(include_completed=True, where="reason = error"), [bad["uuid"]])
        self.assertEqual(ids(include_completed=True, where="status = succeeded and duration <= 1h"), [good["uuid"]])
        self.assertEqual(ids(include_completed=True, where='user = "no & nobody"'), [])
        self.assertEqual(ids(status="Failed", where="not reason = error"), [])
        one = self.f.executions.iterate(True, function=name, where="version = 1", limit=1)
        self.assertEqual([each["uuid"] for each in one], [bad["uuid"]])
        with self.assertRaisesRegex(InvalidRequest, "is not an operator"):
            ids(where="duration >> 1")

    def test_unknown_ids(self) -> None:
        absent = "019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4"
        name = self.deploy(ECHO)
        there = self.f.functions.run(name)
        found = self.f.executions.get_bulk([absent, there, absent])
        self.assertEqual([each["uuid"] for each in found], [absent, there, absent])
        self.assertEqual([each["status"] for each in found][::2], ["NotFound", "NotFound"])
        calls: List[Callable[[str], object]] = [self.f.executions.get, self.f.executions.cancel, self.f.executions.logs]
        for call in calls:
            with self.assertRaises(NotFound):
                call(absent)
        with self.assertRaises(NotFound):
            self.f.executions.get(absent, wait=True)
        with self.assertRaises(NotFound):
            next(self.f.executions.follow_logs(absent))

    def test_waiting(self) -> None:
        name = self.deploy(SLEEPER)
        running = self.f.functions.run(name)
        try:
            with self.assertRaises(WaitTimeout) as caught:
                self.f.executions.get(running, wait=True, wait_timeout=0.05)
            self.assertEqual((caught.exception.execution or {}).get("uuid"), running)
            with self.assertRaises(WaitTimeout):
                self.f.executions.get([running], wait=True, wait_timeout=0.05)
        finally:
            self.f.executions.cancel(running)

    def test_cancelling(self) -> None:
        name = self.deploy(SLEEPER)
        running = self.f.functions.run(name)
        self.await_started(running)
        got = self.f.executions.cancel(running)
        self.assertEqual((got["status"], got["changed"], got["uuid"]), ("Cancelled", True, running))
        self.assertTrue(got["message"])
        got = self.f.executions.cancel(running)
        self.assertEqual((got["status"], got["changed"]), ("Cancelled", False))
        self.assertEqual(self.f.executions.get(running, wait=True)["status"], "Cancelled")

    def test_waiting_ends_when_the_execution_is_cancelled(self) -> None:
        name = self.deploy(SLEEPER)
        running = self.f.functions.run(name)
        self.await_started(running)
        results: List[Any] = []
        waiter = threading.Thread(target=lambda: results.append(self.f.executions.get(running, wait=True)["status"]))
        waiter.start()
        self.f.executions.cancel(running)
        waiter.join(realserver.PATIENCE)
        self.assertEqual(results, ["Cancelled"])

    def test_logs(self) -> None:
        name = self.deploy(
            "import sys\ndef main(args, context):\n    print('öut')\n    print('err', file=sys.stderr)\n    print('more')\n"
        )
        done = self.f.functions.run(name)
        self.f.executions.get(done, wait=True)
        logs = self.f.executions.logs(done)
        self.assertEqual(
            logs["entries"],
            [
                {"stream": "stdout", "text": "öut\n"},
                {"stream": "stderr", "text": "err\n"},
                {"stream": "stdout", "text": "more\n"},
            ],
        )
        self.assertEqual((logs["status"], logs["attempt"], logs["truncated"]), ("Success", 1, False))
        self.assertEqual(
            self.f.executions.logs(done, stream="stderr")["entries"], [{"stream": "stderr", "text": "err\n"}]
        )
        with self.assertRaises(InvalidRequest):
            self.f.executions.logs(done, stream="stdin")
        followed = "".join(each["text"] for each in self.f.executions.follow_logs(done))
        self.assertEqual(followed, "öut\nerr\nmore\n")

    def test_log_times(self) -> None:
        name = self.deploy(
            "import time\ndef main(args, context):\n    print('a')\n    time.sleep(0.02)\n    print('b')\n"
        )
        before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(milliseconds=1)
        done = self.f.functions.run(name)
        entries = list(self.f.executions.follow_logs(done, times=True))
        after = datetime.datetime.now(datetime.timezone.utc)
        self.assertEqual([each["text"] for each in entries], ["a\n", "b\n"])
        first, second = [datetime.datetime.fromisoformat(each["time"]) for each in entries]
        self.assertTrue(before <= first <= second - datetime.timedelta(milliseconds=20) <= after, entries)
        stored = self.f.executions.logs(done, stream="stdout", times=True)["entries"]
        self.assertEqual([each["time"] for each in stored], [each["time"] for each in entries])
        self.assertEqual(self.f.executions.logs(done)["entries"], [{"stream": "stdout", "text": "a\nb\n"}])

    def test_logs_are_received_during_the_run(self) -> None:
        """The run ends only after the client has received its first output."""
        name = self.deploy(
            "import time\ndef main(args, context):\n    print('begun', flush=True)\n    time.sleep(600)\n"
        )
        running = self.f.functions.run(name)
        entries = self.f.executions.follow_logs(running, stream="stdout")
        self.assertEqual(next(entries), {"stream": "stdout", "text": "begun\n", "restarted": False})
        self.f.executions.cancel(running)
        self.assertEqual(list(entries), [])


class Restarts(unittest.TestCase):
    """A server that is killed and started again."""

    def setUp(self) -> None:
        realserver.shared()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.server = realserver.RealServer(Path(folder.name) / "home")
        self.server.start()
        self.addCleanup(self.server.kill)
        self.f = self.server.client(retry=Retry())
        self.addCleanup(self.f.close)

    def test_waiting_survives_a_restart(self) -> None:
        """A run that was accepted ends, and the waiting client receives its result."""
        self.f.functions.create("slow", io.StringIO(SLEEPER))
        running = self.f.functions.run("slow", {"seconds": 1})
        realserver.await_true(lambda: self.f.executions.get(running)["status"] == "Started")
        results: List[Any] = []
        waiter = threading.Thread(target=lambda: results.append(self.f.executions.get(running, wait=True)))
        with mock.patch("faaspot.polling.LONG_POLL", 0.1), _Logged("?wait=0.100: 200") as answered:
            waiter.start()
            self.assertTrue(answered.wait(realserver.PATIENCE))
            self.server.kill()
            self.server.start()
            waiter.join(realserver.PATIENCE)
        self.assertEqual(
            [(each["status"], each["output"], each["attempts"]) for each in results], [("Success", "slept", 2)]
        )

    def test_following_survives_a_restart(self) -> None:
        self.f.functions.create(
            "talker",
            io.StringIO(
                "import time\ndef main(args, context):\n    print('a', flush=True)\n    time.sleep(1)\n    print('b')\n"
            ),
        )
        entries = self.f.executions.follow_logs(self.f.functions.run("talker"))
        self.assertEqual(next(entries), {"stream": "stdout", "text": "a\n", "restarted": False})
        self.server.kill()
        self.server.start()
        again = list(entries)
        self.assertEqual("".join(each["text"] for each in again), "a\nb\n")
        self.assertEqual([each["restarted"] for each in again], [True] + [False] * (len(again) - 1))

    def test_idle_connections_are_replaced_after_a_restart(self) -> None:
        self.f.functions.create("echo", io.StringIO(ECHO))
        self.server.stop()
        self.server.start()
        self.assertEqual(self.f.functions.run("echo", {"n": 1}, wait=True), {"n": 1})


class _Logged(logging.Handler):
    """Sets an event when the client logs a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.seen = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self.text in record.getMessage():
            self.seen.set()

    def __enter__(self) -> threading.Event:
        log = logging.getLogger("faaspot")
        log.addHandler(self)
        log.setLevel(logging.DEBUG)
        return self.seen

    def __exit__(self, *exception: object) -> None:
        log = logging.getLogger("faaspot")
        log.removeHandler(self)
        log.setLevel(logging.NOTSET)
