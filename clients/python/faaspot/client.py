"""The class Faaspot, which connects the parts of the client."""

from __future__ import annotations

import os
import platform
import threading
import weakref
from typing import Any, Dict, Optional

from . import arguments, settings
from ._version import __version__
from .connection import Dialer, tls_context
from .deadletters import DeadLetters
from .endpoint import parse_url
from .executions import Executions
from .functions import Functions
from .jobs import Jobs
from .operations import Operations
from .pool import Pool
from .profiles import Profiles
from .proxy import proxy_for
from .retry import Retry
from .transport import Transport


class Faaspot:
    """A client for one server. Any thread may use it, and so may forked processes.

    profile          name of the profile in the profile file that names the server; default
                     FAASPOT_URL, FAASPOT_PROFILE, else the active profile
    url              server such as "https://faas.example.com"; then no profile is read
    token            default FAASPOT_TOKEN, else the token of the profile
    ssl_certificate  path of a PEM file with the authorities to trust, instead of those of the
                     profile or the system
    ssl_trust_all    True: do not verify the server's certificate; anyone between client and server
                     can then read and change the traffic
    connect_timeout  seconds to wait for a connection, above 0 and at most 86,400
    read_timeout     seconds for which a server may be silent, above 0 and at most 86,400; calls that
                     wait for a function use their own timeout
    retry            how often and for how long failed requests are retried
    pool_size        maximum number of idle connections kept for later requests

    The profile file and the environment are read once, before the first request. The constructor
    raises TypeError or ValueError for arguments that are not valid, and nothing else.
    """

    functions: Functions
    executions: Executions
    operations: Operations
    jobs: Jobs
    dead_letters: DeadLetters
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
            parse_url(url)
        self._target: Dict[str, Any] = dict(
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
        self.operations = Operations(self._connect)
        self.jobs = Jobs(self._connect)
        self.dead_letters = DeadLetters(self._connect)
        self.profiles = Profiles(profile)

    @property
    def deployments(self) -> Functions:
        """The former name of functions, until July 2017."""
        return self.functions

    def close(self) -> None:
        """Close the idle connections. Requests in progress continue, and the client stays usable."""
        if self._pool is not None:
            self._pool.close()

    def __enter__(self) -> Faaspot:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _connect(self) -> Transport:
        with self._lock:
            if self._transport is None:
                self._transport = self._new_transport()
            return self._transport

    def _new_transport(self) -> Transport:
        target = settings.resolve(settings.config_path(os.environ), os.environ, **self._target)
        at = target.endpoint
        dialer = Dialer(
            at,
            tls=tls_context(target.ssl_certificate, target.ssl_trust_all) if at.scheme == "https" else None,
            proxy=proxy_for(at.scheme, at.host, at.port),
            connect_timeout=self._connect_timeout,
        )
        self._pool = Pool(dialer, self._pool_size)
        # Close the connections when the client is garbage collected.
        weakref.finalize(self, self._pool.close)
        headers = {
            "Accept": "application/json",
            "Authorization": "Token " + target.token,
            "User-Agent": "faaspot-python/{} Python/{}".format(__version__, platform.python_version()),
        }
        return Transport(self._pool, at, headers, read_timeout=self._read_timeout, retry=self._retry)
