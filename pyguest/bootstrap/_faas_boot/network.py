"""What `socket` offers without a network: the host's name, addresses that need no look-up.

Everything else ends as on a machine that is not connected, with a message that says so.
Lib/socket.py imports this module at its end; see pyguest/build/patches.
"""

from __future__ import annotations

import errno
import os
from types import ModuleType

from _faas_boot import absent

HOST = "localhost"

_LOCAL = {"": "127.0.0.1", "localhost": "127.0.0.1", "localhost.localdomain": "127.0.0.1", "ip6-localhost": "::1"}
_SERVICES = {
    "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "pop3": 110, "ntp": 123,
    "imap2": 143, "ldap": 389, "https": 443, "submission": 587, "ldaps": 636, "imaps": 993, "pop3s": 995,
}  # fmt: skip

# The errors of a look-up as Linux numbers them.
_LOOKUP_ERRORS = {
    "EAI_ADDRFAMILY": -9, "EAI_AGAIN": -3, "EAI_BADFLAGS": -1, "EAI_FAIL": -4, "EAI_FAMILY": -6, "EAI_MEMORY": -10,
    "EAI_NODATA": -5, "EAI_NONAME": -2, "EAI_OVERFLOW": -12, "EAI_SERVICE": -8, "EAI_SOCKTYPE": -7, "EAI_SYSTEM": -11,
}  # fmt: skip

# Constants that packages read when they are imported, or set for sockets that they cannot make. Those
# of Linux, but for AI_NUMERICSERV, which must differ from the other flags of the C library here.
_CONSTANTS = (
    "AI_NUMERICSERV=8 "
    "IPPROTO_AH=51 IPPROTO_DSTOPTS=60 IPPROTO_EGP=8 IPPROTO_ESP=50 IPPROTO_FRAGMENT=44 IPPROTO_GRE=47 "
    "IPPROTO_HOPOPTS=0 IPPROTO_ICMPV6=58 IPPROTO_IDP=22 IPPROTO_IGMP=2 IPPROTO_IPIP=4 IPPROTO_NONE=59 "
    "IPPROTO_PIM=103 IPPROTO_PUP=12 IPPROTO_ROUTING=43 IPPROTO_RSVP=46 IPPROTO_SCTP=132 IPPROTO_TP=29 "
    "IPPROTO_UDPLITE=136 MSG_CTRUNC=8 MSG_DONTROUTE=4 MSG_DONTWAIT=64 MSG_EOR=128 MSG_MORE=32768 "
    "MSG_NOSIGNAL=16384 MSG_OOB=1 SOCK_RAW=3 SOCK_RDM=4 SO_ACCEPTCONN=30 SO_BINDTODEVICE=25 SO_BROADCAST=6 "
    "SO_DEBUG=1 SO_DOMAIN=39 SO_DONTROUTE=5 SO_ERROR=4 SO_INCOMING_CPU=49 SO_KEEPALIVE=9 SO_LINGER=13 "
    "SO_MARK=36 SO_OOBINLINE=10 SO_PASSCRED=16 SO_PEERCRED=17 SO_PRIORITY=12 SO_PROTOCOL=38 SO_RCVBUF=8 "
    "SO_RCVLOWAT=18 SO_RCVTIMEO=20 SO_REUSEADDR=2 SO_REUSEPORT=15 SO_SNDBUF=7 SO_SNDLOWAT=19 SO_SNDTIMEO=21"
)


def unreachable() -> OSError:
    """Return the exception of a connection that cannot be made."""
    return OSError(errno.ENETUNREACH, "%s: %s" % (os.strerror(errno.ENETUNREACH), absent.NETWORK))


