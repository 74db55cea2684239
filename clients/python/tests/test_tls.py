"""TLS: the client verifies the certificates of servers unless ssl_trust_all is set."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from faaspot import Faaspot, FaaspotException, NoAnswer, Retry

from .fakeserver import Answer, FakeServer, Tunnel


class Verification(unittest.TestCase):
    folder: tempfile.TemporaryDirectory[str]
    certificate: Path
    other: Path

    @classmethod
    def setUpClass(cls) -> None:
        if shutil.which("openssl") is None:
            missing = "openssl, which creates the certificates, is not installed"
            assert not os.environ.get("CI"), missing
            raise unittest.SkipTest(missing)
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.certificate = cls.create_certificate("right", "IP:127.0.0.1,DNS:localhost")
        cls.other = cls.create_certificate("other", "DNS:elsewhere.example.com")

    @classmethod
    def create_certificate(cls, name: str, names: str) -> Path:
        """Create a self-signed certificate, with its key beside it. Return the path of the certificate."""
        path = Path(cls.folder.name) / (name + ".pem")
        key = path.with_suffix(".key")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            + ["-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=" + names]
            + ["-keyout", str(key), "-out", str(path)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return path

    def serve(self, certificate: Path, *behaviours: Answer) -> FakeServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        return FakeServer(*behaviours, tls=context)

    def client(self, url: str, **options: Any) -> Faaspot:
        return Faaspot(url=url, token="t", retry=Retry(attempts=1), **options)

    def test_an_authority_that_is_not_trusted(self) -> None:
        with self.serve(self.certificate, Answer([])) as server, self.client(server.url) as f:
            with self.assertRaisesRegex(NoAnswer, "signed by an authority that is not trusted") as caught:
                f.functions.list()
            self.assertIn("ssl_certificate", caught.exception.hint or "")
            self.assertEqual(server.requests, [], "the token is not sent")

    def test_an_authority_that_is_trusted(self) -> None:
        with self.serve(self.certificate, Answer([]), Answer([1])) as server:
            with self.client(server.url, ssl_certificate=str(self.certificate)) as f:
                self.assertEqual(f.functions.list(), [])
                self.assertEqual(f.functions.list(), [1])
                self.assertEqual(server.connections, 1)

    def test_a_certificate_for_another_name(self) -> None:
        with self.serve(self.other, Answer([])) as server:
            with self.client(server.url, ssl_certificate=str(self.other)) as f:
                with self.assertRaisesRegex(NoAnswer, "is not valid for it.*127.0.0.1"):
                    f.functions.list()
            self.assertEqual(server.requests, [])

    def test_trust_all(self) -> None:
        with self.serve(self.other, Answer([1])) as server, self.client(server.url, ssl_trust_all=True) as f:
            self.assertEqual(f.functions.list(), [1])

    def test_through_a_proxy(self) -> None:
        """The proxy cannot read the traffic, and the certificate is verified for the server's name."""
        with self.serve(self.other, Answer([1]), Answer([2])) as server, FakeServer(Tunnel(server.port)) as proxy:
            variables = {"HTTPS_PROXY": "http://u:p@127.0.0.1:{}".format(proxy.port), "NO_PROXY": "", "no_proxy": ""}
            with mock.patch.dict("os.environ", variables):
                url = "https://elsewhere.example.com"
                with self.client(url, ssl_certificate=str(self.other)) as f:
                    self.assertEqual(f.functions.list(), [1])
                    self.assertEqual(f.functions.list(), [2])
            self.assertEqual([each.target for each in proxy.requests], ["elsewhere.example.com:443"])
            self.assertEqual([each.headers["host"] for each in server.requests], ["elsewhere.example.com"] * 2)
            self.assertEqual([each.target for each in server.requests], ["/v1/functions/"] * 2)
            self.assertIn("proxy-authorization", proxy.requests[0].headers)
            self.assertNotIn("proxy-authorization", server.requests[0].headers)

    def test_an_idle_connection_that_was_closed(self) -> None:
        with self.serve(self.certificate, Answer([], close=True), Answer([1])) as server:
            with self.client(server.url, ssl_certificate=str(self.certificate)) as f:
                f.functions.list()
                self.assertEqual(f.functions.list(), [1])

    def test_a_server_without_tls(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))

        def answer() -> None:
            conn, _ = listener.accept()
            with conn:
                conn.recv(1000)
                conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with listener, self.client("https://127.0.0.1:{}".format(listener.getsockname()[1])) as f:
            thread = threading.Thread(target=answer)
            thread.start()
            with self.assertRaisesRegex(NoAnswer, "the TLS handshake with .* failed") as caught:
                f.functions.list()
            thread.join()
        self.assertIn("ssl_enabled", caught.exception.hint or "")

    def test_a_server_with_tls_only(self) -> None:
        with self.serve(self.certificate) as server, self.client(server.url.replace("https:", "http:")) as f:
            with self.assertRaises(FaaspotException):
                f.functions.list()

    def test_a_file_without_certificates(self) -> None:
        for path, want in (
            ("/dev/null", "contains no certificate"),
            ("/nonexistent/ca.pem", "cannot read ssl_certificate"),
        ):
            with self.client("https://127.0.0.1:1", ssl_certificate=path) as f:
                with self.assertRaisesRegex(FaaspotException, want):
                    f.functions.list()
