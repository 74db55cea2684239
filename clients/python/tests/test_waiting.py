"""Waiting for executions and following logs, with a fake server that misbehaves."""

from __future__ import annotations

import json
import threading
import unittest
from typing import Any, Dict, List, Optional
from unittest import mock

from faaspot import Retry
from faaspot.errors import ForeignAnswer, NoAnswer, NotFound, TooBusy, Unavailable, WaitTimeout

from .fakeserver import Answer, Behaviour, Close, Do, FakeServer, Raw, Silence
from .faketime import Client

ID = "019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4"
BUSY = {"message": "1000 requests wait already", "error_code": "too_busy"}
STOPPING = {"message": "the server is shutting down", "error_code": "unavailable"}
MISSING = {"message": "there is no execution with this id", "error_code": "not_found"}


def execution(status: str, uuid: str = ID) -> Answer:
    return Answer({"uuid": uuid, "status": status})


class Waiting(unittest.TestCase):
    def test_repeats_the_request_until_the_execution_is_done(self) -> None:
        server = FakeServer()
        with server, Client(server) as f:
            # The server waits for as long as the request asks.
            for status in ("Pending", "Started"):
                server.add(Do(lambda: f.time.sleep(50), execution(status)))
            server.add(execution("Success"))
            self.assertEqual(f.executions.get(ID, wait=True)["status"], "Success")
            self.assertEqual([each.target for each in server.requests], ["/v1/executions/" + ID + "?wait=50.000"] * 3)
            self.assertEqual(f.time.slept, [50, 50], "the client itself does not wait")

    def test_every_final_status_ends_the_wait(self) -> None:
        for status in ("Success", "Failed", "Cancelled"):
            with FakeServer(execution(status)) as server, Client(server) as f:
                self.assertEqual(f.executions.get(ID, wait=True)["status"], status)

    def test_the_client_pauses_if_the_server_does_not_wait(self) -> None:
        with FakeServer(execution("Started"), execution("Started"), execution("Failed")) as server, Client(server) as f:
            f.executions.get(ID, wait=True)
            self.assertEqual(f.time.slept, [1, 1])

    def test_operations_are_asked_for_each_second(self) -> None:
        running, done = Answer({"uuid": ID, "state": "running"}), Answer({"uuid": ID, "state": "cancelled"})
        with FakeServer(running, running, done) as server, Client(server) as f:
            self.assertEqual(f.operations.get(ID, wait=True)["state"], "cancelled")
            self.assertEqual([each.target for each in server.requests], ["/v1/operations/" + ID] * 3)
            self.assertEqual(f.time.slept, [1, 1])
        with FakeServer(running, running, running) as server, Client(server) as f:
            with self.assertRaises(WaitTimeout) as caught:
                f.operations.get(ID, wait=True, wait_timeout=1.5)
            self.assertIn("operations.get", caught.exception.hint or "")
            self.assertEqual(f.time.slept, [1, 0.5])

    def test_wait_timeout(self) -> None:
        server = FakeServer()
        with server, Client(server) as f:
            server.add(
                Do(lambda: f.time.sleep(50), execution("Pending")), Do(lambda: f.time.sleep(20), execution("Started"))
            )
            with self.assertRaises(WaitTimeout) as caught:
                f.executions.get(ID, wait=True, wait_timeout=70)
            self.assertEqual([each.target[-11:] for each in server.requests], ["wait=50.000", "wait=20.000"])
            self.assertEqual(caught.exception.execution_id, ID)
            self.assertEqual(caught.exception.execution, {"uuid": ID, "status": "Started"})
            self.assertIn("wait=True", caught.exception.hint or "")

    def test_polls_if_too_many_requests_wait(self) -> None:
        server = FakeServer(Answer(BUSY, 429), execution("Started"), Answer(BUSY, 429), execution("Success"))
        with server, Client(server) as f:
            self.assertEqual(f.executions.get(ID, wait=True)["status"], "Success")
            self.assertEqual([("wait" in each.target) for each in server.requests], [True, False, True, False])
            self.assertEqual(f.time.slept, [1])

    def test_waiting_survives_a_restart(self) -> None:
        server = FakeServer(
            execution("Started"), Close(), Answer(STOPPING, 503), Close(), Close(), execution("Success")
        )
        with server, Client(server) as f:
            self.assertEqual(f.executions.get(ID, wait=True)["status"], "Success")

    def test_waiting_survives_a_restart_between_two_requests(self) -> None:
        with FakeServer() as server, Client(server) as f:
            server.add(Do(server.refuse, Answer({"uuid": ID, "status": "Started"}, close=True)), execution("Success"))
            f.time.on_sleep = lambda: server.listen() if len(f.time.slept) == 3 else None
            self.assertEqual(f.executions.get(ID, wait=True)["status"], "Success")

    def test_waiting_survives_a_restart_during_the_first_request(self) -> None:
        with FakeServer() as server, Client(server) as f:
            server.add(Do(server.refuse, Close()), execution("Success"))
            f.time.on_sleep = lambda: server.listen() if len(f.time.slept) == 3 else None
            self.assertEqual(f.executions.get(ID, wait=True)["status"], "Success")

    def test_the_client_does_not_wait_for_a_server_that_it_never_reached(self) -> None:
        with FakeServer() as server, Client(server) as f:
            pass
        with self.assertRaises(NoAnswer):
            f.executions.get(ID, wait=True)
        self.assertEqual(f.time.slept, [])

    def test_wait_timeout_bounds_the_wait_for_an_absent_server(self) -> None:
        with FakeServer(execution("Started"), *[Answer(STOPPING, 503)] * 20) as server, Client(server) as f:
            start = f.time.now
            with self.assertRaises(Unavailable):
                f.executions.get(ID, wait=True, wait_timeout=4)
            self.assertLessEqual(f.time.now - start, 4)

    def test_several_executions(self) -> None:
        ids = ["a", "b", "c"]
        server = FakeServer(
            Answer(
                [
                    {"uuid": "a", "status": "Success"},
                    {"uuid": "b", "status": "Started"},
                    {"uuid": "c", "status": "Pending"},
                ]
            ),
            execution("Success", "c"),
            Answer([{"uuid": "b", "status": "Started"}, {"uuid": "c", "status": "Success"}]),
            execution("Failed", "b"),
            Answer([{"uuid": "b", "status": "Failed"}]),
            Answer([{"uuid": each, "status": "Success"} for each in ids]),
        )
        with server, Client(server) as f:
            self.assertEqual([each["uuid"] for each in f.executions.get(ids, wait=True)], ids)
            self.assertEqual([each.json() for each in server.requests if each.body], [ids, ["b", "c"], ["b"], ids])
            waited = [each.target for each in server.requests if not each.body]
            self.assertEqual(waited, ["/v1/executions/c?wait=50.000", "/v1/executions/b?wait=50.000"])

    def test_several_executions_with_an_unknown_id(self) -> None:
        answer = [{"uuid": "a", "status": "NotFound"}, {"uuid": "b", "status": "Success"}]
        with FakeServer(Answer(answer)) as server, Client(server) as f:
            self.assertEqual(f.executions.get(["a", "b"], wait=True), answer)

    def test_wait_timeout_for_several_executions(self) -> None:
        server = FakeServer()
        with server, Client(server) as f:
            server.add(
                Answer([{"uuid": "a", "status": "Started"}]), Do(lambda: f.time.sleep(5), execution("Started", "a"))
            )
            with self.assertRaises(WaitTimeout) as caught:
                f.executions.get(["a"], wait=True, wait_timeout=5)
            self.assertEqual(str(caught.exception), "1 of 1 executions are not done after 5 s")


