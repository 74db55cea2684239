"""f.profiles: the profiles in the profile file, which the command line shares."""

from __future__ import annotations

import os
import re
from typing import Any, Callable, Dict, List, Optional, TypedDict, cast

from . import profilefile, settings
from .errors import AlreadyExists
from .profilefile import FieldValue, ProfileFile


class ProfileSummary(TypedDict):
    """A profile in a list: nothing in it is secret."""

    name: str
    url: str  # of the server
    active: bool  # whether it is the one in use


class Profile(ProfileSummary, total=False):
    """A profile with what the file has of it. Token and password are secrets."""

    host: str
    protocol: str
    port: int
    username: str
    password: str
    token: str
    ssl_certificate: str
    ssl_trust_all: bool
    ssl_enabled: bool


class Profiles:
    """The profiles of the file that FAASPOT_CONFIG or FAASPOT_DIR name, else of
    ~/.faaspot/fasconf.yaml. Any thread may use it.

    Everything here may raise a ProfileError. Comments and keys of the file that
    are not known here stay. A client that has begun to talk to a server keeps to
    it, whatever happens to its profile.
    """

    def __init__(self, chosen: Optional[str] = None) -> None:
        self._chosen = chosen

    def __call__(self) -> Profiles:
        """f.profiles() is f.profiles."""
        return self

    def list(self) -> List[ProfileSummary]:
        """All profiles, in the order of the file."""
        file = _load()
        shown = (self._show(file, name) for name in file.names())
        return [{"name": each["name"], "url": each["url"], "active": each["active"]} for each in shown]

    def get(self, name: str) -> Profile:
        """A profile."""
        return self._show(_load(), name)

    def current(self) -> Optional[str]:
        """The name of the profile that this client uses: that of the client, of
        FAASPOT_PROFILE, or the one that the file names; None if there is none."""
        return self._current(_load())

    def create(
        self,
        name: str = "default",
        username: Optional[str] = None,
        password: Optional[str] = None,
        token: Optional[str] = None,
        update_if_exist: bool = False,
        set_as_active_profile: bool = False,
        *,
        host: Optional[str] = None,
        port: Optional[int] = None,
        protocol: Optional[str] = None,
        ssl_certificate: Optional[str] = None,
        ssl_trust_all: Optional[bool] = None,
        ssl_enabled: Optional[bool] = None,
    ) -> Profile:
        """Make a profile and return it. Nothing is asked of the server.

        username, password     kept for other programs, not used here
        token                  what the server asks for
        update_if_exist        change a profile of that name; else AlreadyExists
        set_as_active_profile  make it the one in use, which it becomes anyway if
                               none is
        host, port, protocol   of the server; default 127.0.0.1, 8080 (with https
                               443), http
        ssl_certificate        PEM file with the authorities to trust
        ssl_trust_all          True: do not verify the server's certificate
        ssl_enabled            True: https, whatever protocol says
        """
        given = _given(
            host=host,
            port=port,
            protocol=protocol,
            username=username,
            password=password,
            token=token,
            ssl_certificate=ssl_certificate,
            ssl_trust_all=ssl_trust_all,
            ssl_enabled=ssl_enabled,
        )
        _check_name(name)

        def change(file: ProfileFile) -> None:
            if name not in file.names():
                at = settings.endpoint_of(given)
                given.update(host=given.get("host") or at.host, port=at.port, protocol=at.scheme)
            elif not update_if_exist:
                raise AlreadyExists(
                    "there is a profile {!r} in {}".format(name, file.path),
                    hint="change it with update_if_exist=True, or take another name",
                )
            file.put(name, given)
            if set_as_active_profile or file.active is None:
                file.use(name)

        return self._change(name, change)

    def update(
        self,
        name: str,
        username: Optional[str] = None,
        password: Optional[str] = None,
        token: Optional[str] = None,
        *,
        host: Optional[str] = None,
        port: Optional[int] = None,
        protocol: Optional[str] = None,
        ssl_certificate: Optional[str] = None,
        ssl_trust_all: Optional[bool] = None,
        ssl_enabled: Optional[bool] = None,
    ) -> Profile:
        """Change what is given of a profile and return it. Arguments are as for
        create. A profile that a server on this machine wrote gets its address
        back when that starts."""
        given = _given(
            host=host,
            port=port,
            protocol=protocol,
            username=username,
            password=password,
            token=token,
            ssl_certificate=ssl_certificate,
            ssl_trust_all=ssl_trust_all,
            ssl_enabled=ssl_enabled,
        )

        def change(file: ProfileFile) -> None:
            known = file.profile(name)
            if "protocol" in given and "ssl_enabled" not in given and known.get("ssl_enabled"):
                given["ssl_enabled"] = False  # it is stronger than the protocol
            file.put(name, given)

        return self._change(name, change)

    def use(self, name: str) -> None:
        """Choose the profile in use. FAASPOT_PROFILE is stronger."""

        def change(file: ProfileFile) -> None:
            file.profile(name)
            file.use(name)

        profilefile.update(_path(), change)

    def delete(self, name: str) -> None:
        """Delete a profile with its token. Nothing is asked of its server."""
        profilefile.update(_path(), lambda file: file.remove(name))

    def _current(self, file: ProfileFile) -> Optional[str]:
        return self._chosen or os.environ.get("FAASPOT_PROFILE") or file.active

    def _show(self, file: ProfileFile, name: str) -> Profile:
        fields = file.profile(name)
        url = settings.endpoint_of(fields).url
        shown: Dict[str, Any] = {"name": name, "url": url, "active": name == self._current(file), **fields}
        return cast(Profile, shown)

    def _change(self, name: str, change: Callable[[ProfileFile], None]) -> Profile:
        profilefile.update(_path(), change)
        return self.get(name)


def _path() -> str:
    return settings.config_path(os.environ)


def _load() -> ProfileFile:
    return profilefile.load(_path())


def _check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError("name must be a string, not {}".format(type(name).__name__))
    if not re.match(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z", name):
        raise ValueError(
            "a profile's name must have 1 to 128 of A-Z a-z 0-9 - _ . and neither a dot nor a dash in front"
        )


def _given(**arguments: Optional[FieldValue]) -> Dict[str, Any]:
    """The arguments that are there, checked."""
    given: Dict[str, Any] = {name: value for name, value in arguments.items() if value is not None}
    for name, value in given.items():
        want = profilefile.FIELDS[name]
        if not isinstance(value, want) or (want is int and isinstance(value, bool)):
            raise TypeError("{} must be of type {}, not {!r}".format(name, want.__name__, value))
    if "protocol" in given:
        given["protocol"] = given["protocol"].lower()
        if given["protocol"] not in ("http", "https"):
            raise ValueError("protocol must be http or https")
    if "port" in given and not 0 < given["port"] < 1 << 16:
        raise ValueError("port must be a number from 1 to 65535")
    if "host" in given and not re.match(r"(?:\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?|[^\s/:?#@\\\[\]]+)\Z", given["host"]):
        raise ValueError("host must be a name or an address alone: there are protocol and port beside it")
    if "token" in given and not re.match(r"[!-~]*\Z", given["token"]):
        raise ValueError("token has characters that no token has")
    if given.get("ssl_certificate"):
        # What is relative to here is not relative to the profile file.
        given["ssl_certificate"] = os.path.abspath(given["ssl_certificate"])
        if not os.path.isfile(given["ssl_certificate"]):
            raise ValueError("ssl_certificate {} is not a file".format(given["ssl_certificate"]))
    return given
