"""Translates network failures into exceptions that say what failed and what to do."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import Optional

from .endpoint import Endpoint
from .errors import FaaspotException, ForeignAnswer, NoAnswer
from .proxy import Proxy

_CHECK_PROFILE = "check host, port and protocol of the profile"


def connect_error(at: Endpoint, proxy: Optional[Proxy], err: Exception) -> FaaspotException:
    """The exception for a connection that could not be established."""
    if isinstance(err, ssl.SSLCertVerificationError):
        return _certificate_error(at, err)
    if isinstance(err, ssl.SSLError):
        return NoAnswer(
            "the TLS handshake with {} failed: {}".format(at.authority, err.reason or err),
            hint="if the server does not use TLS, set protocol of the profile to http, and ssl_enabled to false",
        )
    if proxy is not None and not isinstance(err, socket.timeout):
        return NoAnswer(
            "cannot reach {} through the proxy {}:{}: {}".format(at.url, proxy.host, proxy.port, err),
            hint="check the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
        )
    if isinstance(err, socket.gaierror):
        return NoAnswer(
            "cannot resolve the host {}: {}".format(at.host, err.strerror), hint="check the host of the profile"
        )
    if isinstance(err, ConnectionRefusedError):
        return NoAnswer(
            "no server listens at {}".format(at.url), hint="start one with `fas serve`, or choose another profile"
        )
    if isinstance(err, socket.timeout):
        return NoAnswer(
            "connecting to {} timed out".format(at.url),
            hint="check host and port of the profile, and the network in between",
            timed_out=True,
        )
    return NoAnswer("cannot connect to {}: {}".format(at.url, err), hint=_CHECK_PROFILE)


def connection_lost(at: Endpoint, err: Exception, *, sent: bool) -> FaaspotException:
    """The exception for a connection that failed after it was established. sent is whether the
    server may have received part of the request."""
    if isinstance(err, socket.timeout):
        return NoAnswer(
            "{} does not answer in time".format(at.url),
            hint="it is not known whether the request took effect",
            sent=sent,
            timed_out=True,
        )
    if isinstance(err, http.client.IncompleteRead):
        return NoAnswer("{} closed the connection in the middle of its answer".format(at.url), sent=sent)
    if isinstance(err, http.client.HTTPException) and not isinstance(err, ConnectionError):
        return ForeignAnswer(
            "the answer of {} is not HTTP".format(at.url), hint=_CHECK_PROFILE + ", and any proxy in between"
        )
    hint = "the server may have been stopped"
    if sent:
        hint += "; it is not known whether the request took effect"
    return NoAnswer("{} closed the connection before it answered".format(at.url), hint=hint, sent=sent)


# OpenSSL error numbers (X509_V_ERR_...) for a chain that ends in an untrusted authority: no issuer
# found, self-signed, self-signed in the chain, not verified because the issuer is missing.
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})


def _certificate_error(at: Endpoint, err: ssl.SSLCertVerificationError) -> NoAnswer:
    if err.verify_code in _UNKNOWN_AUTHORITY:
        return NoAnswer(
            "the certificate of {} is signed by an authority that is not trusted".format(at.authority),
            hint="set ssl_certificate to a PEM file with that authority",
        )
    return NoAnswer(
        "the certificate of {} is not valid for it: {}".format(at.authority, err.verify_message),
        hint="check the names in the certificate and the time for which it is valid",
    )
