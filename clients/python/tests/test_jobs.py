"""Jobs, dead letters and searches with a real server."""

from __future__ import annotations

import datetime
import io
import unittest
import uuid
from typing import Any, Callable, Dict, List

from faaspot import AlreadyExists, Conflict, Faaspot, InvalidRequest, NotFound, TooLarge, WaitTimeout

from . import realserver
from .fakeserver import Answer, FakeServer
from .faketime import Client

CODE = """\
import time
def main(args, context):
    time.sleep(args.get("seconds", 0))
    if args.get("fail"):
        raise ValueError("not today")
    return args
"""


class WithServer(unittest.TestCase):
    f: Faaspot

    @classmethod
    def setUpClass(cls) -> None:
        cls.f = realserver.shared().client()
        cls.addClassCleanup(cls.f.close)

    def function(self) -> str:
        """Deploy a function under a unique name and delete it when the test ends. Return the name."""
        name = "f-" + uuid.uuid4().hex
        self.f.functions.create(name, io.StringIO(CODE))
        self.addCleanup(self.f.functions.delete, name)
        return name

    def job(self, **options: Any) -> str:
        """Create a job under a unique name and delete it when the test ends. Return the name."""
        name = "j-" + uuid.uuid4().hex
        self.f.jobs.create(name, self.function(), **options)
        self.addCleanup(self.f.jobs.delete, name)
        return name


class Jobs(WithServer):
    def test_create_get_replace_delete(self) -> None:
        f, name, function = self.f, "j-" + uuid.uuid4().hex, self.function()
        with self.assertRaises(InvalidRequest) as caught:
            f.jobs.create(name, "absent")
        self.assertEqual(caught.exception.error_code, "invalid_argument")
        created = f.jobs.create(
            name,
            function,
            display_name="Nightly",
            labels={"team": "billing"},
            memory=128,
            timeout=2.5,
            max_retries=2,
            max_concurrent_tasks=3,
            env={"REGION": "eu"},
            secrets={"KEY": "sesame"},
            triggers=[{"type": "cron", "configuration": {"schedule": "0 3 * * *", "tasks": [{"kind": "daily"}]}}],
        )
        self.assertNotIn("sesame", repr(created))
        self.assertEqual(f.jobs.get(name), created)
        self.assertEqual(
            (created["metadata"]["displayName"], created["metadata"]["labels"]), ("Nightly", {"team": "billing"})
        )
        runtime = created["spec"]["runtime"]
        self.assertEqual((runtime["memory"], runtime["timeout"], runtime["maxRetries"]), (128, 2.5, 2))
        self.assertEqual(runtime["maxConcurrentTasks"], 3)
        self.assertEqual(
            [(each["name"], each["value"]) for each in runtime["envs"]], [("REGION", "eu"), ("KEY", "***")]
        )
        self.assertIn(name, [each["metadata"]["name"] for each in f.jobs.list()])
        with self.assertRaises(AlreadyExists):
            f.jobs.create(name, function)

        replaced = f.jobs.replace(name, function, enabled=False)
        self.assertEqual((replaced["spec"]["enabled"], replaced["spec"]["triggers"]), (False, []))
        self.assertEqual([each["id"] for each in f.jobs.revisions(name)], ["2", "1"])
        self.assertTrue(f.jobs.rollback(name, "1")["spec"]["enabled"])
        self.assertEqual(f.jobs.delete(name)["metadata"]["name"], name)
        with self.assertRaises(NotFound):
            f.jobs.get(name)

    def test_a_run_and_its_tasks(self) -> None:
        f, name = self.f, self.job(max_retries=1)
        id = f.jobs.run(name, [{"n": 0}, {"n": 1, "fail": True}, {"n": 2}], env={"A": "b"}, parallelism=2)
        execution = f.jobs.get_execution(name, id, wait=True)
        self.assertEqual((execution["status"], execution["stats"]["total"]), ("failed", 3))
        self.assertEqual((execution["stats"]["success"], execution["stats"]["failure"]), (2, 1))
        tasks = list(f.jobs.tasks(name, id))
        self.assertEqual([each["status"] for each in tasks], ["succeeded", "failed", "succeeded"])
        self.assertEqual(f.executions.get(tasks[2]["execution"])["output"], {"n": 2})
        self.assertEqual([each["metadata"]["id"] for each in f.jobs.executions(name)], [id])
        self.assertEqual(list(f.jobs.executions(name, limit=0)), [])
        self.assertEqual(f.jobs.run(name, execution_id="second"), "second")
        self.assertEqual(f.jobs.get_execution(name, "second", wait=True)["status"], "succeeded")
        with self.assertRaises(Conflict):
            f.jobs.run(name, execution_id="second")
        with self.assertRaises((TooLarge, InvalidRequest)):
            f.jobs.run(name, [{}] * 10_001)

    def test_many_tasks_come_in_pages(self) -> None:
        name = self.job()
        id = self.f.jobs.run(name, [{"n": n} for n in range(450)])
        self.f.jobs.get_execution(name, id, wait=True)
        names = ["task-{}".format(n) for n in range(450)]
        self.assertEqual([each["metadata"]["name"] for each in self.f.jobs.tasks(name, id)], names)
        self.assertEqual([each["metadata"]["name"] for each in self.f.jobs.tasks(name, id, limit=250)], names[:250])

    def test_wait_timeout_and_cancel(self) -> None:
        f, name = self.f, self.job()
        id = f.jobs.run(name, [{"seconds": 60}, {"seconds": 60}], parallelism=1)
        with self.assertRaises(WaitTimeout) as caught:
            f.jobs.get_execution(name, id, wait=True, wait_timeout=0.05)
        self.assertEqual(caught.exception.execution_id, id)
        self.assertIn(f.jobs.cancel_execution(name, id)["status"], ("cancelling", "cancelled"))
        for task in f.jobs.tasks(name, id, limit=1):
            f.executions.cancel(task["execution"])
        self.assertEqual(f.jobs.get_execution(name, id, wait=True)["status"], "cancelled")

    def test_arguments(self) -> None:
        f = self.f
        for wrong in ("text", b"bytes", {"a": 1}):
            with self.assertRaises(TypeError):
                f.jobs.run("j", wrong)  # type: ignore[arg-type]
        calls: List[Callable[[], object]] = [
            lambda: f.jobs.get(""),
            lambda: f.jobs.get(".."),
            lambda: f.jobs.executions("j", limit=-1),
        ]
        for call in calls:
            with self.assertRaises(ValueError):
                call()


