"""Runs `fas profiles`, the single writer of the profile file.

`fas` acquires the lock of the file, preserves comments and unknown keys, and replaces the file in one
step, so this package does none of that.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from typing import List, Sequence

from .errors import ProfileError

TIMEOUT = 60.0  # seconds; a change takes milliseconds unless another process holds the lock


@dataclass(frozen=True)
class Command:
    """One call of `fas profiles`. secret is passed on the standard input, so that no other user of
    the machine can see it."""

    arguments: Sequence[str]
    secret: str = ""

    def __repr__(self) -> str:  # without the secret
        return "Command({!r})".format(self.shown)

    @property
    def shown(self) -> str:
        """The command as a person types it in a shell."""
        return shlex.join(["fas", "profiles", *self.arguments])


def run(path: str, commands: Sequence[Command]) -> None:
    """Run commands in order on the profile file at path. Raises ProfileError if `fas` is not
    installed, which is checked before the first command, or if a command fails; the commands before
    it have taken effect then."""
    program = _program(path, commands)
    environment = {**os.environ, "FAASPOT_CONFIG": path}
    for command in commands:
        try:
            done = subprocess.run(
                [program, "profiles", *command.arguments],
                input=command.secret.encode("utf-8"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment,
                timeout=TIMEOUT,
            )
        except OSError as err:
            raise ProfileError("cannot run {}: {}".format(program, err)) from err
        except subprocess.TimeoutExpired as err:
            raise ProfileError(
                "`{}` did not finish within {:g} s".format(command.shown, TIMEOUT),
                hint="another process may hold the lock {}.lock".format(path),
            ) from err
        if done.returncode != 0:
            raise _failure(command, done.returncode, done.stderr.decode("utf-8", "replace"))


def _program(path: str, commands: Sequence[Command]) -> str:
    """The path of the executable."""
    named = os.environ.get("FAASPOT_FAS")
    program = shutil.which(named or "fas")
    if program is not None:
        return program
    why = "FAASPOT_FAS names {}, which is not an executable".format(named) if named else "`fas` is not on the PATH"
    prefix = "FAASPOT_CONFIG={} ".format(shlex.quote(path))
    lines = " && ".join(prefix + command.shown for command in commands)
    hint = "install `fas`, or set FAASPOT_FAS to its path, or run where it is installed: " + lines
    if any(command.secret for command in commands):
        hint += " (the command asks for the secret)"
    raise ProfileError("cannot change the profile file {}: {}".format(path, why), hint=hint)


def _failure(command: Command, status: int, stderr: str) -> ProfileError:
    """The error that `fas` reported: a line `error: ...`, and perhaps a line `hint: ...`."""
    messages: List[str] = []
    hint = None
    for line in stderr.splitlines():
        if line.startswith("hint: "):
            hint = line[len("hint: ") :]
        elif line.strip():
            messages.append(line[len("error: ") :] if line.startswith("error: ") else line)
    message = "; ".join(messages) or "exit status {}".format(status)
    return ProfileError("`{}` failed: {}".format(command.shown, message), hint=hint)
