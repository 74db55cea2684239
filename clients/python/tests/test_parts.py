"""The small modules: retry, events, pages, code_input and arguments."""

from __future__ import annotations

import io
import tempfile
import unittest
from pathlib import Path
from typing import Any, List

from faaspot import Retry, arguments
from faaspot.code_input import read_code
from faaspot.events import Event, parse
from faaspot.pages import next_path
from faaspot.retry import parse_retry_after

from .fakeserver import Answer, FakeServer
from .faketime import Client


class RetryAfter(unittest.TestCase):
    def test_header(self) -> None:
        now = 1_500_000_000.0  # Fri, 14 Jul 2017 02:40:00 GMT
        for value, want in [
            (None, None),
            ("0", 0.0),
            (" 12 ", 12.0),
            ("9" * 5000, 999_999_999.0),
            ("Fri, 14 Jul 2017 02:40:30 GMT", 30.0),
            ("Fri, 14 Jul 2017 02:39:00 GMT", 0.0),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("²", None),
            ("Fri, 99 Jul 2017 02:40:30 GMT", None),
        ]:
            with self.subTest(value=value):
                self.assertEqual(parse_retry_after(value, now), want)

    def test_random_numbers_spread_clients(self) -> None:
        retry = Retry(first_delay=1, longest_delay=8)
        self.assertEqual([retry.delay(n, None, 0.0) for n in (1, 2, 3, 4, 5)], [1, 2, 4, 8, 8])
        self.assertEqual([retry.delay(n, None, 1.0) for n in (1, 2, 3, 4, 5)], [0.5, 1, 2, 4, 4])
        self.assertEqual(
            [retry.delay(1, 5, chance) for chance in (0.0, 1.0)], [5, 6], "never earlier than the server asks"
        )
        self.assertEqual(retry.delay(100_000, None, 0.0), 8)

    def test_bounds(self) -> None:
        for wrong in ({"attempts": 0}, {"total": -1}, {"first_delay": 0}, {"first_delay": 9, "longest_delay": 8}):
            with self.subTest(wrong), self.assertRaises(ValueError):
                Retry(**wrong)


class Events(unittest.TestCase):
    def events(self, text: bytes) -> List[Event]:
        return list(parse(io.BytesIO(text)))

    def test_examples_of_the_standard(self) -> None:
        """The examples of the HTML standard, section 9.2.6."""
        self.assertEqual(self.events(b"data: YHOO\ndata: +2\ndata: 10\n\n"), [Event("message", "YHOO\n+2\n10", None)])
        self.assertEqual(
            self.events(
                b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
            ),
            [
                Event("message", "first event", "1"),
                Event("message", "second event", ""),
                Event("message", " third event", ""),
            ],
        )
        self.assertEqual(
            self.events(b"data\n\ndata\ndata\n\ndata:"), [Event("message", "", None), Event("message", "\n", None)]
        )

    def test_line_ends(self) -> None:
        want = [Event("log", "a", "1"), Event("message", "b", "1")]
        self.assertEqual(self.events(b"\xef\xbb\xbfevent: log\r\nid: 1\r\ndata: a\r\n\r\nretry: 5\ndata: b\n\n"), want)

    def test_an_incomplete_event_is_dropped(self) -> None:
        self.assertEqual(self.events(b"data: a\n\ndata: b\n"), [Event("message", "a", None)])
        self.assertEqual(self.events(b"data: a\n\ndata: b\n\r"), [Event("message", "a", None)])

    def test_an_event_without_data_is_dropped(self) -> None:
        self.assertEqual(self.events(b"event: log\nid: 4\n\ndata: x\n\n"), [Event("message", "x", "4")])

    def test_an_id_with_nul_is_ignored(self) -> None:
        self.assertEqual(self.events(b"id: 1\0\ndata: x\n\n"), [Event("message", "x", None)])


