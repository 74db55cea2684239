"""What the module `socket` has on Linux and the C module lacks here: constants; and look-ups of asyncio.

Lib/socket.py imports this module at its end; see pyguest/build/patches. The sockets themselves are
those of the host (pyguest/guest/net.c); why one cannot connect is in `absent`, or in the host's words.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable
from types import ModuleType

import _faas

HOST = "localhost"

# Constants that packages read when they are imported, or set for sockets that they cannot make.
_CONSTANTS = (
    "IPPROTO_AH=51 IPPROTO_DSTOPTS=60 IPPROTO_EGP=8 IPPROTO_ESP=50 IPPROTO_FRAGMENT=44 IPPROTO_GRE=47 "
    "IPPROTO_HOPOPTS=0 IPPROTO_ICMPV6=58 IPPROTO_IDP=22 IPPROTO_IGMP=2 IPPROTO_IPIP=4 IPPROTO_NONE=59 "
    "IPPROTO_PIM=103 IPPROTO_PUP=12 IPPROTO_ROUTING=43 IPPROTO_RSVP=46 IPPROTO_SCTP=132 IPPROTO_TP=29 "
    "IPPROTO_UDPLITE=136 MSG_CTRUNC=8 MSG_DONTROUTE=4 MSG_DONTWAIT=64 MSG_EOR=128 MSG_MORE=32768 "
    "MSG_NOSIGNAL=16384 MSG_OOB=1 SOCK_RAW=3 SOCK_RDM=4 SOCK_SEQPACKET=5 SO_ACCEPTCONN=30 SO_BINDTODEVICE=25 SO_BROADCAST=6 "
    "SO_DEBUG=1 SO_DOMAIN=39 SO_DONTROUTE=5 SO_ERROR=4 SO_INCOMING_CPU=49 SO_KEEPALIVE=9 SO_LINGER=13 "
    "SO_MARK=36 SO_OOBINLINE=10 SO_PASSCRED=16 SO_PEERCRED=17 SO_PRIORITY=12 SO_PROTOCOL=38 SO_RCVBUF=8 "
    "SO_RCVLOWAT=18 SO_RCVTIMEO=20 SO_REUSEADDR=2 SO_REUSEPORT=15 SO_SNDBUF=7 SO_SNDLOWAT=19 SO_SNDTIMEO=21"
)


def install(socket: ModuleType) -> None:
    """Add to the module `socket` what the C module lacks here."""
    for entry in _CONSTANTS.split():
        name, _, number = entry.partition("=")
        if not hasattr(socket, name):
            setattr(socket, name, int(number))
            socket.__all__.append(name)
    codecs.lookup("idna")  # for getaddrinfo: each run that connects would import it, and write to 1 MB


async def getaddrinfo(loop: object, get: Callable[..., list], host: object, port: object, family: int, *more: int) -> list:
    """Return what a getaddrinfo returns, whose look-up of a name runs while the loop goes on."""
    descriptor = _look_up(host, family) if hasattr(loop, "_add_reader") else None
    if descriptor is None:
        return get(host, port, family, *more)
    try:
        answered = loop.create_future()
        loop._add_reader(descriptor, _set, answered)
        try:
            await answered
        finally:
            loop._remove_reader(descriptor)
        _faas.answer(descriptor)
        try:
            return get(host, port, family, *more)
        finally:
            _faas.answer(-1)
    finally:
        os.close(descriptor)


def _look_up(host: object, family: int) -> int | None:
    """Begin to look up a name, and return its descriptor; None if getaddrinfo has the answer at once, or fails."""
    try:
        name = host.encode("idna") if isinstance(host, str) else host
        return _faas.look_up(name.decode("ascii"), family) if name else None
    except (AttributeError, TypeError, ValueError):
        return None


def _set(future: object) -> None:
    if not future.done():
        future.set_result(None)