class DeadLetters(WithServer):
    def test_a_callback_that_cannot_be_delivered(self) -> None:
        f = self.f
        configuration: Dict[str, Any] = {"path": "later", "callbackUrl": "https://192.0.2.1/ended", "retry": 0}
        name = self.job(triggers=[{"type": "http-async", "configuration": configuration}])
        # The server may reach no address of that network.
        ids = [self.trigger(name) for _ in range(3)]
        realserver.await_true(lambda: len(self.letters(name)) == 3)
        found = f.dead_letters.list()
        self.assertNotIn("body", found[0])
        self.assertEqual(f.dead_letters.list(limit=2), found[:2])
        letter = f.dead_letters.get(self.letters(name)[0])
        self.assertEqual((letter["job"], letter["attempts"], letter["last_status"]), (name, 1, None))
        self.assertEqual(letter["execution"], letter["id"])
        self.assertIn(letter["id"], ids)
        self.assertTrue(letter["body"])

        self.assertEqual(f.dead_letters.redrive([letter["id"]]), 1)
        realserver.await_true(lambda: len(self.letters(name)) == 3)
        f.dead_letters.purge(letter["id"])
        with self.assertRaises(NotFound):
            f.dead_letters.get(letter["id"])
        self.assertEqual(len(self.letters(name)), 2)
        self.assertGreaterEqual(f.dead_letters.purge_all(), 2)
        self.assertEqual(f.dead_letters.list(), [])
        with self.assertRaises(TypeError):
            f.dead_letters.redrive("id")

    def trigger(self, name: str) -> str:
        request = self.f.jobs.trigger(name, "later")
        return str(request["executionId"])

    def letters(self, name: str) -> List[str]:
        return [each["id"] for each in self.f.dead_letters.iterate() if each["job"] == name]


class Search(WithServer):
    def test_searches(self) -> None:
        f = self.f
        name = self.job()
        function = f.jobs.get(name)["spec"]["function"]
        done = [f.functions.run(function, {"fail": n == 0}) for n in range(3)]
        f.executions.get(done, wait=True)
        id = f.jobs.run(name, [{}, {}])
        f.jobs.get_execution(name, id, wait=True)

        found = list(f.executions.search(function=function))
        self.assertLessEqual(set(done), {each["executionId"] for each in found})
        failed = list(
            f.executions.search(function=function, where={"type": "eq", "field": "status", "value": "FAILED"})
        )
        self.assertEqual([each["executionId"] for each in failed], done[:1])
        self.assertEqual(failed[0]["failureReason"], "error")
        self.assertEqual([each["status"] for each in f.executions.search(job=name)], ["SUCCEEDED"])
        rid = f.jobs.get(name)["metadata"]["rid"]
        self.assertEqual(list(f.executions.search(rid=rid)), list(f.executions.search(job=name)))
        self.assertEqual(len(list(f.executions.search(function=function, limit=2))), 2)
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        self.assertEqual(list(f.executions.search(function=function, since=later)), [])
        self.assertEqual(list(f.executions.search(function=function, until=later, limit=None)), found)
        with self.assertRaises(NotFound):
            list(f.executions.search(function="absent"))
        with self.assertRaises(InvalidRequest):
            list(f.executions.search(function=function, where={"type": "no such"}))

    def test_one_thing_is_searched(self) -> None:
        wrongs: List[Dict[str, str]] = [{}, {"function": "f", "job": "j"}]
        for wrong in wrongs:
            with self.assertRaises(TypeError):
                self.f.executions.search(**wrong)  # type: ignore[arg-type]

    def test_pages_of_a_search(self) -> None:
        pages = [{"data": [{"n": 1}], "nextPageToken": "two"}, {"data": []}]
        with FakeServer(*(Answer(each) for each in pages)) as server, Client(server) as f:
            self.assertEqual(list(f.executions.search(rid="r")), [{"n": 1}])
            self.assertIn(b'"pageToken":"two"', server.requests[1].body)
