"""Threads share connections, processes do not."""

from __future__ import annotations

import os
import socket
import sys
import threading
import unittest
import warnings
from typing import Callable, List

from .fakeserver import Answer, Behaviour, Do, FakeServer, ReceivedRequest
from .faketime import Client


class Threads(unittest.TestCase):
    def test_each_thread_gets_its_own_answers(self) -> None:
        """Many threads with few idle connections: the test fails if an answer reaches the wrong
        thread."""
        threads, rounds, limit = 16, 40, 4

        with FakeServer(*[_Echo()] * (threads * rounds)) as server, Client(server, pool_size=limit) as f:
            wrong: List[object] = []

            def work(number: int) -> None:
                try:
                    for each in range(rounds):
                        sent = {"thread": number, "round": each}
                        got = f.functions.run("echo", sent, wait=True)
                        if got != sent:
                            wrong.append((sent, got))
                except BaseException as err:
                    wrong.append(err)

            _in_threads(threads, work)
            self.assertEqual(wrong, [])
            self.assertEqual(len(server.requests), threads * rounds)
            self.assertLessEqual(len(f.pool._idle), limit)

    def test_the_number_of_idle_connections_is_bounded(self) -> None:
        count, limit = 6, 2
        meeting = threading.Barrier(count)
        together = [Do(lambda: meeting.wait(60), Answer([]))] * count
        with FakeServer(*together) as server, Client(server, pool_size=limit) as f:
            _in_threads(count, lambda _: f.functions.list())
            self.assertEqual(server.connections, count)
            self.assertEqual(len(f.pool._idle), limit)

    def test_the_most_recently_used_connection_is_used_first(self) -> None:
        meeting = threading.Barrier(2)
        together = [Do(lambda: meeting.wait(60), Answer([]))] * 2
        with FakeServer(*together, Answer([]), Answer([])) as server, Client(server) as f:
            _in_threads(2, lambda _: f.functions.list())
            f.functions.list()
            f.functions.list()
            self.assertEqual(server.requests[2].connection, server.requests[3].connection)

    def test_close_closes_idle_connections(self) -> None:
        with FakeServer(Answer([]), Answer([])) as server, Client(server) as f:
            f.functions.list()
            f.pool.close()
            f.pool.close()
            self.assertEqual(f.pool._idle, [])
            f.functions.list()
            self.assertEqual(server.connections, 2)


@unittest.skipUnless(hasattr(os, "fork"), "this system has no fork")
class Processes(unittest.TestCase):
    def test_a_forked_process_opens_its_own_connections(self) -> None:
        with FakeServer(Answer(["parent"]), Answer(["child"]), Answer(["parent"])) as server, Client(server) as f:
            f.functions.list()
            with warnings.catch_warnings():
                # Python warns that the child lacks the threads of the server; it does not need them.
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = 0 if list(map(str, f.functions.list())) == ["child"] else 2
                finally:
                    os._exit(status)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            self.assertEqual(list(map(str, f.functions.list())), ["parent"])
            self.assertEqual([each.connection for each in server.requests], [0, 1, 0])


class _Echo(Behaviour):
    def act(self, server: FakeServer, conn: socket.socket, request: ReceivedRequest) -> bool:
        return Answer(request.json()).act(server, conn, request)


def _in_threads(count: int, work: Callable[[int], object]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
