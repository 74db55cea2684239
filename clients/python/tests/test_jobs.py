"""Jobs, dead letters and searches with a real server."""

from __future__ import annotations

import datetime
import io
import unittest
import uuid
import zipfile
from typing import Any, Callable, Dict, List

from faaspot import AlreadyExists, Conflict, Faaspot, FaaspotException, InvalidRequest, NotFound, TooLarge, WaitTimeout

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


class Versions(WithServer):
    def test_versions_diff_and_rollback(self) -> None:
        f, name = self.f, self.function()
        f.functions.patch_context(name, {"KEY": "sesame", "kept": {"n": 1}})
        f.functions.update(name, io.StringIO("def main(args, context):\n    return context\n"), memory=256)
        f.functions.patch_context(name, {"KEY": None, "more": [1]}, wait=True)
        self.assertEqual(f.functions.run(name, wait=True), {"kept": {"n": 1}, "more": [1]})
        versions = f.functions.versions(name)
        self.assertEqual([each["version"] for each in versions], [4, 3, 2, 1])
        self.assertEqual(([each["current"] for each in versions], versions[0]["memory"]), ([True] + [False] * 3, 256))
        first = f.functions.version(name, 1)
        self.assertEqual((first["code"], first["context_keys"], first["encoding"]), (CODE, [], "plain"))
        self.assertEqual(f.functions.version(name, 2)["context_keys"], ["KEY", "kept"])

        latest = f.functions.diff(name)
        self.assertEqual((latest["code"], latest["settings"]), ("", []))
        self.assertEqual(latest["context"], [{"name": "KEY", "change": "removed"}, {"name": "more", "change": "added"}])
        whole = f.functions.diff(name, 1, 4)
        self.assertIn("+    return context\n", whole["code"])
        self.assertEqual(whole["settings"], [{"name": "memory", "from": 128, "to": 256}])
        self.assertNotIn("sesame", repr(f.functions.diff(name, older=1, newer=2)))

        f.functions.rollback(name, 1, wait=True, keep_context=True)
        self.assertEqual(f.functions.run(name, {"n": 1}, wait=True), {"n": 1})
        self.assertEqual(f.functions.get(name)["context_keys"], ["kept", "more"])
        f.functions.rollback(name, 1)
        self.assertEqual(f.functions.get(name)["context_keys"], [])

    def test_pause_and_resume(self) -> None:
        f, name, other = self.f, self.function(), self.function()
        self.assertTrue(f.functions.pause(name)["paused"])
        self.assertTrue(f.functions.pause(name)["paused"])
        ids = f.functions.run_bulk(name, [{"n": n} for n in range(3)])
        f.executions.get(f.functions.run(other), wait=True)
        self.assertEqual([x["status"] for x in f.executions.get_bulk(ids)], ["Pending"] * 3)
        self.assertEqual(f.functions.run(name, {"n": 9}, wait=True), {"n": 9})
        (stats,) = f.functions.stats(name)["functions"]
        self.assertEqual((stats["paused"], stats["queued"]), (True, 3))
        self.assertTrue(f.functions.get(name)["paused"])
        self.assertEqual([each["name"] for each in f.functions.list() if each["paused"]], [name])
        self.assertFalse(f.functions.resume(name)["paused"])
        for n, execution in enumerate(ids):
            self.assertEqual(f.executions.get(execution, wait=True)["output"], {"n": n})
        for call in (f.functions.pause, f.functions.resume):
            with self.assertRaises(NotFound):
                call("absent")

    def test_what_is_refused(self) -> None:
        f, name = self.f, self.function()
        refused: List[Callable[[], object]] = [
            lambda: f.functions.rollback(name, 1),
            lambda: f.functions.version(name, 0),
            lambda: f.functions.patch_context(name, {}),
        ]
        for call in refused:
            with self.assertRaises(InvalidRequest):
                call()
        absent: List[Callable[[], object]] = [
            lambda: f.functions.rollback(name, 99),
            lambda: f.functions.version(name, 99),
            lambda: f.functions.diff(name, 1, 99),
            lambda: f.functions.versions("absent"),
            lambda: f.functions.patch_context("absent", {"a": 1}),
        ]
        for call in absent:
            with self.assertRaises(NotFound):
                call()
        with self.assertRaises(TooLarge):
            f.functions.patch_context(name, {"a": "x" * (256 << 10)})
        for wrong in (True, "1", 1.5):
            with self.assertRaises(TypeError):
                f.functions.version(name, wrong)  # type: ignore[arg-type]
        with self.assertRaises(TypeError):
            f.functions.patch_context(name, ["a"])  # type: ignore[arg-type]
        self.assertEqual(len(f.functions.versions(name)), 1)

    def test_stats(self) -> None:
        f, name = self.f, self.function()
        f.executions.get([f.functions.run(name, {"fail": n == 0}) for n in range(3)], wait=True)
        realserver.await_true(lambda: f.functions.stats(name)["total"]["count"] == 3)
        stats = f.functions.stats(name, since="1h", step=600)
        self.assertEqual((stats["total"]["success"], stats["total"]["failed"]), (2, 1))
        self.assertEqual((stats["step_seconds"], sum(each["count"] for each in stats["steps"])), (600, 3))
        self.assertGreaterEqual(f.functions.stats()["total"]["count"], 3)
        now = datetime.datetime.now(datetime.timezone.utc)
        self.assertEqual(f.functions.stats(name, since=now - datetime.timedelta(hours=1))["total"]["count"], 3)
        with self.assertRaises(ValueError):
            f.functions.stats(name, since=datetime.datetime(2026, 1, 1))
        with self.assertRaises(InvalidRequest):
            f.functions.stats(name, step="often")


