"""A real server for tests: `fas serve` with its own folder."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional
from unittest import mock

from faaspot import Faaspot, Retry

REPOSITORY = Path(__file__).resolve().parents[3]
PATIENCE = 120.0  # seconds; what takes longer is broken

TOKEN = "a-token-for-tests"

_folder = tempfile.TemporaryDirectory(prefix="faaspot-tests-")
_binary: Optional[str] = None
_shared: Optional[RealServer] = None
_running: List[RealServer] = []


def binary() -> str:
    """Return the path of `fas`: FAS_BINARY, else a binary that is built once."""
    global _binary
    if _binary is None:
        _binary = os.environ.get("FAS_BINARY")
    if not _binary:
        _binary = os.path.join(_folder.name, "fas")
        subprocess.run(["go", "build", "-o", _binary, "./cmd/fas"], cwd=REPOSITORY, check=True)
    return os.path.abspath(_binary)


def shared() -> RealServer:
    """Return the server that most tests share."""
    global _shared
    if _shared is None:
        _shared = RealServer(Path(_folder.name) / "shared")
        _shared.start()
    return _shared


class RealServer:
    """A server whose data is in a folder; it can be restarted with the same data and port. token is
    its admin token; with None, the server generates one and writes a profile."""

    def __init__(self, folder: Path, token: Optional[str] = TOKEN) -> None:
        self.folder = folder
        self.token = token
        self.address = "127.0.0.1:0"
        self._process: Optional[subprocess.Popen[bytes]] = None

    @property
    def url(self) -> str:
        return "http://" + self.address

    @property
    def config(self) -> str:
        return str(self.folder / "fasconf.yaml")

    def environment(self) -> Dict[str, str]:
        """Return the environment of programs that use this server's folder."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FAASPOT_")}
        environment.update(HOME=str(self.folder), FAASPOT_DIR=str(self.folder), FAASPOT_FAS=binary())
        return environment

    def start(self) -> None:
        environment = self.environment()
        if self.token is not None:
            environment["FAASPOT_ADMIN_TOKEN"] = self.token
        self.folder.mkdir(parents=True, exist_ok=True)
        self._share_cache()
        address = self.folder / "address"
        with contextlib.suppress(FileNotFoundError):
            address.unlink()
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [binary(), "serve", "--listen", self.address, "--address-file", str(address)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        _running.append(self)
        await_true(lambda: self._alive() and address.exists() and address.read_text().strip() != "")
        self.address = address.read_text().strip()

    def _alive(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError("the server exited: " + (self.folder / "log").read_text())
        return True

    def _share_cache(self) -> None:
        """Share the shared server's cache of the compiled interpreter."""
        cache = self.folder / "data" / "cache"
        if _shared is not None and _shared is not self and not cache.exists():
            cache.parent.mkdir(mode=0o700, exist_ok=True)
            cache.symlink_to(_shared.folder / "data" / "cache")

    def stop(self) -> None:
        """Shut it down gracefully."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, as a machine that fails does."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _running.remove(self)
        process.send_signal(number)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def client(self, **options: Any) -> Faaspot:
        """Return a client of it that does not depend on the environment."""
        settings: Dict[str, Any] = {"url": self.url, "token": self.token, "retry": Retry(attempts=1), **options}
        return Faaspot(**settings)

    @contextlib.contextmanager
    def around(self, **variables: str) -> Iterator[None]:
        """Set the environment of this process so that Faaspot() uses this server."""
        environment = self.environment()
        if self.token is not None:
            environment["FAASPOT_TOKEN"] = self.token
            environment["FAASPOT_CONFIG"] = str(self.folder / "client.yaml")
            host, port = self.address.rsplit(":", 1)
            Path(environment["FAASPOT_CONFIG"]).write_text(
                "faaspot:\n  profile: test\n  profiles:\n    test:\n"
                "      host: {}\n      port: {}\n".format(host, port)
            )
        environment.update(variables)
        with mock.patch.dict(os.environ, environment, clear=True):
            yield

    def fas(self, *arguments: str, stdin: str = "", **variables: str) -> str:
        """Run the command line with this server's folder and return its output."""
        done = subprocess.run(
            [binary(), *arguments],
            input=stdin,
            env={**self.environment(), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
        )
        if done.returncode != 0:
            raise AssertionError("fas {}: {}".format(" ".join(arguments), done.stderr))
        return done.stdout


def await_true(condition: Callable[[], bool]) -> None:
    """Wait until condition holds. It depends on another process, so it is polled."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("the condition did not hold within {:g} s".format(PATIENCE))
        time.sleep(0.005)


def _die_with_parent() -> None:
    """Let the kernel kill the server if the tests are killed (Linux)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG


@atexit.register
def _stop_all() -> None:
    for server in list(_running):
        server.stop()
    _folder.cleanup()
