"""Requests to fake servers that misbehave."""

from __future__ import annotations

import datetime
import email.utils
import io
import logging
import os
import select
import socket
import tempfile
import threading
import unittest
from typing import Any, Callable, Dict, List, Tuple
from unittest import mock

from faaspot import Retry
from faaspot.errors import (
    DeployFailed,
    ForeignAnswer,
    InvalidRequest,
    NoAnswer,
    NotFound,
    RunFailed,
    ServerError,
    TooBusy,
    TooLarge,
    Unauthenticated,
    Unavailable,
    WaitTimeout,
)

from .fakeserver import Answer, Close, Do, Early, FakeServer, ReceivedRequest, Raw, Silence, reset
from .faketime import Client

BUSY = {"message": "too much is waiting", "error_code": "too_busy"}
ID = "019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4"


class Retries(unittest.TestCase):
    def test_waits_as_long_as_the_server_asks(self) -> None:
        server = FakeServer(
            Answer(BUSY, 429, {"Retry-After": "7"}), Answer(BUSY, 503, {"Retry-After": "2"}), Answer([])
        )
        with server, Client(server) as f:
            self.assertEqual(f.functions.list(), [])
            self.assertEqual(f.time.slept, [7, 2])

    def test_waits_until_the_date_that_the_server_names(self) -> None:
        date = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=30)
        server = FakeServer(
            Answer(BUSY, 503, {"Retry-After": email.utils.format_datetime(date, usegmt=True)}), Answer([])
        )
        with server, Client(server) as f:
            f.functions.list()
            self.assertEqual(len(f.time.slept), 1)
            self.assertTrue(20 < f.time.slept[0] <= 30, f.time.slept)

    def test_doubles_the_delay_without_retry_after(self) -> None:
        server = FakeServer(*[Answer(BUSY, 503)] * 5, Answer([]))
        with server, Client(server, Retry(longest_delay=1.5)) as f:
            f.functions.list()
            self.assertEqual(f.time.slept, [0.25, 0.5, 1, 1.5, 1.5])

    def test_gives_up_after_the_last_attempt(self) -> None:
        server = FakeServer(*[Answer({**BUSY, "hint": "retry later"}, 429, {"Retry-After": "1"})] * 9)
        with server, Client(server, Retry(attempts=3)) as f:
            with self.assertRaises(TooBusy) as caught:
                f.functions.list()
            self.assertEqual(str(caught.exception), "429 (Some Reason): too much is waiting")
            self.assertEqual(caught.exception.hint, "retry later")
            self.assertEqual(caught.exception.retry_after, 1)
            self.assertEqual(len(server.requests), 3)

    def test_gives_up_after_the_total_time(self) -> None:
        server = FakeServer(*[Answer(BUSY, 503, {"Retry-After": "25"})] * 9)
        with server, Client(server, Retry(total=60)) as f:
            with self.assertRaises(TooBusy):
                f.functions.list()
            self.assertEqual(f.time.slept, [25, 25])

    def test_does_not_wait_longer_than_the_total_time(self) -> None:
        with FakeServer(Answer(BUSY, 429, {"Retry-After": "3600"})) as server, Client(server) as f:
            with self.assertRaises(TooBusy):
                f.functions.list()
            self.assertEqual(f.time.slept, [])

    def test_other_errors_are_final(self) -> None:
        for status, code, kind in [
            (400, "invalid_argument", InvalidRequest),
            (401, "unauthenticated", Unauthenticated),
            (404, "not_found", NotFound),
            (413, "too_large", TooLarge),
            (500, "internal", ServerError),
            (504, "timeout", RunFailed),
        ]:
            body = {"message": "m", "error_code": code}
            with self.subTest(status), FakeServer(Answer(body, status)) as server, Client(server) as f:
                with self.assertRaises(kind):
                    f.functions.list()
                self.assertEqual(len(server.requests), 1)

    def test_requests_with_an_idempotency_key_are_retried(self) -> None:
        calls: Dict[str, Tuple[Callable[[Client], object], object]] = {
            "run": (lambda f: f.functions.run("hello", {"a": 1}), ID),
            "run_bulk": (lambda f: f.functions.run_bulk("hello", [{"a": 1}]), [ID]),
            "create": (lambda f: f.functions.create("hello", io.StringIO("code")), ID),
            "update": (lambda f: f.functions.update("hello", io.StringIO("code")), ID),
            "delete": (lambda f: f.functions.delete("hello"), ID),
        }
        for name, (call, value) in calls.items():
            server = FakeServer(Answer(BUSY, 503), Close(), Answer(value))
            with self.subTest(name), server, Client(server) as f:
                call(f)
                keys = {each.headers.get("idempotency-key") for each in server.requests}
                self.assertEqual(len(server.requests), 3)
                self.assertEqual(len(keys), 1)
                self.assertRegex(str(keys.pop()), "^[0-9a-f-]{36}$")
                self.assertEqual(len({each.body for each in server.requests}), 1)

    def test_each_call_has_its_own_idempotency_key(self) -> None:
        with FakeServer(Answer(ID), Answer(ID)) as server, Client(server) as f:
            f.functions.run("hello")
            f.functions.run("hello")
            first, second = (each.headers["idempotency-key"] for each in server.requests)
            self.assertNotEqual(first, second)

    def test_a_blocking_run_is_retried_if_it_was_rejected(self) -> None:
        with FakeServer(Answer(BUSY, 429), Answer("done")) as server, Client(server) as f:
            self.assertEqual(f.functions.run("hello", wait=True), "done")
            self.assertNotIn("idempotency-key", server.requests[1].headers)

    def test_a_blocking_run_that_started_is_not_retried(self) -> None:
        for answer in (
            Answer({**BUSY, "execution_id": ID}, 503),
            Answer(BUSY, 503, {"X-Execution-Id": ID}),
        ):
            with FakeServer(answer, Answer("twice")) as server, Client(server) as f:
                with self.assertRaises(TooBusy) as caught:
                    f.functions.run("hello", wait=True)
                self.assertEqual(caught.exception.execution_id, ID)
                self.assertEqual(len(server.requests), 1)

    def test_a_blocking_run_with_an_idempotency_key_is_retried(self) -> None:
        server = FakeServer(Close(), Answer({**BUSY, "execution_id": ID}, 503), Answer("done"))
        with server, Client(server) as f:
            self.assertEqual(f.functions.run("hello", wait=True, idempotency_key="k"), "done")
            self.assertEqual([each.headers["idempotency-key"] for each in server.requests], ["k"] * 3)

    def test_a_blocking_run_with_retries_may_take_several_requests(self) -> None:
        late = Answer({**BUSY, "error_code": "unavailable", "execution_id": ID}, 503, {"Retry-After": "5"})
        for error, status in ((None, "Success"), ({"message": "m", "error_code": "function_error"}, "Failed")):
            done = Answer({"uuid": ID, "status": status, "output": "done", "error": error})
            with FakeServer(late, late, done) as server, Client(server, Retry(attempts=2)) as f:
                if error is None:
                    self.assertEqual(f.functions.run("hello", wait=True, retries=1), "done")
                else:
                    with self.assertRaises(RunFailed) as caught:
                        f.functions.run("hello", wait=True, retries=1)
                    self.assertEqual((str(caught.exception), caught.exception.execution_id), ("m", ID))
                self.assertEqual(server.requests[2].target, "/v1/executions/" + ID + "?wait=50.000")

    def test_the_total_time_starts_at_the_first_failure(self) -> None:
        """The time that the first request takes does not count."""
        with FakeServer() as server, Client(server, Retry(total=60)) as f:
            server.add(Do(lambda: f.time.sleep(1000), Answer(BUSY, 503)), Answer([]))
            self.assertEqual(f.functions.list(), [])

    def test_a_deploy_that_fails_while_the_client_waits(self) -> None:
        error = {"message": "no main", "error_code": "deploy_failed", "line": 1}
        failed = Answer({"uuid": ID, "status": "Failed", "output": None, "error": error})
        with FakeServer(Answer(ID), failed) as server, Client(server) as f:
            with self.assertRaises(DeployFailed) as caught:
                f.functions.create("hello", io.StringIO("x"), wait=True)
        self.assertEqual((caught.exception.line, caught.exception.execution_id), (1, ID))

    def test_the_client_waits_for_a_server_that_restarts(self) -> None:
        """The server reports that it stops, is unreachable, and is back. Even a blocking run is sent
        again, because no server received it meanwhile."""
        with FakeServer() as server, Client(server) as f:
            server.add(Do(server.refuse, Answer(BUSY, 503, {"Connection": "close"})), Answer("done"))

            def restart() -> None:
                if len(f.time.slept) == 3:
                    server.listen()

            f.time.on_sleep = restart
            self.assertEqual(f.functions.run("hello", wait=True), "done")
            self.assertEqual(f.time.slept, [0.25, 0.5, 1])

    def test_the_client_does_not_wait_for_a_server_that_it_never_reached(self) -> None:
        with FakeServer() as server, Client(server) as f:
            pass
        with self.assertRaises(NoAnswer) as caught:
            f.functions.list()
        self.assertFalse(caught.exception.sent)
        self.assertIn("no server listens at http://127.0.0.1:", str(caught.exception))
        self.assertEqual(f.time.slept, [])