class Rerun(WithServer):
    def test_a_rerun(self) -> None:
        f, name = self.f, self.function()
        first = f.functions.run(name, {"n": 1})
        self.assertEqual(f.executions.get(first, wait=True)["args"], {"n": 1})
        again = f.executions.rerun(first)
        self.assertEqual(again["rerun_of"], first)
        self.assertEqual(f.executions.get(again["uuid"], wait=True)["output"], {"n": 1})
        other = f.executions.rerun(first, {"n": 2}, retries=1, idempotency_key="key-" + name)
        self.assertEqual(f.executions.get(other["uuid"], wait=True)["output"], {"n": 2})
        same = f.executions.rerun(first, {"n": 2}, retries=1, idempotency_key="key-" + name)
        self.assertEqual((same["uuid"], same["retries"]), (other["uuid"], 1))
        with self.assertRaises(Conflict):
            f.executions.rerun(first, {"n": 3}, idempotency_key="key-" + name)

        f.functions.update(name, io.StringIO("def main(args, context):\n    return 'new'\n"))
        now, then = f.executions.rerun(first), f.executions.rerun(first, version=1)
        self.assertEqual(
            [each["output"] for each in f.executions.get([now["uuid"], then["uuid"]], wait=True)], ["new", {"n": 1}]
        )
        with self.assertRaises(NotFound):
            f.executions.rerun(first, version=99)
        with self.assertRaises(NotFound):
            f.executions.rerun(str(uuid.uuid4()))

    def test_args_that_are_not_kept(self) -> None:
        f, name = self.f, self.function()
        self.assertTrue(f.functions.get(name)["keep_args"])
        f.functions.update(name, keep_args=False)
        self.assertFalse(f.functions.get(name)["keep_args"])
        done = f.functions.run(name, {"n": 1})
        self.assertNotIn("args", f.executions.get(done, wait=True))
        with self.assertRaises(FaaspotException):
            f.executions.rerun(done)
        again = f.executions.rerun(done, {"n": 2})
        self.assertEqual(f.executions.get(again["uuid"], wait=True)["output"], {"n": 2})
        with io.BytesIO() as zipped:
            with zipfile.ZipFile(zipped, "w") as z:
                z.writestr("main.py", CODE)
            f.functions.deploy_bundle(name, zipped.getvalue(), keep_args=True)
        self.assertTrue(f.functions.get(name)["keep_args"])

    def test_operations(self) -> None:
        f, name = self.f, self.function()
        done = [f.functions.run(name, {"fail": n == 0}) for n in range(3)]
        f.executions.get(done, wait=True)
        none = f.operations.start("rerun", function=name, where="duration >= 1h")
        self.assertEqual(f.operations.get(none["uuid"], wait=True, wait_timeout=60)["matched"], 0)
        with self.assertRaisesRegex(InvalidRequest, "is not an operator"):
            f.operations.start("rerun", function=name, where="duration >> 1")
        started = f.operations.start("rerun", function=name)
        self.assertEqual((started["kind"], started["filter"]["status"]), ("rerun", ["Failed"]))
        end = f.operations.get(started["uuid"], wait=True, wait_timeout=60)
        self.assertEqual(end["state"], "done")
        self.assertEqual((end["matched"], end["done"], end["failed"], end["skipped"]), (1, 1, 0, 0))
        again = [each for each in f.executions.list(True, function=name) if each.get("rerun_of") == done[0]]
        self.assertEqual(len(again), 1)
        self.assertIn(started["uuid"], [each["uuid"] for each in f.operations.list()])
        self.assertEqual(f.operations.cancel(started["uuid"])["state"], "done")

        long = f.functions.run(name, {"seconds": 100})
        now = datetime.datetime.now(datetime.timezone.utc)
        cancels = f.operations.start(
            "cancel", function=name, status=["Pending", "Started"], created_after=now - datetime.timedelta(hours=1)
        )
        self.assertEqual(f.operations.get(cancels["uuid"], wait=True)["state"], "done")
        self.assertEqual(f.executions.get(long, wait=True)["status"], "Cancelled")

    def test_operations_that_are_refused(self) -> None:
        f = self.f
        with self.assertRaises(InvalidRequest):
            f.operations.start("forget")  # type: ignore[arg-type]
        with self.assertRaises(ValueError):
            f.operations.start("rerun", status=[])
        with self.assertRaises(NotFound):
            f.operations.get(str(uuid.uuid4()))
        with self.assertRaises(ValueError):
            f.operations.cancel("")
