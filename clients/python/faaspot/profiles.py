"""f.profiles: the profiles in the profile file, which the command line `fas` shares."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional, TypedDict, cast

from . import fascommand, profilefile, settings
from .errors import AlreadyExists, ProfileError
from .fascommand import Command
from .profilefile import FieldValue, ProfileFile


class ProfileSummary(TypedDict):
    """A profile in a list, without its secrets."""

    name: str
    url: str  # of the server
    active: bool  # whether this client uses it by default


class Profile(ProfileSummary, total=False):
    """A profile with the fields that the file has. token and password are secrets."""

    host: str
    protocol: str  # "http" or "https"
    port: int
    username: str
    password: str
    token: str
    ssl_certificate: str
    ssl_trust_all: bool
    ssl_enabled: bool


class Profiles:
    """The profiles in the file that FAASPOT_CONFIG or FAASPOT_DIR names, else in
    ~/.faaspot/fasconf.yaml. Any thread may use it.

    list, get and current read the file. create, update, use and delete run the command line
    `fas profiles`, the single writer of the file; they need the executable `fas` on the PATH, or
    its path in FAASPOT_FAS. `fas` preserves comments and unknown keys. It receives token and password
    on its standard input, never as an argument that other users of the machine can see.

    Every method may raise ProfileError; if `fas` is not installed, its hint is the command to run.
    A change does not affect a client that has sent its first request.
    """

    def __init__(self, chosen: Optional[str] = None) -> None:
        self._chosen = chosen

    def __call__(self) -> Profiles:
        """Return self: f.profiles() is f.profiles."""
        return self

    def list(self) -> List[ProfileSummary]:
        """Return all profiles, in the order of the file, without secrets."""
        file = _load()
        shown = (self._show(file, name) for name in file.names())
        return [{"name": each["name"], "url": each["url"], "active": each["active"]} for each in shown]

    def get(self, name: str) -> Profile:
        """Return one profile with its secrets. Raises ProfileError if there is none of that name."""
        return self._show(_load(), name)

    def current(self) -> Optional[str]:
        """Return the name of the profile that this client uses: the constructor's argument, else
        FAASPOT_PROFILE, else the active profile of the file; None if there is none."""
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
        """Create a profile and return it. No request is sent to the server.

        name                   1 to 128 of A-Z a-z 0-9 - _ . but no dot or dash in front
        username, password     stored for other programs, not used here
        token                  the token that the server requires; printable ASCII without spaces
        update_if_exist        True: change the given fields of an existing profile of that name,
                               instead of raising AlreadyExists
        set_as_active_profile  True: make it the active profile; without an active profile it always
                               becomes that
        host, port, protocol   address of the server; default 127.0.0.1, 8080 (443 with https), http
        ssl_certificate        path of a PEM file with the authorities to trust
        ssl_trust_all          True: do not verify the server's certificate
        ssl_enabled            True: https, whatever protocol says; stored as the protocol https

        Token and password are written by two calls of `fas`, the password second. Raises
        AlreadyExists, ProfileError, and TypeError or ValueError for arguments that are not valid.
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
        file = _load()
        exists = name in file.names()
        if exists and not update_if_exist:
            raise _already_exists(file, name)
        _resolve_ssl_enabled(given, file.profile(name) if exists else {})
        switches = ["--update-if-exist"] if update_if_exist else []
        if set_as_active_profile:
            switches.append("--set-as-active-profile")
        commands = _commands("create", name, given, switches)
        try:
            fascommand.run(_path(), commands)
        except ProfileError:
            # Another process may have created it meanwhile; of two commands, the first may have.
            if not exists and not update_if_exist and len(commands) == 1 and name in _load().names():
                raise _already_exists(file, name) from None
            raise
        return self.get(name)

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
        """Change the given fields of a profile and return it. Arguments and errors are those of
        create; a given protocol turns ssl_enabled off. A server on this machine that wrote the
        profile restores its address when it starts."""
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
        _resolve_ssl_enabled(given, _load().profile(name))
        if given:
            fascommand.run(_path(), _commands("update", name, given))
        return self.get(name)

    def use(self, name: str) -> None:
        """Make a profile the active one. FAASPOT_PROFILE takes precedence over it."""
        _load().profile(name)  # raises if it is absent or not valid
        fascommand.run(_path(), [Command(["use", "--", name])])

    def delete(self, name: str) -> None:
        """Delete a profile and its token. No request is sent to its server. If it was the active
        profile, none is."""
        file = _load()
        if name not in file.names():
            raise file.absent(name)
        fascommand.run(_path(), [Command(["delete", "--yes", "--", name])])

    def _current(self, file: ProfileFile) -> Optional[str]:
        return self._chosen or os.environ.get("FAASPOT_PROFILE") or file.active

    def _show(self, file: ProfileFile, name: str) -> Profile:
        fields = file.profile(name)
        url = settings.endpoint_of(fields).url
        shown: Dict[str, Any] = {"name": name, "url": url, "active": name == self._current(file), **fields}
        return cast(Profile, shown)