class Stream(Behaviour):
    """Sends server-sent events, then acts as another behaviour."""

    def __init__(self, *events: bytes, end: Optional[Behaviour] = None) -> None:
        self.events, self.end = events, end

    def act(self, server: FakeServer, conn: Any, request: Any) -> bool:
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in self.events:
            conn.sendall(b"%x\r\n%s\r\n" % (len(event), event))
        if self.end is not None:
            return self.end.act(server, conn, request)
        conn.sendall(b"0\r\n\r\n")
        return True


def log(text: str, id: str, stream: str = "stdout") -> bytes:
    data = json.dumps({"stream": stream, "text": text})
    return "event: log\nid: {}\ndata: {}\n\n".format(id, data).encode()


def attempt(number: int) -> bytes:
    return b'event: attempt\ndata: {"attempt": %d}\n\n' % number


END = b'event: end\ndata: {"status": "Success"}\n\n'
HEARTBEAT = b": \n\n"


class Following(unittest.TestCase):
    def follow(self, *behaviours: Behaviour, retry: Optional[Retry] = None) -> List[Dict[str, Any]]:
        self.got: List[Any] = []
        server = FakeServer(*behaviours)
        with server, Client(server, retry) as f:
            self.slept = f.time.slept
            self.requests = server.requests
            for entry in f.executions.follow_logs(ID):
                self.got.append(entry)
        return self.got

    def positions(self) -> List[Optional[str]]:
        return [each.headers.get("last-event-id") for each in self.requests]

    def test_all_entries_until_the_end(self) -> None:
        self.assertEqual(
            self.follow(Stream(log("a\n", "1.2"), HEARTBEAT, log("é\u2028", "1.6", "stderr"), END)),
            [
                {"stream": "stdout", "text": "a\n", "restarted": False},
                {"stream": "stderr", "text": "é\u2028", "restarted": False},
            ],
        )
        self.assertEqual(self.requests[0].target, "/v1/executions/" + ID + "/logs?follow=1")
        self.assertEqual(self.requests[0].headers["accept"], "text/event-stream")

    def test_reconnects_at_the_last_position(self) -> None:
        entries = self.follow(
            Stream(log("a", "1.1"), log("b", "1.2"), end=Close()),
            Stream(end=Close(reset=True)),
            Stream(log("c", "1.3")),  # the server ends long streams
            Stream(HEARTBEAT, end=Close()),
            Stream(END),
        )
        self.assertEqual([each["text"] for each in entries], ["a", "b", "c"])
        self.assertEqual(self.positions(), [None, "1.2", "1.2", "1.3", "1.3"])
        self.assertEqual(self.slept, [0.25] * 4)

    def test_an_event_that_was_cut_off_is_returned_once(self) -> None:
        whole = log("abc", "1.3")
        entries = self.follow(Stream(log("x", "1.0"), whole[:-1], end=Close()), Stream(whole, END))
        self.assertEqual([each["text"] for each in entries], ["x", "abc"])
        self.assertEqual(self.positions(), [None, "1.0"])

    def test_a_further_attempt_is_marked(self) -> None:
        entries = self.follow(Stream(log("a", "1.1"), attempt(2), log("b", "2.1"), log("c", "2.2"), END))
        self.assertEqual(
            [(each["text"], each["restarted"]) for each in entries], [("a", False), ("b", True), ("c", False)]
        )

    def test_a_further_attempt_is_marked_after_a_lost_connection(self) -> None:
        entries = self.follow(
            Stream(log("a", "1.1"), attempt(2), end=Close()), Stream(attempt(2), log("b", "2.1"), END)
        )
        self.assertEqual([(each["text"], each["restarted"]) for each in entries], [("a", False), ("b", True)])

    def test_a_silent_connection_counts_as_lost(self) -> None:
        with mock.patch("faaspot.follow._READ_TIMEOUT", 0.05):
            entries = self.follow(Stream(log("a", "1.1"), end=Silence()), Stream(END))
        self.assertEqual([each["text"] for each in entries], ["a"])

    def test_following_survives_a_restart(self) -> None:
        self.follow(Stream(HEARTBEAT, end=Close()), Close(), Answer(STOPPING, 503, {"Retry-After": "3"}), Stream(END))
        self.assertEqual(self.slept, [0.25, 0.25, 3])

    def test_too_many_requests_follow(self) -> None:
        with self.assertRaises(TooBusy):
            self.follow(*[Answer(BUSY, 429, {"Retry-After": "5"})] * 9, retry=Retry(attempts=3))
        self.assertEqual(self.slept, [5, 5])

    def test_gives_up_without_new_lines(self) -> None:
        with self.assertRaises(NoAnswer):
            self.follow(Stream(log("a", "1.1"), end=Close()), *[Close()] * 9, retry=Retry(attempts=4))
        self.assertEqual(len(self.requests), 1 + 4)
        with self.assertRaises(ForeignAnswer):
            self.follow(*[Stream()] * 9, retry=Retry(attempts=4))
        self.assertEqual(len(self.requests), 4)

    def test_an_execution_that_disappears_is_an_error(self) -> None:
        with self.assertRaises(NotFound):
            self.follow(Stream(log("a", "1.1"), end=Close()), Answer(MISSING, 404))
        self.assertEqual(len(self.got), 1)

    def test_events_that_are_not_valid(self) -> None:
        for data in (b"[]", b"{}", b"x", b'"stream"', b"1"):
            with self.assertRaises(ForeignAnswer):
                self.follow(Stream(b"event: log\ndata: " + data + b"\n\n"))

    def test_a_line_that_is_too_long(self) -> None:
        with self.assertRaises(ForeignAnswer):
            self.follow(Raw(b"HTTP/1.1 200 OK\r\n\r\ndata: " + b"x" * (1 << 20)))

    def test_closing_closes_the_connection(self) -> None:
        closed = _AwaitClose()
        with FakeServer(Stream(log("a", "1.1"), end=closed)) as server, Client(server) as f:
            entries = f.executions.follow_logs(ID)
            self.assertEqual(next(entries)["text"], "a")
            entries.close()
            self.assertTrue(closed.seen.wait(60))


class _AwaitClose(Behaviour):
    """Waits until the client closes the connection."""

    def __init__(self) -> None:
        self.seen = threading.Event()

    def act(self, server: FakeServer, conn: Any, request: Any) -> bool:
        if conn.recv(1) == b"":
            self.seen.set()
        return False