class Pages(unittest.TestCase):
    def test_header(self) -> None:
        for link, want in [
            (None, None),
            ("", None),
            ('</v1/functions/?after=a&limit=2>; rel="next"', "/v1/functions/?after=a&limit=2"),
            ("</v1/x?y>; rel=next", "/v1/x?y"),
            ('</a>; rel="prev", </b>; title="a, b; rel=next"; rel="last next"', "/b"),
            ('</a>; rel="nextish", </c>; rel=next2', None),
            ('</a>; title="rel=next"', None),
            ('<https://elsewhere/v1/x?cursor=1>; rel="next"', "/v1/x?cursor=1"),
            ('<//elsewhere/v1/x>; rel="next"', "/v1/x"),
            ('<?cursor=1>; rel="next"', None),
        ]:
            with self.subTest(link):
                self.assertEqual(next_path(link), want)

    def test_all_pages_are_read(self) -> None:
        server = FakeServer(
            Answer([1, 2], headers={"Link": '</v1/functions/?after=2>; rel="next"'}),
            Answer([], headers={"Link": '<http://elsewhere/v1/functions/?after=3>; rel="next"'}),
            Answer([3]),
        )
        with server, Client(server) as f:
            self.assertEqual(f.functions.list(), [1, 2, 3])
            self.assertEqual(
                [each.target for each in server.requests][1:], ["/v1/functions/?after=2", "/v1/functions/?after=3"]
            )

    def test_a_page_that_is_not_needed_is_not_requested(self) -> None:
        server = FakeServer(Answer([1, 2], headers={"Link": '</v1/executions/?cursor=2>; rel="next"'}))
        with server, Client(server) as f:
            self.assertEqual(f.executions.list(limit=2), [1, 2])
            self.assertEqual(f.executions.list(limit=0), [])
            self.assertEqual(len(server.requests), 1)

    def test_a_page_that_names_itself_as_the_next_is_an_error(self) -> None:
        link = {"Link": '</v1/functions/>; rel="next"'}
        with FakeServer(*[Answer([1], headers=link)] * 3) as server, Client(server) as f:
            with self.assertRaisesRegex(Exception, "names itself"):
                f.functions.list()
            self.assertEqual(len(server.requests), 1)


