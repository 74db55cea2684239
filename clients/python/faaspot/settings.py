"""Which server a client talks to, and as whom: from its arguments, the
environment and the profile file."""

from __future__ import annotations

import os
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional

from . import profilefile
from .connection import Endpoint
from .errors import ProfileError, Unauthenticated

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_PORT_TLS = 443

# What may be in a header, see RFC 9110; a token with anything else is mistaken.
_TOKEN = re.compile(r"[!-~]+\Z")
# What must not be in a host, for it ends up in a header.
_NO_HOST = re.compile(r"[\s/?#@\\\[\]\x00-\x20\x7f]")


@dataclass(frozen=True)
class Target:
    """A server, how to recognise it and what to show it."""

    endpoint: Endpoint
    token: str
    ssl_certificate: Optional[str] = None
    ssl_trust_all: bool = False

    def __repr__(self) -> str:  # without the token
        return "Target({})".format(self.endpoint.url)


def config_path(environ: Mapping[str, str]) -> str:
    """Where the profile file is: FAASPOT_CONFIG, else fasconf.yaml in the folder
    FAASPOT_DIR, else in ~/.faaspot."""
    path = environ.get("FAASPOT_CONFIG")
    if not path:
        folder = environ.get("FAASPOT_DIR") or os.path.join(os.path.expanduser("~"), ".faaspot")
        path = os.path.join(folder, "fasconf.yaml")
    return os.path.abspath(path)


def resolve(
    path: str,
    environ: Mapping[str, str],
    *,
    profile: Optional[str] = None,
    url: Optional[str] = None,
    token: Optional[str] = None,
    ssl_certificate: Optional[str] = None,
    ssl_trust_all: Optional[bool] = None,
) -> Target:
    """Find the server. Arguments are stronger than variables, those than the
    profile; with a url no profile is looked at, so that no token of one server is
    shown to another."""
    fields: Dict[str, Any] = {}
    name = None
    if url is None:
        file = profilefile.load(path)
        name = profile or environ.get("FAASPOT_PROFILE") or file.active
        if name:
            fields = dict(file.profile(name))
            certificate = fields.get("ssl_certificate")
            if certificate:  # relative ones start at the file's folder
                fields["ssl_certificate"] = os.path.join(os.path.dirname(path), str(certificate))
    endpoint = parse_url(url) if url is not None else endpoint_of(fields)
    token = token or environ.get("FAASPOT_TOKEN") or fields.get("token")
    if not token:
        where = "the token of the profile {!r} in {}".format(name, path) if name else "the argument token"
        if url is None and not name:
            where = "start a server on this machine with `fas serve`, which writes a profile to " + path
        raise Unauthenticated("there is no token for {}".format(endpoint.url), hint="set FAASPOT_TOKEN, or " + where)
    if not _TOKEN.match(token):
        raise Unauthenticated("the token for {} has characters that no token has".format(endpoint.url))
    return Target(
        endpoint,
        token,
        ssl_certificate if ssl_certificate is not None else fields.get("ssl_certificate") or None,
        ssl_trust_all if ssl_trust_all is not None else bool(fields.get("ssl_trust_all")),
    )


def endpoint_of(fields: Mapping[str, Any]) -> Endpoint:
    """The address that the fields of a profile name."""
    protocol = (fields.get("protocol") or "http").lower()
    if fields.get("ssl_enabled"):
        protocol = "https"
    if protocol not in ("http", "https"):
        raise ProfileError("the profile's protocol is {!r}".format(protocol), hint="the protocol must be http or https")
    host = (fields.get("host") or DEFAULT_HOST).strip("[]")
    if _NO_HOST.search(host):
        raise ProfileError("the profile's host {!r} is not valid".format(host), hint="give a name or an address")
    port = fields.get("port") or (DEFAULT_PORT_TLS if protocol == "https" else DEFAULT_PORT)
    return Endpoint(protocol, host, port)


def parse_url(url: str) -> Endpoint:
    """The address in a URL of a server, such as http://127.0.0.1:8080."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urllib.parse.urlsplit(""), None
    scheme, host = parts.scheme.lower(), parts.hostname
    plain = url.isprintable() and not (
        parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    )
    if scheme not in ("http", "https") or not host or port == 0 or not plain or _NO_HOST.search(host):
        raise ValueError("url must be http(s)://HOST or http(s)://HOST:PORT, and nothing else")
    return Endpoint(scheme, host, port or (443 if scheme == "https" else 80))
