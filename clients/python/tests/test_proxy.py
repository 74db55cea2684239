"""Choosing a proxy and sending requests through it."""

from __future__ import annotations

import unittest
from typing import Dict, List, Optional, Tuple
from unittest import mock

from faaspot import Faaspot, FaaspotException, NoAnswer, Retry
from faaspot.proxy import Proxy, proxy_for

from .fakeserver import Answer, FakeServer, Raw


class Choice(unittest.TestCase):
    def choose(self, url: str, **environ: str) -> object:
        scheme, rest = url.split("://")
        host, _, port = rest.rpartition(":")
        return proxy_for(scheme, host.strip("[]"), int(port), environ)

    def test_variables(self) -> None:
        cases: List[Tuple[Dict[str, str], str, Optional[Proxy]]] = [
            ({}, "http://h:80", None),
            ({"HTTP_PROXY": "http://p:3128"}, "http://h:80", Proxy("p", 3128)),
            ({"http_proxy": "p:3128"}, "http://h:80", Proxy("p", 3128)),
            ({"HTTP_PROXY": "http://p"}, "http://h:80", Proxy("p", 80)),
            ({"HTTP_PROXY": "http://p:1", "http_proxy": "http://q:2"}, "http://h:80", Proxy("p", 1)),
            ({"HTTP_PROXY": "http://p:1"}, "https://h:443", None),
            ({"HTTPS_PROXY": "http://p:1"}, "https://h:443", Proxy("p", 1)),
            ({"HTTP_PROXY": "http://u%40:a%3Ab@p:1"}, "http://h:80", Proxy("p", 1, "Basic dUA6YTpi")),
            ({"HTTP_PROXY": "http://[::2]:1"}, "http://h:80", Proxy("::2", 1)),
            ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http://h:80", None),
            ({"HTTPS_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "https://h:443", Proxy("p", 1)),
        ]
        for environ, url, want in cases:
            with self.subTest(environ=environ, url=url):
                self.assertEqual(self.choose(url, **environ), want)

    def test_loopback_addresses_need_no_proxy(self) -> None:
        for url in ("http://localhost:80", "http://127.0.0.1:80", "http://127.9.9.9:80", "http://[::1]:80"):
            self.assertIsNone(self.choose(url, HTTP_PROXY="http://p:1"), url)

    def test_no_proxy(self) -> None:
        for no_proxy, url, direct in [
            ("*", "http://a.example.com:80", True),
            ("example.com", "http://example.com:80", True),
            ("example.com", "http://a.example.com:80", True),
            ("EXAMPLE.com", "http://A.example.COM:80", True),
            ("example.com", "http://notexample.com:80", False),
            (".example.com", "http://a.example.com:80", True),
            (".example.com", "http://example.com:80", False),
            ("*.example.com", "http://a.example.com:80", True),
            ("example.com:8080", "http://example.com:8080", True),
            ("example.com:8080", "http://example.com:80", False),
            ("x, , example.com", "http://example.com:80", True),
            ("10.0.0.1", "http://10.0.0.1:80", True),
            ("10.0.0.1:80", "http://10.0.0.1:80", True),
            ("10.0.0.1:81", "http://10.0.0.1:80", False),
            ("10.0.0.0/8", "http://10.1.2.3:80", True),
            ("10.0.0.0/8", "http://11.1.2.3:80", False),
            ("10.0.0.0/99", "http://10.1.2.3:80", False),
            ("fd00::/8", "http://[fd00::1]:80", True),
            ("fd00::1", "http://[fd00:0::1]:80", True),
            ("[fd00::1]:81", "http://[fd00::1]:80", False),
            ("[fd00::1]:80", "http://[fd00::1]:80", True),
            ("0.0.1", "http://10.0.0.1:80", False),
        ]:
            with self.subTest(no_proxy=no_proxy, url=url):
                chosen = self.choose(url, HTTP_PROXY="http://p:1", NO_PROXY=no_proxy)
                self.assertEqual(chosen is None, direct)

    def test_a_proxy_that_is_not_usable_is_an_error(self) -> None:
        """A direct connection instead would bypass the proxy that the user configured."""
        for value in ("socks5://p:1080", "https://p:443", "http://", "http://p:x", "http://p:0"):
            with self.subTest(value), self.assertRaisesRegex(FaaspotException, "HTTP_PROXY"):
                self.choose("http://h:80", HTTP_PROXY=value)

    def test_passwords_are_not_shown(self) -> None:
        self.assertNotIn("Basic", repr(self.choose("http://h:80", HTTP_PROXY="http://u:p@p:1")))


class Requests(unittest.TestCase):
    def client(self, url: str, proxy: FakeServer) -> Faaspot:
        value = "http://user:secret@127.0.0.1:{}".format(proxy.port)
        variables: Dict[str, str] = {"HTTP_PROXY": value, "HTTPS_PROXY": value, "NO_PROXY": "", "no_proxy": ""}
        patch = mock.patch.dict("os.environ", variables)
        patch.start()
        self.addCleanup(patch.stop)
        return Faaspot(url=url, token="t", retry=Retry(attempts=1))

    def test_http(self) -> None:
        with FakeServer(Answer([1])) as proxy, self.client("http://faas.example.com:8080", proxy) as f:
            self.assertEqual(f.functions.list(), [1])
            request = proxy.requests[0]
            self.assertEqual(request.target, "http://faas.example.com:8080/v1/functions/")
            self.assertEqual(request.headers["host"], "faas.example.com:8080")
            self.assertEqual(request.headers["proxy-authorization"], "Basic dXNlcjpzZWNyZXQ=")
            self.assertEqual(request.headers["authorization"], "Token t")

    def test_https_uses_a_tunnel_and_sends_the_proxy_no_token(self) -> None:
        with FakeServer(Raw(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as proxy:
            with self.client("https://faas.example.com", proxy) as f, self.assertRaises(NoAnswer) as caught:
                f.functions.list()
            request = proxy.requests[0]
        self.assertEqual((request.method, request.target), ("CONNECT", "faas.example.com:443"))
        self.assertEqual(request.headers["proxy-authorization"], "Basic dXNlcjpzZWNyZXQ=")
        self.assertNotIn("authorization", request.headers)
        self.assertIn("407", str(caught.exception))
        self.assertNotIn("secret", str(caught.exception))
        self.assertFalse(caught.exception.sent)