class CodeInputs(unittest.TestCase):
    def test_paths_and_files(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hello.py"
            path.write_bytes("é = 1\r\n".encode())
            want = "é = 1\r\n"
            self.assertEqual(read_code(str(path), "file"), want)
            self.assertEqual(read_code(path, "file"), want)
            with open(path, "rb") as binary, open(path, encoding="utf-8", newline="") as text:
                self.assertEqual(read_code(binary, "file"), want)
                self.assertEqual(read_code(text, "file"), want)
            self.assertEqual(read_code(io.StringIO("x"), "file"), "x")

            path.write_bytes(b"# coding: latin-1\n\xe9 = 1\n")
            with self.assertRaisesRegex(ValueError, "hello.py is not UTF-8"):
                read_code(path, "file")
            with self.assertRaises(FileNotFoundError):
                read_code(Path(folder) / "absent", "file")

    def test_neither_a_path_nor_a_file(self) -> None:
        wrong: Any = 3
        with self.assertRaisesRegex(TypeError, "file must be a path or an open file, not int"):
            read_code(wrong, "file")

        class Odd:
            def read(self) -> int:
                return 3

        odd: Any = Odd()
        with self.assertRaisesRegex(TypeError, "must return text or bytes, not int"):
            read_code(odd, "file")


class Arguments(unittest.TestCase):
    def test_definitions(self) -> None:
        with FakeServer(*[Answer("id")] * 5) as server, Client(server) as f:
            f.functions.create("a", io.StringIO("code"), io.StringIO("k = 1"), timeout=1.5, memory=64, retries=0)
            f.functions.update("a", allow=("a.example:443",))
            f.functions.update("a", context_file=io.StringIO(""), new_name="b")
            f.functions.update("a", timeout=2)
            f.functions.delete("a")
            self.assertEqual(
                [(each.method, each.target, each.json() if each.body else None) for each in server.requests],
                [
                    (
                        "PUT",
                        "/v1/functions/",
                        {
                            "name": "a",
                            "code": "code",
                            "context": "k = 1",
                            "encoding": "plain",
                            "timeout": 1.5,
                            "memory": 64,
                            "retries": 0,
                        },
                    ),
                    ("PATCH", "/v1/functions/a", {"allow": ["a.example:443"]}),
                    ("PATCH", "/v1/functions/a", {"context": "", "encoding": "plain", "name": "b"}),
                    ("PATCH", "/v1/functions/a", {"timeout": 2}),
                    ("DELETE", "/v1/functions/a", None),
                ],
            )

    def test_names_are_escaped_in_paths(self) -> None:
        with FakeServer(Answer({}), Answer({})) as server, Client(server) as f:
            f.functions.get("a/b?c#d é%")
            f.executions.get("../functions")
            self.assertEqual(
                [each.target for each in server.requests],
                ["/v1/functions/a%2Fb%3Fc%23d%20%C3%A9%25?encoding=plain", "/v1/executions/..%2Ffunctions"],
            )
            for wrong in ("", ".", ".."):
                with self.assertRaises(ValueError):
                    f.functions.delete(wrong)
            with self.assertRaises(TypeError):
                f.functions.get(None)  # type: ignore[arg-type]
            self.assertEqual(len(server.requests), 2)

    def test_parameters(self) -> None:
        self.assertEqual(arguments.encode_parameters(None), b"{}")
        self.assertEqual(
            arguments.encode_parameters({"é": [1, None, True, 1.5, "\u2028"]}),
            '{"é":[1,null,true,1.5,"\u2028"]}'.encode(),
        )
        for wrong, kind in [
            ([1], TypeError),
            ("a=b", TypeError),
            ({1: 2}, TypeError),
            ({"a": {1}}, TypeError),
            ({"a": float("nan")}, ValueError),
            ({"a": "\ud800"}, ValueError),
        ]:
            with self.subTest(wrong), self.assertRaises(kind) as caught:
                arguments.encode_parameters(wrong)  # type: ignore[arg-type]
            self.assertIn("parameters", str(caught.exception))

    def test_parameters_of_a_bulk(self) -> None:
        with FakeServer() as server, Client(server) as f:
            for wrong in ({"a": 1}, "[]", [{"a": 1}, 3], [{2: 3}]):
                with self.subTest(wrong), self.assertRaises(TypeError):
                    f.functions.run_bulk("hello", wrong)  # type: ignore[arg-type]
            self.assertEqual(server.requests, [])

    def test_idempotency_keys(self) -> None:
        for wrong in ("", "a\nb", "é", "x" * 256):
            with self.subTest(wrong), self.assertRaises(ValueError):
                arguments.check_key(wrong)
        self.assertEqual(arguments.check_key("x" * 255), "x" * 255)

    def test_timeouts(self) -> None:
        for wrong in (0, -1, float("nan"), float("inf"), 86401):
            with self.subTest(wrong), self.assertRaises(ValueError):
                arguments.check_seconds(wrong, "timeout")
        for odd in ("1", True, None):
            with self.subTest(odd), self.assertRaises(TypeError):
                arguments.check_seconds(odd, "timeout")  # type: ignore[arg-type]

    def test_allow(self) -> None:
        self.assertEqual(arguments.check_allow(iter(["a:1", "b:2"])), ["a:1", "b:2"])
        for wrong in ("a:1", b"a:1", [1], [None], 3):
            with self.subTest(wrong), self.assertRaises(TypeError):
                arguments.check_allow(wrong)  # type: ignore[arg-type]

    def test_retries(self) -> None:
        for wrong in ("1", 1.0, True):
            with self.subTest(wrong), self.assertRaises(TypeError):
                arguments.check_retries(wrong)  # type: ignore[arg-type]

    def test_lists_of_ids_and_filters(self) -> None:
        with FakeServer() as server, Client(server) as f:
            with self.assertRaises(TypeError):
                f.executions.get_bulk("one id")
            with self.assertRaises(ValueError):
                f.executions.list(status=[])
            with self.assertRaises(ValueError):
                f.executions.list(limit=-1)
            self.assertEqual(f.executions.get_bulk([]), [])
            self.assertEqual(server.requests, [])
