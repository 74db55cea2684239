"""Finds the server that a client talks to, and the token for it, from the client's arguments, the
environment and the profile file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional

from . import profilefile
from .endpoint import Endpoint, parse_url, valid_host
from .errors import ProfileError, Unauthenticated

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_PORT_TLS = 443

# A token is sent in a header; RFC 9110 allows these characters there.
_TOKEN = re.compile(r"[!-~]+\Z")


@dataclass(frozen=True)
class Target:
    """A server, how to verify its certificate, and the token to send it."""

    endpoint: Endpoint
    token: str
    ssl_certificate: Optional[str] = None  # PEM file with the authorities to trust
    ssl_trust_all: bool = False  # do not verify the certificate

    def __repr__(self) -> str:  # without the token
        return "Target({})".format(self.endpoint.url)


def config_path(environ: Mapping[str, str]) -> str:
    """The path of the profile file: FAASPOT_CONFIG, else fasconf.yaml in the folder FAASPOT_DIR, else
    fasconf.yaml in ~/.faaspot."""
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
    """Find the server. Arguments take precedence over environment variables, and those over the
    profile in the file at path. With a url no profile is read, so that the token of one server is
    never sent to another. FAASPOT_URL is the url if neither url nor profile is given; if it is set,
    FAASPOT_TOKEN is sent to that server only. Raises ProfileError or Unauthenticated."""
    token_url = environ.get("FAASPOT_URL")  # the only server for FAASPOT_TOKEN, if it is set
    if url is None and not profile and token_url:
        url = token_url
    fields: Dict[str, Any] = {}
    name = None
    if url is None:
        file = profilefile.load(path)
        name = profile or environ.get("FAASPOT_PROFILE") or file.active
        if name:
            fields = dict(file.profile(name))
            certificate = fields.get("ssl_certificate")
            if certificate:  # a relative path starts at the folder of the profile file
                fields["ssl_certificate"] = os.path.join(os.path.dirname(path), str(certificate))
    endpoint = parse_url(url) if url is not None else endpoint_of(fields)
    if not token_url or parse_url(token_url) == endpoint:
        token = token or environ.get("FAASPOT_TOKEN")
    token = token or fields.get("token")
    if not token:
        where = "the token of the profile {!r} in {}".format(name, path) if name else "the argument token"
        if url is None and not name:
            where = "start a server on this machine with `fas serve`, which writes a profile to " + path
        raise Unauthenticated("there is no token for {}".format(endpoint.url), hint="set FAASPOT_TOKEN, or " + where)
    if not _TOKEN.match(token):
        raise Unauthenticated("the token for {} is not printable ASCII without spaces".format(endpoint.url))
    return Target(
        endpoint,
        token,
        ssl_certificate if ssl_certificate is not None else fields.get("ssl_certificate") or None,
        ssl_trust_all if ssl_trust_all is not None else bool(fields.get("ssl_trust_all")),
    )


def endpoint_of(fields: Mapping[str, Any]) -> Endpoint:
    """The endpoint that the fields of a profile name. Raises ProfileError."""
    protocol = (fields.get("protocol") or "http").lower()
    if fields.get("ssl_enabled"):
        protocol = "https"
    if protocol not in ("http", "https"):
        raise ProfileError("the profile's protocol is {!r}".format(protocol), hint="the protocol must be http or https")
    host = (fields.get("host") or DEFAULT_HOST).strip("[]")
    if not valid_host(host):
        raise ProfileError("the profile's host {!r} is not valid".format(host), hint="give a name or an address")
    port = fields.get("port") or (DEFAULT_PORT_TLS if protocol == "https" else DEFAULT_PORT)
    return Endpoint(protocol, host, port)
