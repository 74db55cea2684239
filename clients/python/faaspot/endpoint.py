"""The network address of a server."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

# Characters that must not be in a host, because it is sent in a header.
_NOT_IN_HOST = re.compile(r"[\s/?#@\\\[\]\x00-\x20\x7f]")


@dataclass(frozen=True)
class Endpoint:
    """scheme is "http" or "https"; host is a name or an address without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """host:port, with an IPv6 address in brackets."""
        host = "[{}]".format(self.host) if ":" in self.host else self.host
        return "{}:{}".format(host, self.port)

    @property
    def url(self) -> str:
        return "{}://{}".format(self.scheme, self.authority)


def valid_host(host: str) -> bool:
    """Whether host may be used in a request."""
    return bool(host) and not _NOT_IN_HOST.search(host)


def parse_url(url: str) -> Endpoint:
    """The endpoint that a URL such as http://127.0.0.1:8080 names. Raises ValueError if the URL has
    anything but scheme, host and port."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urllib.parse.urlsplit(""), None
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    bare = url.isprintable() and not (
        parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    )
    if scheme not in ("http", "https") or port == 0 or not bare or not valid_host(host):
        raise ValueError("url must be http(s)://HOST or http(s)://HOST:PORT, and nothing else")
    return Endpoint(scheme, host, port or (443 if scheme == "https" else 80))
