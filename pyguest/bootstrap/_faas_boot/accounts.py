"""The modules pwd and grp of a system with one user and one group, both called root."""

from __future__ import annotations

import collections
from types import ModuleType

Passwd = collections.namedtuple("struct_passwd", "pw_name pw_passwd pw_uid pw_gid pw_gecos pw_dir pw_shell")
Group = collections.namedtuple("struct_group", "gr_name gr_passwd gr_gid gr_mem")

_USER = Passwd("root", "x", 0, 0, "root", "/tmp", "/bin/sh")
_GROUP = Group("root", "x", 0, [])


def pwd() -> ModuleType:
    """Return the module pwd."""
    return _module("pwd", _USER, struct_passwd=Passwd, by_number="getpwuid", by_name="getpwnam", all_="getpwall")


def grp() -> ModuleType:
    """Return the module grp."""
    return _module("grp", _GROUP, struct_group=Group, by_number="getgrgid", by_name="getgrnam", all_="getgrall")


def _module(name: str, entry: tuple, by_number: str, by_name: str, all_: str, **types: type) -> ModuleType:
    module = ModuleType(name)

    def number(wanted):
        if not isinstance(wanted, int):
            raise TypeError("an integer is required")
        if wanted != entry[2]:
            raise KeyError("%s(): %sid not found: %d" % (by_number, by_number[3], wanted))
        return entry

    def called(wanted):
        if not isinstance(wanted, str):
            raise TypeError("%s() argument must be str, not %s" % (by_name, type(wanted).__name__))
        if "\0" in wanted:
            raise ValueError("embedded null byte")
        if wanted != entry[0]:
            raise KeyError("%s(): name not found: %r" % (by_name, wanted))
        return entry

    def every():
        return [entry]

    for attribute, function in ((by_number, number), (by_name, called), (all_, every)):
        function.__name__ = function.__qualname__ = attribute
        function.__module__ = name
        setattr(module, attribute, function)
    for attribute, kind in types.items():
        kind.__module__ = name
        setattr(module, attribute, kind)
    return module