def install(socket: ModuleType) -> None:
    """Add to the module `socket` what the C module lacks here, or numbers in another way."""
    for name, number in _LOOKUP_ERRORS.items():
        setattr(socket, name, number)
        if name not in socket.__all__:
            socket.__all__.append(name)
    for entry in _CONSTANTS.split():
        name, _, number = entry.partition("=")
        if not hasattr(socket, name):
            setattr(socket, name, int(number))
            socket.__all__.append(name)

    def unresolved() -> OSError:
        return socket.gaierror(-3, "Temporary failure in name resolution: " + absent.NETWORK)

    def address(host: str | bytes | None) -> str:
        name = host.decode("ascii") if isinstance(host, (bytes, bytearray)) else host
        if name is None:
            return "127.0.0.1"
        if not isinstance(name, str):
            raise TypeError("getaddrinfo() argument 1 must be string or None")
        if name in _LOCAL:
            return _LOCAL[name]
        import ipaddress  # here: few functions need it, and the C library knows IPv4 alone

        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            raise unresolved() from None

    def port(service: str | bytes | int | None) -> int:
        if service is None:
            return 0
        if isinstance(service, int):
            return service
        name = service.decode() if isinstance(service, bytes) else service
        if name.isdecimal():
            return int(name)
        if name in _SERVICES:
            return _SERVICES[name]
        raise socket.gaierror(-8, "Servname not supported for ai_socktype")

    def gethostname() -> str:
        return HOST

    def getaddrinfo(host, port_, family=0, type=0, proto=0, flags=0):  # noqa: A002 # the names of the original
        at, number = address(host), port(port_)
        is_v6 = ":" in at
        if family not in (0, socket.AF_INET6 if is_v6 else socket.AF_INET):
            raise socket.gaierror(-9, "Address family for hostname not supported")
        place = (at, number, 0, 0) if is_v6 else (at, number)
        kinds = [(socket.SOCK_STREAM, 6), (socket.SOCK_DGRAM, 17)]
        return [
            (socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SocketKind(kind), protocol, "", place)
            for kind, protocol in kinds
            if type in (0, kind) and proto in (0, protocol)
        ]

    def gethostbyname(host):
        at = address(host)
        if ":" in at:
            raise socket.gaierror(-9, "Address family for hostname not supported")
        return at

    def gethostbyname_ex(host):
        return host, [], [gethostbyname(host)]

    def gethostbyaddr(host):
        at = address(host)
        if at in _LOCAL.values():
            return HOST, [], [at]
        raise socket.herror(1, "Unknown host: " + absent.NETWORK)

    def getnameinfo(place, flags):
        host, number = address(place[0]), place[1]
        if not flags & socket.NI_NUMERICHOST:
            if host in _LOCAL.values():
                host = HOST
            elif flags & socket.NI_NAMEREQD:
                raise socket.gaierror(-2, "Name or service not known: " + absent.NETWORK)
        service = next((name for name, known in _SERVICES.items() if known == number), "")
        return host, str(number) if flags & socket.NI_NUMERICSERV or not service else service

    def getservbyname(name, protocol="tcp"):
        if name in _SERVICES:
            return _SERVICES[name]
        raise OSError("service/proto not found")

    def getservbyport(number, protocol="tcp"):
        for name, known in _SERVICES.items():
            if known == number:
                return name
        raise OSError("port/proto not found")

    def getprotobyname(name):
        try:
            return {"ip": 0, "icmp": 1, "tcp": 6, "udp": 17}[name]
        except KeyError:
            raise OSError("protocol not found") from None

    def inet_ntoa(packed):
        return socket.inet_ntop(socket.AF_INET, packed)

    # socket.getaddrinfo of Lib/socket.py turns the results of the C module's function into enums.
    socket._socket.getaddrinfo = getaddrinfo
    for function in (
        gethostname, gethostbyname, gethostbyname_ex, gethostbyaddr, getnameinfo, getservbyname, getservbyport,
        getprotobyname, inet_ntoa,
    ):  # fmt: skip
        if not hasattr(socket, function.__name__):
            function.__module__ = "socket"
            function.__qualname__ = function.__name__
            setattr(socket, function.__name__, function)
            if function.__name__ not in socket.__all__:
                socket.__all__.append(function.__name__)

    create = socket.socket.__init__

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):  # noqa: A002
        try:
            create(self, family, type, proto, fileno)
        except OSError as error:
            if fileno is not None or error.errno not in (errno.ENOTSUP, errno.ENOSYS):
                raise
            raise unreachable() from None

    socket.socket.__init__ = __init__
