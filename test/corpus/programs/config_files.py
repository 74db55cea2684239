"""Reads INI and TOML, environment, .env and netrc files, and property lists."""
import configparser
import io
import netrc
import os
import plistlib
import shlex
import tempfile
import tomllib
from datetime import datetime

INI = """[DEFAULT]
home = /srv
debug: no
[paths]
data = %(home)s/data
log = ${paths:data}/log
multi = one
  two
    three
empty =
flag
[Section With Space]
Key = värde ; not a comment
"""
TOML = """title = "Größe \\u00e9"
[owner]
dob = 1979-05-27T07:32:00-08:00
local = 07:32:00
day = 1979-05-27
[db]
ports = [8000, 8_001, 0xff, 0o17, 0b1]
floats = [1e3, -0.0, inf, 3.14_15]
"quoted key" = 'C:\\path'
text = '''
first
second'''
[[products]]
name = "a"
[[products]]
inline = { x = 1, y.z = true }
"""
BAD = ["a = ", "a = 1\na = 2", "[a]\n[a]", "a = 01", "a = 1979-13-01", "x = \"\\q\"", "a.b = 1\na = 2", "= 1", "a = [1,, 2]", "a = {b = 1,}", "x = 'un"]


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    basic = configparser.ConfigParser(allow_no_value=True, inline_comment_prefixes=None)
    basic.read_string(INI)
    extended = configparser.ConfigParser(allow_no_value=True, interpolation=configparser.ExtendedInterpolation())
    extended.read_string(INI.replace("%(home)s", "${home}"))
    written = io.StringIO()
    basic["new"] = {"a": "1", "b": "50%%"}
    basic.write(written, space_around_delimiters=False)
    toml = tomllib.loads(TOML)
    document = {"name": "é", "n": 2**40, "when": datetime(2024, 1, 2, 3, 4, 5), "data": b"\x00\x01", "list": [True, 1.5], "uid": plistlib.UID(3)}
    binary = plistlib.dumps(document, fmt=plistlib.FMT_BINARY)
    xml = plistlib.dumps({k: v for k, v in document.items() if k != "uid"})
    with tempfile.NamedTemporaryFile("w", suffix="netrc") as f:
        f.write("machine h login u password p\ndefault login anonymous password x@y\n")
        f.flush()
        hosts = netrc.netrc(f.name)
        login = [list(hosts.authenticators("h")), list(hosts.authenticators("other"))]
    return {
        "ini": {s: dict(basic.items(s, raw=True)) for s in basic.sections()}, "get": [basic["paths"]["data"], basic.getboolean("paths", "debug"), basic.get("paths", "none", fallback="fb"), basic.has_option("paths", "HOME"), extended["paths"]["log"], basic["paths"].getint("x", 5), "flag" in basic["paths"]], "written": written.getvalue(),
        "errors": [attempt(basic.get, "nope", "x"), attempt(basic.get, "paths", "x"), attempt(basic.getint, "DEFAULT", "home"), attempt(basic.getboolean, "paths", "multi"), attempt(configparser.ConfigParser().read_string, "a=1"), attempt(configparser.ConfigParser().read_string, "[a]\nx=1\nx=2"), attempt(configparser.ConfigParser().read_string, "[a]\n[a]"), attempt(configparser.ConfigParser().read_string, "[a]\n = bad\n"), attempt(lambda: configparser.ConfigParser({"a": "%(b)s"}).get("DEFAULT", "a")), attempt(basic.set, "paths", "x", "50%")],
        "toml": [toml["title"], toml["owner"]["dob"].isoformat(), str(toml["owner"]["local"]), str(toml["owner"]["day"]), toml["db"]["ports"], repr(toml["db"]["floats"]), toml["db"]["quoted key"], toml["db"]["text"], toml["products"]], "bad": {b: attempt(tomllib.loads, b) for b in BAD},
        "plist": [plistlib.loads(binary)["n"], binary[:8].decode(), len(binary), xml.decode(), plistlib.loads(xml)["when"].isoformat(), attempt(plistlib.loads, b"junk"), attempt(plistlib.dumps, {1: 2})], "netrc": login, "shlex": [shlex.split("a 'b c' \"d\\\"e\" f\\ g # c", comments=True), shlex.quote("it's"), shlex.join(["a b", "$x"]), attempt(shlex.split, "'open"), list(shlex.shlex("a=b && c;d", punctuation_chars=True))],
        "environ": [os.environ.get("NOPE"), attempt(lambda: os.environ["NOPE"]), os.environ.setdefault("NEW", "ü"), os.getenv("NEW"), attempt(os.environ.__setitem__, "A", 1), attempt(os.environ.__setitem__, "A=B", "x"), os.path.expandvars("$NEW/${NEW}/$NOPE"), os.environ.pop("NEW"), os.environb.get(b"HOME").decode(), os.environ["LANG"]],
    }
