"""The client as a whole."""

from __future__ import annotations

import os
import platform
import threading
import weakref
from typing import Any, Dict, Optional

from . import arguments, settings
from ._version import __version__
from .connection import Dialer, tls_context
from .executions import Executions
from .functions import Functions
from .pool import Pool
from .profiles import Profiles
from .proxy import proxy_for
from .retry import Retry
from .transport import Transport


class Faaspot:
    """A client of one server. Any thread may use it, also in forked processes.

    profile          name of the profile in ~/.faaspot/fasconf.yaml that says
                     which server; default FAASPOT_PROFILE, else the one in use
    url              the server instead, such as "https://faas.example.com"; no
                     profile is looked at then
    token            default FAASPOT_TOKEN, else the profile's
    ssl_certificate  PEM file with the authorities to trust, instead of the
                     profile's or the system's
    ssl_trust_all    True: do not verify the server's certificate; anybody on
                     the way can then read and change what is sent
    connect_timeout  seconds in which a connection must be there
    read_timeout     seconds for which a server may be silent; calls that wait
                     for a function take their own
    retry            when requests are sent again
    pool_size        connections that are kept for later requests

    The file and the environment are read when the first request is made, and not
    again. Raises nothing but TypeError and ValueError before.
    """

    functions: Functions
    executions: Executions
    profiles: Profiles

    def __init__(
        self,
        profile: Optional[str] = None,
        *,
        url: Optional[str] = None,
        token: Optional[str] = None,
        ssl_certificate: Optional[str] = None,
        ssl_trust_all: Optional[bool] = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        retry: Retry = Retry(),
        pool_size: int = 10,
    ) -> None:
        if profile is not None and url is not None:
            raise ValueError("give either profile or url: each names a server")
        if url is not None:
            settings.parse_url(url)
        self._which: Dict[str, Any] = dict(
            profile=profile,
            url=url,
            token=token,
            ssl_certificate=ssl_certificate,
            ssl_trust_all=ssl_trust_all,
        )
        self._connect_timeout = arguments.check_seconds(connect_timeout, "connect_timeout")
        self._read_timeout = arguments.check_seconds(read_timeout, "read_timeout")
        self._retry = retry
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._transport: Optional[Transport] = None
        self._pool: Optional[Pool] = None
        self.executions = Executions(self._connect)
        self.functions = Functions(self._connect, self.executions)
        self.profiles = Profiles(profile)

    @property
    def deployments(self) -> Functions:
        """What functions were called before July 2017."""
        return self.functions

    def close(self) -> None:
        """Close the connections that rest. What is under way goes on, and the
        client can still be used."""
        if self._pool is not None:
            self._pool.close()

    def __enter__(self) -> Faaspot:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _connect(self) -> Transport:
        with self._lock:
            if self._transport is None:
                self._transport = self._make()
            return self._transport

    def _make(self) -> Transport:
        target = settings.resolve(settings.config_path(os.environ), os.environ, **self._which)
        at = target.endpoint
        dialer = Dialer(
            at,
            tls=tls_context(target.ssl_certificate, target.ssl_trust_all) if at.scheme == "https" else None,
            proxy=proxy_for(at.scheme, at.host, at.port),
            connect_timeout=self._connect_timeout,
        )
        self._pool = Pool(dialer, self._pool_size)
        # A client that nobody has any more leaves no connection open.
        weakref.finalize(self, self._pool.close)
        headers = {
            "Accept": "application/json",
            "Authorization": "Token " + target.token,
            "User-Agent": "faaspot-python/{} Python/{}".format(__version__, platform.python_version()),
        }
        return Transport(self._pool, at, headers, read_timeout=self._read_timeout, retry=self._retry)
