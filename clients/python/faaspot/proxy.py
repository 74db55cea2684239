"""Chooses the proxy for a server from the environment.

HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in upper or lower case, mean what they mean for the command
line `fas`. Loopback addresses are always reached directly.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import urllib.parse
from dataclasses import dataclass
from typing import Mapping, Optional, Union

from .errors import FaaspotException

_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy. authorization is the value of the header Proxy-Authorization; None if the proxy
    requires none."""

    host: str
    port: int
    authorization: Optional[str] = None

    def __repr__(self) -> str:  # without the password
        return "Proxy({!r}, {})".format(self.host, self.port)


def proxy_for(scheme: str, host: str, port: int, environ: Optional[Mapping[str, str]] = None) -> Optional[Proxy]:
    """The proxy for a server; None: connect to it directly. Raises FaaspotException if the variable
    does not name a usable proxy."""
    if environ is None:
        environ = os.environ
    name = scheme.upper() + "_PROXY"
    value = environ.get(name) or environ.get(name.lower())
    if name == "HTTP_PROXY" and environ.get("REQUEST_METHOD"):
        value = None  # in a CGI script the variable may come from the request header "Proxy"
    if not value or _excluded(host.lower(), port, environ):
        return None
    return _parse(value, name)


def _parse(value: str, name: str) -> Proxy:
    url = urllib.parse.urlsplit(value if "://" in value else "http://" + value)
    try:
        port = url.port
    except ValueError:
        port = 0
    if url.scheme.lower() != "http" or not url.hostname or port == 0:
        raise FaaspotException(
            "the variable {} does not name an HTTP proxy".format(name),
            hint="give http://HOST:PORT, or name the server in NO_PROXY",
        )
    authorization = None
    if url.username is not None:
        user = urllib.parse.unquote(url.username)
        password = urllib.parse.unquote(url.password or "")
        login = "{}:{}".format(user, password).encode("utf-8")
        authorization = "Basic " + base64.b64encode(login).decode("ascii")
    return Proxy(url.hostname, port or 80, authorization)


def _excluded(host: str, port: int, environ: Mapping[str, str]) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in (environ.get("NO_PROXY") or environ.get("no_proxy") or "").split(","):
        if _covers(entry.strip().lower(), host, port, address):
            return True
    return False


def _covers(entry: str, host: str, port: int, address: Optional[_Address]) -> bool:
    """Whether an entry of NO_PROXY matches a host: `*`, an address, a network in CIDR notation, a
    domain with its subdomains, or .domain for the subdomains alone. All but a network may end in
    :port."""
    if not entry:
        return False
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, digits = entry.rpartition(":")
    # An IPv6 address contains colons; with a port it is in brackets.
    if colon and digits.isdigit() and (":" not in name or name.endswith("]")):
        if int(digits) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    if address is not None:
        return _address(entry) == address
    if entry.startswith("*."):
        entry = entry[1:]
    if entry.startswith("."):
        return host.endswith(entry)
    return host == entry or host.endswith("." + entry)


def _address(text: str) -> Optional[_Address]:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