# Text that `fas` cannot store. An argument of a process has no NUL and no surrogates, and Go's yaml.v3
# cannot read back what it writes for U+2028, for U+2029 and for several lines of which the first
# begins with a tab.
_UNSTORABLE = re.compile(r"\A\t.*\n|[\0\u2028\u2029\ud800-\udfff]", re.DOTALL)


def _path() -> str:
    return settings.config_path(os.environ)


def _load() -> ProfileFile:
    return profilefile.load(_path())


def _already_exists(file: ProfileFile, name: str) -> AlreadyExists:
    return AlreadyExists(
        "there is a profile {!r} in {}".format(name, file.path),
        hint="change it with update_if_exist=True, or choose another name",
    )


def _check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError("name must be a string, not {}".format(type(name).__name__))
    if not re.match(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z", name):
        raise ValueError("a profile's name must have 1 to 128 of A-Z a-z 0-9 - _ . and not begin with a dot or a dash")


def _given(**arguments: Optional[FieldValue]) -> Dict[str, Any]:
    """The arguments that are not None. Raises TypeError or ValueError if one is not valid."""
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
        raise ValueError("host must be a name or an address alone: give protocol and port in their own arguments")
    if "token" in given and not re.match(r"[!-~]*\Z", given["token"]):
        raise ValueError("token must be printable ASCII without spaces")
    if "password" in given and given["password"] != given["password"].strip():
        # `fas` trims what it reads from its standard input.
        raise ValueError("password must not begin or end with white space: `fas` cannot store it")
    for field in ("username", "password", "ssl_certificate"):
        if _UNSTORABLE.search(given.get(field, "")):
            raise ValueError("{} contains characters that `fas` cannot store".format(field))
    if given.get("ssl_certificate"):
        # A path relative to the working directory is not relative to the profile file.
        given["ssl_certificate"] = os.path.abspath(given["ssl_certificate"])
        if not os.path.isfile(given["ssl_certificate"]):
            raise ValueError("ssl_certificate {} is not a file".format(given["ssl_certificate"]))
    return given


def _resolve_ssl_enabled(given: Dict[str, Any], known: Dict[str, FieldValue]) -> None:
    """Express ssl_enabled in given by protocol: `fas` has no flag for it, and turns it off when it
    changes the protocol. known has the profile's fields."""
    enabled = given.pop("ssl_enabled", None)
    if enabled:
        if not known.get("ssl_enabled") or "protocol" in given:
            given["protocol"] = "https"
    elif enabled is False and known.get("ssl_enabled") and "protocol" not in given:
        given["protocol"] = known.get("protocol") or "http"


def _commands(verb: str, name: str, given: Dict[str, Any], switches: Optional[List[str]] = None) -> List[Command]:
    """The calls of `fas profiles` that write the given fields: one for everything, and a second one
    if there are two secrets, because a call can read only one from its standard input."""
    secrets = [field for field in ("token", "password") if given.get(field)]
    flags: List[str] = []
    for field, value in given.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if field not in secrets:
            flags.append("--{}={}".format(field.replace("_", "-"), text))
        elif field == secrets[0]:
            flags.append("--{}=-".format(field))
    commands = [Command([verb, *flags, *(switches or []), "--", name], given[secrets[0]] if secrets else "")]
    for field in secrets[1:]:
        commands.append(Command(["update", "--{}=-".format(field), "--", name], given[field]))
    return commands
