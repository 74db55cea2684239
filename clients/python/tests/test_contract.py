"""The client's behaviour as its first documentation promised it, call by call."""

from __future__ import annotations

import hashlib
import io
import tempfile
import unittest
import zipfile
from pathlib import Path

from faaspot import DeployFailed, Faaspot, FaaspotException, InvalidRequest, NotFound

from . import realserver
from .fakeserver import Answer, FakeServer
from .faketime import Client

HELLO = """\
def main(args, context):
    return "Hello %s" % args.get("name", "world")
"""

GREETER = """\
def main(args, context):
    return [context.get("greeting"), args]
"""


class Contract(unittest.TestCase):
    def setUp(self) -> None:
        server = realserver.shared()
        around = server.around()
        around.__enter__()
        self.addCleanup(around.__exit__, None, None, None)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "hello.py"
        self.file.write_text(HELLO)
        self.context_file = Path(folder.name) / "hello.context"
        self.context_file.write_text('greeting = "Hi"\n')
        self.f = Faaspot()
        self.addCleanup(self.f.close)

    def deployed(self, name: str, code: str = HELLO) -> str:
        self.f.functions.create(name, io.StringIO(code))
        self.addCleanup(self.f.functions.delete, name)
        return name

    def test_groups_are_attributes_and_callable(self) -> None:
        f = self.f
        self.assertIs(f.deployments, f.functions)
        self.assertIs(f.functions(), f.functions)
        self.assertIs(f.deployments(), f.functions)
        self.assertIs(f.executions(), f.executions)
        self.assertIs(f.profiles(), f.profiles)

    def test_create_list_get_delete(self) -> None:
        f = self.f
        uuid = f.functions.create("contract-1", str(self.file))
        self.assertRegex(uuid, "^[0-9a-f-]{36}$")
        listed = [each for each in f.functions.list() if each["name"] == "contract-1"]
        self.assertEqual(len(listed), 1)
        self.assertTrue(listed[0]["runner_url"].endswith("/v1/functions/contract-1/rpc/"))
        self.assertEqual(f.functions.get("contract-1")["code"], HELLO)
        self.assertRegex(f.functions.delete("contract-1"), "^[0-9a-f-]{36}$")
        with self.assertRaises(NotFound):
            f.functions.get("contract-1")

    def test_create_with_context_and_wait(self) -> None:
        f = self.f
        self.file.write_text(GREETER)
        uuid = f.functions.create("contract-2", self.file, context_file=self.context_file, wait=True)
        self.assertEqual(f.executions.get(uuid)["status"], "Success")
        self.assertEqual(f.functions.run("contract-2", {"a": 1}, wait=True), ["Hi", {"a": 1}])
        with open(self.file) as file:
            f.functions.update("contract-2", file=file, context_file=io.StringIO('{"greeting": "Ho"}'), wait=True)
        self.assertEqual(f.functions.run("contract-2", wait=True), ["Ho", {}])
        f.functions.update("contract-2", new_name="contract-2b", wait=True)
        self.assertEqual(f.functions.run("contract-2b", parameters={}, wait=True), ["Ho", {}])
        f.functions.delete("contract-2b", wait=True)

    def test_deploy_bundle(self) -> None:
        f = self.f

        def zipped(code: str) -> bytes:
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("main.py", code)
                archive.writestr("data.txt", "data")
            return out.getvalue()

        content = zipped(GREETER)
        uuid = f.functions.deploy_bundle("contract-bundle", content, wait=True)
        self.addCleanup(f.functions.delete, "contract-bundle")
        self.assertEqual(f.executions.get(uuid)["kind"], "create")
        self.assertEqual(f.functions.run("contract-bundle", {"a": 1}, wait=True), [None, {"a": 1}])
        f.functions.update("contract-bundle", context_file=self.context_file, retries=2)
        function = f.functions.get("contract-bundle")
        self.assertEqual(function["code"], GREETER)
        self.assertEqual(f.functions.get_bundle("contract-bundle"), content)
        self.assertEqual(function["bundle"], {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)})

        path = self.file.with_suffix(".zip")
        path.write_bytes(zipped(GREETER + "# 2\n"))
        f.functions.deploy_bundle("contract-bundle", path)
        with open(path, "rb") as file:
            f.functions.deploy_bundle("contract-bundle", file, timeout=2.5, memory=256)
        function = f.functions.get("contract-bundle")
        self.assertEqual((function["timeout"], function["memory"], function["allow"]), (2.5, 256, []))
        f.functions.deploy_bundle("contract-bundle", path, allow=["a.example:443", "*.b.example:5432"])
        f.functions.deploy_bundle("contract-bundle", path)
        self.assertEqual(f.functions.get("contract-bundle")["allow"], ["a.example:443", "*.b.example:5432"])
        f.functions.deploy_bundle("contract-bundle", path, allow=[])
        self.assertEqual(f.functions.get("contract-bundle")["allow"], [])
        with self.assertRaises(InvalidRequest):
            f.functions.deploy_bundle("contract-bundle", path, allow=["a.example"])
        with self.assertRaises(TypeError):
            f.functions.deploy_bundle("contract-bundle", path, allow="a.example:443")
        f.functions.deploy_bundle("contract-bundle", bytearray(path.read_bytes()))
        back = self.file.with_suffix(".back")
        f.functions.get_bundle("contract-bundle", back)
        self.assertEqual(back.read_bytes(), path.read_bytes())
        written = io.BytesIO()
        f.functions.get_bundle("contract-bundle", written)
        self.assertEqual(written.getvalue(), path.read_bytes())
        with self.assertRaises(NotFound):
            f.functions.get_bundle("contract-absent", back)
        self.assertEqual(back.read_bytes(), path.read_bytes())
        self.assertEqual(list(back.parent.glob("*.part")), [])
        with self.assertRaises(TypeError):
            f.functions.get_bundle("contract-bundle", 7)  # type: ignore[call-overload]
        with self.assertRaises(InvalidRequest):
            f.functions.deploy_bundle("contract-bundle", content, retries=11)
        self.assertEqual(f.functions.run("contract-bundle", wait=True), ["Hi", {}])
        self.assertEqual(f.functions.get("contract-bundle")["retries"], 2)

        with self.assertRaises(InvalidRequest):
            f.functions.deploy_bundle("contract-bundle", b"PK")
        with self.assertRaises(DeployFailed):
            f.functions.deploy_bundle("contract-bundle", zipped("def main(:"))
        for wrong in (io.StringIO("PK"), 7):
            with self.assertRaises(TypeError):
                f.functions.deploy_bundle("contract-bundle", wrong)  # type: ignore[arg-type]
        f.functions.apply("contract-bundle", io.StringIO(GREETER))
        self.assertNotIn("bundle", f.functions.get("contract-bundle"))
        with self.assertRaises(NotFound):
            f.functions.get_bundle("contract-bundle")

    def test_a_name_may_end_in_py(self) -> None:
        self.deployed("contract-3.py")
        self.assertEqual(self.f.functions.run("contract-3.py", {"name": "you"}, wait=True), "Hello you")

    def test_run(self) -> None:
        f = self.f
        self.deployed("contract-4")
        uuid = f.functions.run("contract-4", {"name": "user1"})
        self.assertRegex(uuid, "^[0-9a-f-]{36}$")
        execution = f.executions.get(uuid, wait=True)
        self.assertEqual(execution["status"], "Success")
        self.assertEqual(execution["output"], "Hello user1")
        self.assertEqual(execution["uuid"], uuid)
        self.assertEqual(execution["name"], "contract-4")
        self.assertRegex(execution["created"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00$")
        self.assertEqual(f.functions.run("contract-4", parameters={"name": "user2"}, wait=True), "Hello user2")
        self.assertEqual(f.functions.run("contract-4", wait=True), "Hello world")

    def test_waiting_for_a_run_is_one_request_to_the_blocking_url(self) -> None:
        with FakeServer(Answer({"sum": 3})) as server, Client(server) as f:
            self.assertEqual(f.functions.run("add", {"numbers": [1, 2]}, wait=True), {"sum": 3})
            (request,) = server.requests
        self.assertEqual((request.method, request.target), ("POST", "/v1/sync/functions/add/rpc/"))
        self.assertEqual(request.json(), {"numbers": [1, 2]})
        self.assertEqual(request.headers["content-type"], "application/json")

    def test_requests_have_the_token(self) -> None:
        with FakeServer(Answer([])) as server, Faaspot(url=server.url, token="sesame") as f:
            f.functions.list()
            self.assertEqual(server.requests[0].headers["authorization"], "Token sesame")

    def test_run_bulk_and_get_bulk(self) -> None:
        f = self.f
        self.deployed("contract-5")
        uuids = f.functions.run_bulk("contract-5", [{"name": "a"}, {"name": "b"}, {"name": "c"}])
        self.assertEqual(len(set(uuids)), 3)
        f.executions.get(uuids[2], wait=True)
        f.executions.get(uuids, wait=True)
        want = ["Hello a", "Hello b", "Hello c"]
        self.assertEqual([each["output"] for each in f.executions.get_bulk(uuids)], want)
        self.assertEqual([each["output"] for each in f.executions.get([uuids[0], uuids[1]])], want[:2])
        self.assertEqual([each["output"] for each in f.executions().get(uuids[::-1])], want[::-1])

    def test_executions_may_be_called(self) -> None:
        f = self.f
        self.deployed("contract-6")
        uuid = f.functions.run("contract-6")
        f.executions.get(uuid, wait=True)
        self.assertEqual(f.executions().get(uuid), f.executions.get(uuid))

    def test_list_executions(self) -> None:
        f = self.f
        name = self.deployed("contract-7", "import time\ndef main(args, context):\n    time.sleep(args['seconds'])\n")
        done = f.functions.run(name, {"seconds": 0})
        f.executions.get(done, wait=True)
        running = f.functions.run(name, {"seconds": 600})
        try:
            self.assertEqual([each["uuid"] for each in f.executions.list(deployment=name)], [running])
            listed = f.executions.list(include_completed=True, deployment=name)
            self.assertEqual([each["uuid"] for each in listed if each["kind"] == "run"], [running, done])
            self.assertIn(running, [each["uuid"] for each in f.executions.list()])
            self.assertIn(done, [each["uuid"] for each in f.executions.list(True)])
        finally:
            f.executions.cancel(running)
        self.assertEqual(f.executions.get(running, wait=True)["status"], "Cancelled")

    def test_booleans_are_encoded_as_python_prints_them(self) -> None:
        with FakeServer(Answer([]), Answer([])) as server, Client(server) as f:
            f.executions.list()
            f.executions.list(include_completed=True, deployment="hello")
            self.assertEqual(
                [each.target for each in server.requests],
                [
                    "/v1/executions/?include_completed=False",
                    "/v1/executions/?include_completed=True&deployment=hello",
                ],
            )

    def test_errors(self) -> None:
        with self.assertRaises(FaaspotException) as caught:
            self.f.functions.run("contract-absent", wait=True)
        error = caught.exception
        self.assertEqual(str(error), '404 (Not Found): there is no function named "contract-absent"')
        self.assertEqual(error.status_code, 404)
        self.assertEqual(error.reason, "Not Found")
        self.assertEqual(error.error_code, "not_found")
        self.assertEqual(error.message, 'there is no function named "contract-absent"')
        self.assertIsNone(error.server_traceback)

    def test_errors_have_the_traceback_of_the_function(self) -> None:
        self.deployed("contract-8", "def main(args, context):\n    return args['absent']\n")
        with self.assertRaises(FaaspotException) as caught:
            self.f.functions.run("contract-8", wait=True)
        self.assertEqual(str(caught.exception), "500 (Internal Server Error): KeyError: 'absent'")
        self.assertIn("line 2, in main", caught.exception.server_traceback or "")


class Configuration(unittest.TestCase):
    def test_the_profile_that_the_server_writes(self) -> None:
        """After `fas serve`, Faaspot() needs no configuration."""
        with tempfile.TemporaryDirectory() as folder:
            realserver.shared()
            server = realserver.RealServer(Path(folder) / "home", token=None)
            server.start()
            try:
                with server.around(), Faaspot() as f:
                    self.assertEqual(f.functions.list(), [])
                    self.assertEqual(f.profiles.current(), "local")
                    self.assertEqual(f.profiles.get("local")["url"], server.url)
                    token = f.profiles.get("local")["token"]
                with server.around(FAASPOT_TOKEN="wrong"), Faaspot() as f, self.assertRaises(
                    FaaspotException
                ) as caught:
                    f.functions.list()
                self.assertEqual(caught.exception.status_code, 401)
                elsewhere = Path(folder) / "elsewhere.yaml"
                elsewhere.write_text(
                    "faaspot:\n  profile: p\n  profiles:\n    p: {}\n    q:\n      port: %s\n"
                    % server.address.split(":")[1]
                )
                with server.around(
                    FAASPOT_CONFIG=str(elsewhere), FAASPOT_PROFILE="q", FAASPOT_TOKEN=token
                ), Faaspot() as f:
                    self.assertEqual(f.functions.list(), [])
                # The server accepts a file that this client changed.
                with server.around(), Faaspot() as f:
                    f.profiles.update("local", username="me")
                server.stop()
                server.address = "127.0.0.1:0"
                server.start()
                with server.around(), Faaspot() as f:
                    self.assertEqual(f.functions.list(), [])
                    self.assertEqual(f.profiles.get("local")["username"], "me")
            finally:
                server.stop()
