"""Exceptions: their texts, attributes and classes."""

from __future__ import annotations

import copy
import pickle
import sys
import traceback
import unittest

import faaspot
from faaspot import FaaspotException, NoAnswer, RunFailed, WaitTimeout
from faaspot.errors import error_class, from_fields


class Exceptions(unittest.TestCase):
    def test_prints_status_reason_and_message(self) -> None:
        error = FaaspotException("no such function", "Not Found", None, 404, "not_found")
        self.assertEqual(str(error), "404 (Not Found): no such function")
        self.assertEqual(error.args[0], "no such function")

    def test_prints_the_message_if_there_was_no_answer(self) -> None:
        self.assertEqual(str(FaaspotException("no server")), "no server")

    def test_prints_no_control_characters(self) -> None:
        error = FaaspotException("a\x1b[2Jb\n\u00e9", "r", "f\x07\x9b", 500)
        self.assertEqual(str(error), "500 (r): a\ufffd[2Jb\n\u00e9")
        self.assertEqual(error.message, "a\x1b[2Jb\n\u00e9")
        self.assertEqual(error.__notes__, ["f\ufffd\ufffd"])

    def test_arguments_have_the_names_of_the_contract(self) -> None:
        error = FaaspotException(message="m", reason="r", server_traceback="t", status_code=500, error_code="c")
        self.assertEqual(
            (error.message, error.reason, error.server_traceback, error.status_code, error.error_code),
            ("m", "r", "t", 500, "c"),
        )

    def test_fields_of_an_answer(self) -> None:
        error = from_fields(
            {
                "message": "KeyError: 'name'",
                "error_code": "function_error",
                "server_traceback": "Traceback ...\n",
                "line": 2,
                "error_type": "KeyError",
                "execution_id": "id",
                "hint": "give a name",
            },
            status=500,
            reason="Internal Server Error",
        )
        self.assertIsInstance(error, RunFailed)
        self.assertEqual(str(error), "500 (Internal Server Error): KeyError: 'name'")
        self.assertEqual((error.line, error.error_type, error.execution_id), (2, "KeyError", "id"))
        self.assertEqual((error.hint, error.server_traceback), ("give a name", "Traceback ...\n"))

    def test_fields_of_wrong_types_are_ignored(self) -> None:
        error = from_fields({"message": 3, "error_code": [], "line": "2", "hint": {}}, status=400, reason="Bad")
        self.assertEqual(str(error), "400 (Bad): there is no message")
        self.assertEqual((error.error_code, error.line, error.hint), (None, None, None))

    def test_classes_by_code_and_status(self) -> None:
        for code, status, kind in [
            ("invalid_argument", 400, "InvalidRequest"),
            ("deploy_failed", 400, "DeployFailed"),
            ("rejected", 400, "RunFailed"),
            ("unauthenticated", 401, "Unauthenticated"),
            ("not_found", 404, "NotFound"),
            ("method_not_allowed", 405, "InvalidRequest"),
            ("already_exists", 409, "AlreadyExists"),
            ("conflict", 409, "Conflict"),
            ("too_large", 413, "TooLarge"),
            ("too_busy", 429, "TooBusy"),
            ("function_error", 500, "RunFailed"),
            ("memory", 500, "RunFailed"),
            ("cancelled", 500, "RunFailed"),
            ("internal", 500, "ServerError"),
            ("unavailable", 503, "Unavailable"),
            ("timeout", 504, "RunFailed"),
            (None, 403, "Unauthenticated"),
            (None, 504, "Unavailable"),
            ("a future code", 418, "InvalidRequest"),
            ("a future code", 507, "ServerError"),
            ("a future code", None, "FaaspotException"),
        ]:
            with self.subTest(code=code, status=status):
                self.assertIs(error_class(status, code), getattr(faaspot, kind))

    def test_pickle_and_copy(self) -> None:
        for error in (
            FaaspotException("m", "r", "t", 500, "c", hint="h", line=3),
            NoAnswer("m", hint="h", sent=True, timed_out=True),
            WaitTimeout("m", execution_id="id", execution={"uuid": "id"}),
        ):
            for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
                self.assertIs(type(copied), type(error))
                self.assertEqual(vars(copied), vars(error))
                self.assertEqual((str(copied), copied.args), (str(error), error.args))

    @unittest.skipIf(sys.version_info < (3, 11), "tracebacks have no notes before Python 3.11")
    def test_tracebacks_show_the_hint(self) -> None:
        error = FaaspotException("m", server_traceback="File hello\n", hint="do this", error_id="e-1")
        text = "".join(traceback.format_exception(type(error), error, None))
        self.assertEqual(text, "faaspot.errors.FaaspotException: m\nFile hello\nhint: do this\nerror id: e-1\n")
