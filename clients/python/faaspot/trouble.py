"""What failures of the network mean, in words for people."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING, Optional

from .errors import FaaspotException, ForeignAnswer, NoAnswer
from .proxy import Proxy

if TYPE_CHECKING:
    from .connection import Endpoint

_CHECK_PROFILE = "check host, port and protocol of the profile"


def unreachable(at: Endpoint, proxy: Optional[Proxy], err: Exception) -> FaaspotException:
    """The exception for a connection that did not come to be."""
    if isinstance(err, ssl.SSLCertVerificationError):
        return _certificate(at, err)
    if isinstance(err, ssl.SSLError):
        return NoAnswer(
            "{} does not speak TLS as it should: {}".format(at.authority, err.reason or err),
            hint="if it speaks none set protocol of the profile to http, and ssl_enabled to false",
        )
    if proxy is not None and not isinstance(err, socket.timeout):
        return NoAnswer(
            "cannot reach {} through the proxy {}:{}: {}".format(at.url, proxy.host, proxy.port, err),
            hint="check the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
        )
    if isinstance(err, socket.gaierror):
        return NoAnswer(
            "the host {} is not known: {}".format(at.host, err.strerror), hint="check the host of the profile"
        )
    if isinstance(err, ConnectionRefusedError):
        return NoAnswer(
            "no server listens at {}".format(at.url), hint="start one with `fas serve`, or choose another profile"
        )
    if isinstance(err, socket.timeout):
        return NoAnswer(
            "{} cannot be connected to in time".format(at.url),
            hint="check host and port of the profile, and the network on the way",
            timed_out=True,
        )
    return NoAnswer("cannot connect to {}: {}".format(at.url, err), hint=_CHECK_PROFILE)


def lost(at: Endpoint, err: Exception, *, sent: bool) -> FaaspotException:
    """The exception for a connection that broke off. sent says whether the
    server may have got anything of the request."""
    if isinstance(err, socket.timeout):
        return NoAnswer(
            "{} does not answer in time".format(at.url),
            hint="whether what was asked for has happened is not known",
            sent=sent,
            timed_out=True,
        )
    if isinstance(err, http.client.IncompleteRead):
        return NoAnswer("{} closed the connection in the middle of its answer".format(at.url), sent=sent)
    if isinstance(err, http.client.HTTPException) and not isinstance(err, ConnectionError):
        return ForeignAnswer(
            "what {} answers is not HTTP".format(at.url), hint=_CHECK_PROFILE + ", and any proxy on the way"
        )
    hint = "it may have been stopped"
    if sent:
        hint += "; whether what was asked for has happened is not known"
    return NoAnswer("{} closed the connection before it answered".format(at.url), hint=hint, sent=sent)


# Numbers of OpenSSL (X509_V_ERR_...) for a chain that ends in an authority that
# is not trusted: no issuer found, self-signed, self-signed in the chain, not
# verified for want of an issuer.
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})


def _certificate(at: Endpoint, err: ssl.SSLCertVerificationError) -> NoAnswer:
    if err.verify_code in _UNKNOWN_AUTHORITY:
        return NoAnswer(
            "the certificate of {} is signed by an authority that is not trusted here".format(at.authority),
            hint="set ssl_certificate to a PEM file with that authority",
        )
    return NoAnswer(
        "the certificate of {} is not accepted: {}".format(at.authority, err.verify_message),
        hint="a certificate is for the names that it has, and for its time",
    )