class Connections(unittest.TestCase):
    def test_one_connection_serves_many_requests(self) -> None:
        with FakeServer(*[Answer([])] * 20) as server, Client(server) as f:
            for _ in range(20):
                f.functions.list()
            self.assertEqual(server.connections, 1)

    def test_a_connection_stays_open_after_an_error(self) -> None:
        with FakeServer(Answer(BUSY, 404), Answer([])) as server, Client(server) as f:
            with self.assertRaises(TooBusy):
                f.functions.list()
            f.functions.list()
            self.assertEqual(server.connections, 1)

    def test_close_is_honoured(self) -> None:
        with FakeServer(Answer([], headers={"Connection": "close"}), Answer([])) as server, Client(server) as f:
            f.functions.list()
            f.functions.list()
            self.assertEqual(server.connections, 2)

    def test_a_connection_that_was_closed_is_not_used(self) -> None:
        """A blocking run, which must not be sent twice, succeeds on a new connection."""
        with FakeServer(Answer("one", close=True), Answer("two")) as server, Client(server) as f:
            self.assertEqual(f.functions.run("hello", wait=True), "one")
            _await_readable(f)
            self.assertEqual(f.functions.run("hello", wait=True), "two")
            self.assertEqual([each.connection for each in server.requests], [0, 1])

    def test_a_connection_with_an_unexpected_answer_is_not_used(self) -> None:
        first = _WithExtraAnswer([], b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n["wrong"]')
        with FakeServer(first, Answer(["right"])) as server, Client(server) as f:
            self.assertEqual(f.functions.list(), [])
            first.proceed.set()
            _await_readable(f)
            self.assertEqual(f.functions.list(), ["right"])

    def test_a_connection_that_was_idle_too_long_is_not_used(self) -> None:
        with FakeServer(*[Answer([])] * 3) as server, Client(server) as f:
            f.functions.list()
            f.time.now += 29
            f.functions.list()
            self.assertEqual(server.connections, 1)
            f.time.now += 31
            f.functions.list()
            self.assertEqual(server.connections, 2)

    def test_a_repeatable_request_is_sent_again_if_an_idle_connection_fails(self) -> None:
        """The server closes the connection just when the client sends the request."""
        with FakeServer(Answer([]), Close(), Answer(["again"])) as server, Client(server) as f:
            f.functions.list()
            self.assertEqual(f.functions.list(), ["again"])
            self.assertEqual([each.connection for each in server.requests], [0, 0, 1])
            self.assertEqual(f.time.slept, [])

    def test_the_client_waits_for_a_server_that_closed_an_idle_connection(self) -> None:
        with FakeServer() as server, Client(server) as f:
            server.add(Answer([]), Do(server.refuse, Close()), Answer(["again"]))
            f.time.on_sleep = lambda: server.listen() if len(f.time.slept) == 2 else None
            f.functions.list()
            self.assertEqual(f.functions.list(), ["again"])

    def test_a_blocking_run_is_not_sent_again_if_an_idle_connection_fails(self) -> None:
        with FakeServer(Answer("one"), Close(), Answer("twice")) as server, Client(server) as f:
            f.functions.run("hello", wait=True)
            with self.assertRaises(NoAnswer) as caught:
                f.functions.run("hello", wait=True)
            self.assertTrue(caught.exception.sent)
            self.assertIn("not known", caught.exception.hint or "")
            self.assertEqual(len(server.requests), 2)

    def test_a_request_that_was_not_sent_is_always_sent_again(self) -> None:
        with FakeServer(_ThenReset("one"), Answer("two")) as server, Client(server) as f:
            f.functions.run("hello", wait=True)
            _await_readable(f)
            with mock.patch("faaspot.pool._readable", return_value=False):
                self.assertEqual(f.functions.run("hello", wait=True), "two")
            self.assertEqual(len(server.requests), 2)

    def test_a_new_connection_that_fails_is_replaced_after_a_delay(self) -> None:
        with FakeServer(Close(), Close(reset=True), Answer([])) as server, Client(server) as f:
            self.assertEqual(f.functions.list(), [])
            self.assertEqual(f.time.slept, [0.25, 0.5])

    def test_an_answer_before_the_end_of_the_request_is_read(self) -> None:
        """A server that rejects a body answers before it has read it, and closes the connection."""
        for abort in (False, True):
            early = Early({"message": "too much", "error_code": "too_large"}, 413, abort=abort)
            with self.subTest(abort=abort), FakeServer(early) as server, Client(server) as f:
                with self.assertRaises(TooLarge) as caught:
                    f.functions.run("hello", {"text": "x" * (32 << 20)}, wait=True)
                self.assertEqual(caught.exception.status_code, 413)

    def test_read_timeout(self) -> None:
        with FakeServer(Silence(), Answer([])) as server, Client(server, read_timeout=0.5) as f:
            with self.assertRaises(NoAnswer) as caught:
                f.functions.list()
            self.assertTrue(caught.exception.timed_out)
            self.assertTrue(caught.exception.sent)
            self.assertEqual(len(server.requests), 1, "a request to a slow server is not sent again")

    def test_a_timeout_on_an_idle_connection_is_not_retried(self) -> None:
        with FakeServer(Answer([]), Silence(), Answer([])) as server, Client(server, read_timeout=1) as f:
            f.functions.list()
            with self.assertRaises(NoAnswer):
                f.functions.list()
            self.assertEqual(len(server.requests), 2)

    def test_a_timeout_in_the_middle_of_an_answer(self) -> None:
        with FakeServer(Silence(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1,")) as server:
            with Client(server, read_timeout=0.05) as f, self.assertRaises(NoAnswer) as caught:
                f.functions.list()
        self.assertTrue(caught.exception.timed_out)

    def test_a_blocking_run_that_takes_too_long(self) -> None:
        with FakeServer(Answer("warm"), Silence()) as server, Client(server) as f:
            f.functions.run("hello", wait=True)
            with self.assertRaises(WaitTimeout) as caught:
                f.functions.run("hello", wait=True, timeout=0.05)
            self.assertIn("the run continues", caught.exception.hint or "")


class Answers(unittest.TestCase):
    def failure(self, *behaviours: Any, kind: Any = ForeignAnswer) -> Any:
        with FakeServer(*behaviours) as server, Client(server, Retry(attempts=1)) as f:
            with self.assertRaises(kind) as caught:
                f.functions.list()
        return caught.exception

    def test_answers_that_are_not_json(self) -> None:
        for body in (b"<html>", b"", b"[1", b"[NaN]", b"\xff[]", b"[" * 100_000):
            error = self.failure(Answer(body=body))
            self.assertIn("it is not JSON", str(error))
            self.assertEqual(error.status_code, 200)

    def test_json_of_another_type(self) -> None:
        self.assertIn("it is not a JSON array", str(self.failure(Answer({"a": 1}))))

    def test_redirects_are_not_followed(self) -> None:
        """Otherwise another server would receive the token."""
        for status in (301, 302, 303, 307, 308):
            with FakeServer(Answer([])) as other:
                error = self.failure(Answer("", status, {"Location": other.url + "/"}))
                self.assertEqual(other.requests, [])
            self.assertIn("it redirects to http://127.0.0.1:", str(error))
            self.assertEqual(error.status_code, status)

    def test_a_success_other_than_200(self) -> None:
        self.assertIn("it is not an error of faaspot", str(self.failure(Answer([], 202))))

    def test_errors_of_proxies(self) -> None:
        for status in (502, 503, 504):
            error = self.failure(Answer(status=status, body=b"<html>bad gateway</html>"), kind=Unavailable)
            self.assertEqual(error.status_code, status)
        self.assertEqual(self.failure(Answer(status=404, body=b"<html>")).status_code, 404)

    def test_an_answer_that_is_not_http(self) -> None:
        self.assertIn("is not HTTP", str(self.failure(Raw(b"SSH-2.0-OpenSSH_9.2\r\n"))))

    def test_an_answer_that_is_cut_off(self) -> None:
        for raw in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n[1,2]",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2]\r\n",
        ):
            self.assertIn("in the middle of its answer", str(self.failure(Raw(raw), kind=NoAnswer)))

    def test_an_answer_in_chunks(self) -> None:
        raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"
        with FakeServer(Raw(raw)) as server, Client(server) as f:
            self.assertEqual(f.functions.list(), [1, 2])

    def test_an_answer_that_is_too_long(self) -> None:
        with mock.patch("faaspot.transport._MAX_ANSWER", 1000):
            raw = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 5000
            self.assertIn("it is longer", str(self.failure(Raw(raw))))

    def test_an_error_of_old_servers(self) -> None:
        error = self.failure(Answer({"detail": "Not here."}, 404), kind=NotFound)
        self.assertEqual(str(error), "404 (Some Reason): Not here.")

    def test_401_has_a_hint_about_the_token(self) -> None:
        body = {"message": "no", "error_code": "unauthenticated"}
        self.assertIn("FAASPOT_TOKEN", self.failure(Answer(body, 401), kind=Unauthenticated).hint)


class Log(unittest.TestCase):
    def test_requests_are_logged_without_secrets(self) -> None:
        records: List[str] = []
        handler = _Handler(records)
        log = logging.getLogger("faaspot")
        level = log.level
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
        try:
            with FakeServer(Answer(BUSY, 429), Answer(ID)) as server, Client(server) as f:
                f.functions.run("hello", {"password": "hunter2"})
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
        text = "\n".join(records)
        self.assertRegex(text, r"POST /v1/functions/hello/rpc/: 429 in [0-9.]+ ms")
        self.assertRegex(text, r"again in 0.25 s")
        self.assertNotIn("hunter2", text)
        self.assertNotIn("Token", text)


class _Handler(logging.Handler):
    def __init__(self, records: List[str]) -> None:
        super().__init__()
        self.records = records

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())


class _WithExtraAnswer(Answer):
    """An answer, and after proceed is set an unexpected one."""

    def __init__(self, value: object, extra: bytes) -> None:
        super().__init__(value)
        self.extra = extra
        self.proceed = threading.Event()

    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        super().act(server, conn, request)
        self.proceed.wait(60)
        conn.sendall(self.extra)
        return True


class _ThenReset(Answer):
    """An answer, then a reset of the connection."""

    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        super().act(server, conn, request)
        reset(conn)
        return False


def _await_readable(f: Client) -> None:
    """Wait until the idle connection is readable: the server has closed it or sent something."""
    if not select.select([f.pool._idle[0].fileno()], [], [], 60)[0]:
        raise AssertionError("the idle connection did not become readable")


class Downloads(unittest.TestCase):
    """Bundles, whose answers are files."""

    ZIP = {"Content-Type": "application/zip"}

    def test_a_file_of_any_size(self) -> None:
        for content in (b"", b"PK", bytes(range(256)) * 10_000):
            server = FakeServer(
                Answer(BUSY, 503), Answer(body=content, headers=self.ZIP), Answer(body=content, headers=self.ZIP)
            )
            written = io.BytesIO()
            with server, Client(server) as f:
                self.assertEqual(f.functions.get_bundle("x"), content)
                f.functions.get_bundle("x", written)
                self.assertEqual(len({request.connection for request in server.requests}), 1)
            self.assertEqual(written.getvalue(), content)

    def test_a_file_that_is_cut_off(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: 9\r\n\r\n"
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.zip")
            for targets in ((), (path,), (io.BytesIO(),)):
                with FakeServer(Raw(head, b"PK")) as server, Client(server) as f, self.assertRaises(NoAnswer):
                    f.functions.get_bundle("x", *targets)
            self.assertEqual(os.listdir(folder), [])

    def test_what_is_no_bundle(self) -> None:
        large = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: 52428801\r\n\r\n"
        endless = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nTransfer-Encoding: chunked\r\n\r\n"
        for behaviour in (
            Answer("text"),
            Answer(body=b"PK", headers={"Content-Type": "text/html"}),
            Raw(large),
            Raw(endless),
        ):
            with FakeServer(behaviour) as server, Client(server) as f, self.assertRaises(ForeignAnswer):
                f.functions.get_bundle("x")
        missing = Answer({"message": "there is none", "error_code": "not_found"}, 404)
        with FakeServer(missing) as server, Client(server) as f, self.assertRaises(NotFound):
            f.functions.get_bundle("x")
