"""f.profiles, in a file that the command line `fas` writes and people edit."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple
from unittest import mock

from faaspot import AlreadyExists, Faaspot, ProfileError, Unauthenticated, fascommand, profilefile, settings
from faaspot.endpoint import Endpoint, parse_url

from . import realserver

HAND_WRITTEN = """\
# my servers
other_tool: {keep: me}
faaspot:
  profile: prod # the one for work
  color: blue
  profiles:
    # behind the VPN
    prod:
      host: faas.example.com
      protocol: https
      port: "8443" # quoted by another program
      token: abc # rotate in May
      ssl_certificate: ca.pem
      ssl_trust_all: 'False'
      ssl_enabled: True
      note: unknown to us
    empty:
"""


class WithFile(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "fasconf.yaml"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FAASPOT_")}
        environment.update(HOME=folder.name, FAASPOT_DIR=folder.name, FAASPOT_FAS=realserver.binary())
        patch = mock.patch.dict(os.environ, environment, clear=True)
        patch.start()
        self.addCleanup(patch.stop)
        self.profiles = Faaspot().profiles

    def fas(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [realserver.binary(), *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class Api(WithFile):
    def test_the_first_profile(self) -> None:
        created = self.profiles.create(token="secret")
        self.assertEqual(
            created,
            {
                "name": "default",
                "url": "http://127.0.0.1:8080",
                "active": True,
                "host": "127.0.0.1",
                "protocol": "http",
                "port": 8080,
                "token": "secret",
            },
        )
        self.assertEqual(
            self.path.read_text(),
            "faaspot:\n  profiles:\n    default:\n      host: 127.0.0.1\n      protocol: http\n"
            "      port: 8080\n      token: secret\n  profile: default\n",
        )
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_create_update_use_delete(self) -> None:
        p = self.profiles
        p.create("one", "user", "password", "t1")
        p.create("two", host="faas.example.com", protocol="HTTPS", token="t2")
        self.assertEqual(
            p.list(),
            [
                {"name": "one", "url": "http://127.0.0.1:8080", "active": True},
                {"name": "two", "url": "https://faas.example.com:443", "active": False},
            ],
        )
        with self.assertRaises(AlreadyExists):
            p.create("one", token="t3")
        self.assertEqual(p.get("one")["token"], "t1")
        p.create("one", token="t3", update_if_exist=True)
        self.assertEqual((p.get("one")["token"], p.get("one")["username"]), ("t3", "user"))
        self.assertEqual(p.current(), "one")
        p.use("two")
        self.assertEqual(p.current(), "two")
        p.create("three", set_as_active_profile=True)
        self.assertEqual(p.current(), "three")
        p.update("two", port=8443, ssl_enabled=True)
        self.assertEqual(p.get("two")["url"], "https://faas.example.com:8443")
        p.update("two", protocol="http")
        self.assertEqual(p.get("two")["url"], "http://faas.example.com:8443", "a protocol turns ssl_enabled off")
        p.delete("three")
        self.assertIsNone(p.current())
        self.assertEqual([each["name"] for each in p.list()], ["one", "two"])
        calls: List[Callable[[str], object]] = [p.get, p.use, p.delete, p.update]
        for call in calls:
            with self.assertRaisesRegex(ProfileError, "there is no profile 'three'") as caught:
                call("three")
            self.assertEqual(caught.exception.hint, "it has one, two")

    def test_lists_have_no_secrets(self) -> None:
        self.profiles.create("one", "user", "password", "secret")
        self.assertNotIn("secret", repr(self.profiles.list()))
        self.assertNotIn("password", repr(self.profiles.list()))

    def test_environment_variables_take_precedence(self) -> None:
        self.profiles.create("one")
        with mock.patch.dict(os.environ, FAASPOT_PROFILE="two"):
            self.assertEqual(self.profiles.current(), "two")
            self.assertEqual(Faaspot("three").profiles.current(), "three")
        other = self.folder / "elsewhere" / "conf.yaml"
        with mock.patch.dict(os.environ, FAASPOT_CONFIG=str(other)):
            self.assertEqual(self.profiles.list(), [])
            self.profiles.create("there")
        self.assertIn("there", other.read_text())
        self.assertEqual(stat.S_IMODE(other.parent.stat().st_mode), 0o700)

    def test_arguments_are_checked_before_anything_is_written(self) -> None:
        cases: List[Dict[str, Any]] = [
            {"name": ""},
            {"name": "a b"},
            {"name": ".a"},
            {"name": "a\n"},
            {"name": "a" * 129},
            {"port": 0},
            {"port": 65536},
            {"protocol": "ftp"},
            {"host": "http://h"},
            {"host": "h:80"},
            {"host": "a b"},
            {"token": "a b"},
            {"token": "a\n"},
            {"ssl_certificate": str(self.folder / "absent.pem")},
            {"password": "a "},
            {"password": "\n"},
            {"username": "\ta\nb"},
            {"username": "a\u2028b"},
            {"username": "a\0b"},
            {"password": "a\ud800b", "token": "t"},
        ]
        for wrong in cases:
            with self.subTest(wrong), self.assertRaises(ValueError):
                self.profiles.create(**wrong)
        for odd in ({"port": "80"}, {"port": True}, {"host": 1}, {"ssl_enabled": "yes"}, {"name": 1}):
            with self.subTest(odd), self.assertRaises(TypeError):
                self.profiles.create(**odd)  # type: ignore[arg-type]
        self.assertFalse(self.path.exists())

    def test_a_relative_certificate_becomes_absolute(self) -> None:
        certificate = self.folder / "ca.pem"
        certificate.write_text("x")
        self.profiles.create(ssl_certificate=os.path.relpath(certificate))
        self.assertEqual(self.profiles.get("default")["ssl_certificate"], str(certificate))


class File(WithFile):
    def test_a_file_written_by_hand(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        self.assertEqual(
            self.profiles.get("prod"),
            {
                "name": "prod",
                "url": "https://faas.example.com:8443",
                "active": True,
                "host": "faas.example.com",
                "protocol": "https",
                "port": 8443,
                "token": "abc",
                "ssl_certificate": "ca.pem",
                "ssl_trust_all": False,
                "ssl_enabled": True,
            },
        )
        self.assertEqual(self.profiles.get("empty"), {"name": "empty", "url": "http://127.0.0.1:8080", "active": False})

    def test_a_change_keeps_comments_and_unknown_keys(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        self.profiles.update("prod", token="12345", port=9443, ssl_trust_all=False)
        self.profiles.update("empty", host="::1", port=81)
        self.assertEqual(
            self.path.read_text(),
            HAND_WRITTEN.replace('port: "8443"', "port: 9443")
            .replace("token: abc", 'token: "12345"')
            .replace(
                "    empty:\n",
                '    empty:\n      host: ::1\n      protocol: ""\n      port: 81\n      token: ""\n',
            ),
        )

    def test_nothing_is_written_without_a_change(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        before = self.path.stat()
        self.profiles.use("prod")
        self.profiles.update("prod", host="faas.example.com", ssl_enabled=True)
        self.profiles.update("prod")
        self.assertEqual(self.path.stat().st_mtime_ns, before.st_mtime_ns)
        self.assertEqual(self.path.stat().st_ino, before.st_ino)

    def test_a_changed_file_has_mode_0600(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        self.path.chmod(0o644)
        self.profiles.use("empty")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_a_symbolic_link_is_kept(self) -> None:
        target = self.folder / "dotfiles" / "conf.yaml"
        target.parent.mkdir()
        target.write_text(HAND_WRITTEN)
        self.path.symlink_to(target)
        self.profiles.use("empty")
        self.assertTrue(self.path.is_symlink())
        self.assertIn("profile: empty", target.read_text())

    def test_files_that_are_not_valid_are_reported_with_the_line(self) -> None:
        for text, want in [
            ("faaspot: {\n", ":1: the value is not plain or quoted text that ends on its line"),
            ("- a\n", ":1: want `key: value` on one line"),
            ("faaspot: 3\n", ":1: faaspot: want a mapping"),
            ("faaspot:\n  profiles: [a]\n", ":2: profiles: want a mapping of names to profiles, not a list"),
            ("a: 1\n---\nb: 2\n", ":2: directives and more than one document"),
            ("faaspot:\n  profiles:\n    p: 3\n", ":3: p: want a mapping"),
            ("faaspot:\n  profiles:\n    p:\n      port: x\n", ":4: port: want a number from 1 to 65535"),
            ("faaspot:\n  profiles:\n    p:\n      port: 65536\n", ":4: port: want a number"),
            ("faaspot:\n  profiles:\n    p:\n      port: 8_080\n", ":4: port: want a number"),
            ("faaspot:\n  profiles:\n    p:\n      ssl_enabled: maybe\n", ":4: ssl_enabled: want true or false"),
            ("faaspot:\n  profiles:\n    p:\n      host: [a]\n", ":4: host: want a single value, not a list"),
            ("faaspot:\n  profiles:\n    p: &x\n      port: 1\n", ":3: the value is not plain or quoted text"),
            ("faaspot:\n  profiles: {p: {port: 1}}\n", ":2: the value is not plain or quoted text"),
            ("faaspot:\n  profiles: {p: 1}\n", ":2: profiles: want a mapping"),
        ]:
            with self.subTest(text):
                self.path.write_text(text)
                with self.assertRaises(ProfileError) as caught:
                    self.profiles.get("p")
                self.assertIn(str(self.path) + want, str(caught.exception))
                self.assertEqual(caught.exception.line, int(want.split(":")[1]))
                self.assertIn("`fas profiles`", caught.exception.hint or "")
                with self.assertRaises(ProfileError):
                    self.profiles.update("p", host="h")
                self.assertEqual(self.path.read_text(), text)
        self.path.write_bytes(b"a: b\nc: \xff\n")
        with self.assertRaisesRegex(ProfileError, ":2: it is not UTF-8"):
            self.profiles.list()
        self.path.write_text("".join(" " * depth + "a:\n" for depth in range(1000)))
        with self.assertRaisesRegex(ProfileError, "nested too deep"):
            self.profiles.list()
        self.path.write_bytes(b"#" * (profilefile.MAX_SIZE + 1))
        with self.assertRaisesRegex(ProfileError, "larger than 1048576 bytes"):
            self.profiles.list()
        self.path.write_bytes(b"#" * profilefile.MAX_SIZE)
        self.assertEqual(self.profiles.list(), [])

    def test_empty_files_have_no_profiles(self) -> None:
        for text in ("", "# nothing yet\n", "faaspot:\n", "faaspot:\n  profiles:\n", "faaspot: {}\n", "~\n"):
            with self.subTest(text):
                self.path.write_text(text)
                self.assertEqual(self.profiles.list(), [])
                self.assertIsNone(self.profiles.current())
                self.profiles.create("p")
                self.assertEqual(self.profiles.current(), "p")

    def test_concurrent_changes_lose_nothing(self) -> None:
        """Threads create profiles while others read the file: no profile is lost, and no reader sees
        half a file."""
        failures: List[BaseException] = []

        def work(number: int) -> None:
            try:
                for each in range(3):
                    self.profiles.create("p-{}-{}".format(number, each), token="t")
                    self.profiles.list()
            except BaseException as err:
                failures.append(err)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(self.profiles.list()), 18)
        self.assertEqual(sorted(os.listdir(self.folder)), ["fasconf.yaml", "fasconf.yaml.lock"])


class Fas(WithFile):
    """How this client runs `fas`."""

    def fake(self, script: str) -> None:
        """Use a shell script in the place of `fas`."""
        path = self.folder / "fake-fas"
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o700)
        patch = mock.patch.dict(os.environ, FAASPOT_FAS=str(path))
        patch.start()
        self.addCleanup(patch.stop)

    def test_without_fas_the_hint_is_the_command(self) -> None:
        with mock.patch.dict(os.environ, PATH=str(self.folder)):
            del os.environ["FAASPOT_FAS"]
            with self.assertRaisesRegex(ProfileError, "`fas` is not on the PATH") as caught:
                self.profiles.create("work", "me", "sesame", "simsim", host="h", ssl_trust_all=True)
        hint = caught.exception.hint or ""
        prefix = "FAASPOT_CONFIG={} fas profiles ".format(self.path)
        self.assertIn(
            "{0}create --host=h --username=me --token=- --ssl-trust-all=true -- work"
            " && {0}update --password=- -- work".format(prefix),
            hint,
        )
        self.assertNotIn("sesame", hint)
        self.assertNotIn("simsim", hint)
        with mock.patch.dict(os.environ, FAASPOT_FAS="/nonexistent/fas"):
            with self.assertRaisesRegex(ProfileError, "FAASPOT_FAS names /nonexistent/fas"):
                self.profiles.create("work")
        self.assertFalse(self.path.exists())

    def test_fas_is_found_on_the_path(self) -> None:
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "fas").symlink_to(realserver.binary())
        with mock.patch.dict(os.environ, PATH=str(self.folder / "bin")):
            del os.environ["FAASPOT_FAS"]
            self.profiles.create("work", token="t")
        self.assertEqual(self.profiles.get("work")["token"], "t")

    @unittest.skipIf(sys.platform == "win32", "a shell is needed")
    def test_secrets_are_not_arguments(self) -> None:
        self.fake('echo "$@" >> "$FAASPOT_DIR/arguments"; cat >> "$FAASPOT_DIR/secrets"\n')
        self.path.write_text(HAND_WRITTEN)
        self.profiles.create("prod", "me", "sesame", "simsim", update_if_exist=True)
        self.profiles.update("prod", password="sesame")
        self.profiles.update("prod", token="", password="")
        self.assertEqual(
            (self.folder / "arguments").read_text().splitlines(),
            [
                "profiles create --username=me --token=- --update-if-exist -- prod",
                "profiles update --password=- -- prod",
                "profiles update --password=- -- prod",
                "profiles update --password= --token= -- prod",
            ],
        )
        self.assertEqual((self.folder / "secrets").read_text(), "simsimsesamesesame")

    def test_both_secrets_are_written(self) -> None:
        self.profiles.create("one", "me", "pass word: # 'x'\nsecond line", "simsim")
        got = self.profiles.get("one")
        self.assertEqual((got["password"], got["token"]), ("pass word: # 'x'\nsecond line", "simsim"))
        self.profiles.update("one", password="", token="other")
        self.assertEqual((self.profiles.get("one")["password"], self.profiles.get("one")["token"]), ("", "other"))

    def test_ssl_enabled_is_written_as_the_protocol(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        p = self.profiles
        steps: List[Tuple[Dict[str, Any], str]] = [
            ({"ssl_enabled": False}, "https://faas.example.com:8443"),  # the protocol is https
            ({"ssl_enabled": False, "protocol": "http"}, "http://faas.example.com:8443"),
            ({"ssl_enabled": True}, "https://faas.example.com:8443"),
            ({"ssl_enabled": True, "protocol": "http"}, "https://faas.example.com:8443"),
            ({"protocol": "http"}, "http://faas.example.com:8443"),
        ]
        for change, want in steps:
            with self.subTest(change):
                self.assertEqual(p.update("prod", **change)["url"], want)
        self.assertEqual(p.create("new", ssl_enabled=True)["url"], "https://127.0.0.1:443")
        self.assertEqual(p.create("old", ssl_enabled=False)["url"], "http://127.0.0.1:8080")

    @unittest.skipIf(sys.platform == "win32", "a shell is needed")
    def test_errors_of_fas_are_reported(self) -> None:
        self.fake("echo 'error: the disk is full' >&2; echo 'hint: free some space' >&2; exit 1\n")
        self.path.write_text(HAND_WRITTEN)
        calls: List[Callable[[], object]] = [
            lambda: self.profiles.use("empty"),
            lambda: self.profiles.delete("empty"),
            lambda: self.profiles.update("empty", port=81),
            lambda: self.profiles.create("new", token="sesame"),
        ]
        for call in calls:
            with self.assertRaisesRegex(ProfileError, "`fas profiles .*` failed: the disk is full") as caught:
                call()
            self.assertEqual(caught.exception.hint, "free some space")
            self.assertNotIn("sesame", str(caught.exception))
        self.assertEqual(self.path.read_text(), HAND_WRITTEN)
        self.fake("exit 3\n")
        with self.assertRaisesRegex(ProfileError, "exit status 3"):
            self.profiles.use("empty")

    @unittest.skipIf(sys.platform == "win32", "a shell is needed")
    def test_a_profile_that_another_process_creates_meanwhile(self) -> None:
        text = "faaspot:\n  profiles:\n    new:\n"
        self.fake("printf '{}' > \"$FAASPOT_CONFIG\"; exit 1\n".format(text.replace("\n", "\\n")))
        with self.assertRaises(AlreadyExists):
            self.profiles.create("new", token="t")

    @unittest.skipIf(sys.platform == "win32", "a shell is needed")
    def test_a_command_that_does_not_end_is_stopped(self) -> None:
        self.fake("exec sleep 600\n")
        self.path.write_text(HAND_WRITTEN)
        with mock.patch.object(fascommand, "TIMEOUT", 0.05):
            with self.assertRaisesRegex(ProfileError, "did not finish within 0.05 s"):
                self.profiles.use("empty")

    def test_a_name_that_looks_like_a_flag(self) -> None:
        self.path.write_text("faaspot:\n  profiles:\n    --help:\n    é b:\n")
        self.profiles.use("é b")
        self.profiles.delete("--help")
        self.assertEqual([each["name"] for each in self.profiles.list()], ["é b"])
        self.assertEqual(self.profiles.current(), "é b")


class CommandLine(WithFile):
    """`fas` and this client share a file."""

    TOKENS = [
        "plain",
        "12345",
        "true",
        "~",
        "'quoted'",
        'double"',
        "a:b#c",
        "#x",
        "{x}",
        "-",
        "\\",
        "&a",
        "*b",
        "!c",
        "%d",
        "@e",
        "0x1f",
        "yes",
        "null",
        "1e3",
        "1_000",
        ".inf",
        "=",
        "<<",
        "2017-07-21",
        "12:30",
        "---",
        "...",
        "?",
        "|",
        ">-",
        "[]",
        "a:",
        ",",
    ]
    # Values with spaces and other characters, which a username may have.
    TEXTS = [
        "",
        " leading",
        "trailing ",
        "\ttab\t",
        "é: ü # x",
        "'single' \"double\" \\back",
        "two\nlines",
        " two \n\n lines \n",
        "\nleading line",
        "ends\n",
        "ends\n\n\n",
        "\n",
        "carriage\rreturn\r\n",
        "\U0001f600 \ufeff \x85 \x01 \x7f \xa0",
        "- list",
        "? key",
        "# comment",
        "key: value",
        "key:",
        "{a: b}",
        "[a, b]",
        "&a *b !c %d @e `f`",
        "x" * 5000,
        "word " * 400,
    ]
    NAMES = ["yes", "null", "1e3", "123", "0x1f", "_", "a.b-c_d", "x" * 128, "1" * 128, "y", "1_0", "profile"]

    def test_every_value_that_fas_writes_is_read_back(self) -> None:
        values = [(token, "é: ü # x") for token in self.TOKENS] + [("t", text) for text in self.TEXTS]
        names = self.NAMES + ["p{}".format(number) for number in range(len(values) - len(self.NAMES))]
        for name, (token, username) in zip(names, values):
            self.fas("profiles", "create", name, "--host", "::1", "-t", "-", "-u", username, stdin=token)
        for name, (token, username) in zip(names, values):
            got = self.profiles.get(name)
            self.assertEqual(
                (got["token"], got["host"], got.get("username", "")), (token, "::1", username), self.path.read_text()
            )
        self.assertEqual([each["name"] for each in self.profiles.list()], names)
        listed = json.loads(self.fas("profiles", "list", "--json"))
        self.assertEqual([each["username"] for each in listed], [username for _, username in values])
        self.path.write_text(self.path.read_text().split('    "null":')[0])
        self.fas("profiles", "use", "yes")
        self.fas("profiles", "delete", "yes")
        self.assertEqual((self.profiles.list(), self.profiles.current()), ([], None), self.path.read_text())
        self.profiles.create("again", token="t")
        self.assertEqual(self.fas("profiles", "current"), "again\n")

    def test_random_values_that_fas_writes_are_read_back(self) -> None:
        """The characters that have a meaning in YAML, in any order."""
        alphabet = "ab1 .:#-'\"\\{}[],&*!|>%@`~?/\t\ré\u00a0\ufeff\U0001f600\x85\x7f"
        chance = random.Random(11)
        for number in range(24):
            fields = {
                flag: "".join(chance.choices(alphabet, k=chance.randrange(1, 12))) for flag in ("username", "password")
            }
            name = "p{}".format(number)
            flags = ["--{}={}".format(flag, "./-" if text == "-" else text) for flag, text in fields.items()]
            self.fas("profiles", "create", name, *flags)
            got = self.profiles.get(name)
            want = {flag: "./-" if text == "-" else text for flag, text in fields.items()}
            self.assertEqual({flag: got.get(flag) for flag in fields}, want, self.path.read_text())

    def test_values_that_this_client_writes_are_read_by_fas(self) -> None:
        for number, token in enumerate(self.TOKENS[:16]):
            name = "p{}".format(number)
            self.profiles.create(name, "é: ü # x\n\t", None, token, host="::1", port=81)
            self.assertEqual(self.fas("auth", "token", "--profile", name), token + "\n", self.path.read_text())
        listed = json.loads(self.fas("profiles", "list", "--json"))
        self.assertEqual([each["name"] for each in listed], [each["name"] for each in self.profiles.list()])
        self.assertEqual([each["url"] for each in listed], [each["url"] for each in self.profiles.list()])
        self.assertEqual({each["username"] for each in listed}, {"é: ü # x\n\t"})
        self.assertEqual([each["active"] for each in listed], [each["active"] for each in self.profiles.list()])

    def test_both_change_a_file_written_by_hand(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        self.profiles.create("mine", token="m")
        self.fas("profiles", "create", "theirs", "-t", "-", stdin="t")
        self.profiles.update("theirs", port=81)
        self.fas("profiles", "update", "mine", "--port", "82")
        self.profiles.use("mine")
        text = self.path.read_text()
        for part in ("# my servers", "other_tool: {keep: me}", "# the one for work", "color: blue", "# behind the VPN"):
            self.assertIn(part, text)
        shown = {each["name"]: each["url"] for each in json.loads(self.fas("profiles", "list", "--json"))}
        self.assertEqual(shown, {each["name"]: each["url"] for each in self.profiles.list()})
        self.assertEqual((shown["mine"], shown["theirs"]), ("http://127.0.0.1:82", "http://127.0.0.1:81"))
        self.assertEqual(self.fas("profiles", "current"), "mine\n")


class Resolution(WithFile):
    """Which server and which token a client uses."""

    def resolve(self, **options: Any) -> settings.Target:
        return settings.resolve(settings.config_path(os.environ), os.environ, **options)

    def test_the_active_profile(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        target = self.resolve()
        self.assertEqual(target.endpoint, Endpoint("https", "faas.example.com", 8443))
        self.assertEqual((target.token, target.ssl_trust_all), ("abc", False))
        self.assertEqual(target.ssl_certificate, str(self.folder / "ca.pem"), "relative to the file")

    def test_arguments_before_variables_before_profiles(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        self.profiles.create("other", token="o", port=81)
        with mock.patch.dict(os.environ, FAASPOT_TOKEN="from the environment".replace(" ", "-")):
            self.assertEqual(self.resolve().token, "from-the-environment")
            self.assertEqual(self.resolve(token="argument").token, "argument")
        with mock.patch.dict(os.environ, FAASPOT_PROFILE="other"):
            self.assertEqual(self.resolve().token, "o")
            self.assertEqual(self.resolve(profile="prod").token, "abc")
        target = self.resolve(profile="prod", ssl_certificate="/x.pem", ssl_trust_all=True)
        self.assertEqual((target.ssl_certificate, target.ssl_trust_all), ("/x.pem", True))

    def test_no_token_of_a_profile_is_sent_to_a_url(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        with self.assertRaises(Unauthenticated):
            self.resolve(url="http://elsewhere.example.com")
        target = self.resolve(url="http://elsewhere.example.com/", token="t")
        self.assertEqual(target.endpoint, Endpoint("http", "elsewhere.example.com", 80))
        self.assertEqual((target.ssl_certificate, target.token), (None, "t"))
        with self.assertRaises(ValueError):
            Faaspot("prod", url="http://elsewhere.example.com")

    def test_the_url_of_the_environment(self) -> None:
        """FAASPOT_URL names the server, and FAASPOT_TOKEN is sent to no other."""
        self.path.write_text(HAND_WRITTEN)
        here = Endpoint("http", "127.0.0.1", 9)
        with mock.patch.dict(os.environ, FAASPOT_URL="http://127.0.0.1:9", FAASPOT_TOKEN="t"):
            self.assertEqual((self.resolve().endpoint, self.resolve().token), (here, "t"))
            self.assertEqual(self.resolve(url="http://127.0.0.1:9").token, "t")
            self.assertEqual(self.resolve(profile="prod").token, "abc")
            with self.assertRaises(Unauthenticated):
                self.resolve(url="http://elsewhere.example.com")
        with mock.patch.dict(os.environ, FAASPOT_URL="http://127.0.0.1:9"):
            with self.assertRaises(Unauthenticated):
                self.resolve()

    def test_urls(self) -> None:
        for url, want in [
            ("http://h", Endpoint("http", "h", 80)),
            ("HTTPS://H:8443/", Endpoint("https", "h", 8443)),
            ("https://[::1]", Endpoint("https", "::1", 443)),
        ]:
            self.assertEqual(parse_url(url), want)
        for wrong in (
            "h:80",
            "ftp://h",
            "http://",
            "http://h/v1",
            "http://h?x",
            "http://u:p@h",
            "http://h:0",
            "http://h:x",
            "http://a b",
            "http://h\r\nx",
        ):
            with self.subTest(wrong), self.assertRaises(ValueError):
                Faaspot(url=wrong, token="t")

    def test_addresses_of_profiles(self) -> None:
        """The same table as in the tests of the command line."""
        cases: List[Tuple[Dict[str, Any], str]] = [
            ({}, "http://127.0.0.1:8080"),
            ({"host": "::1", "port": 9}, "http://[::1]:9"),
            ({"host": "[::1]", "port": 8}, "http://[::1]:8"),
            ({"host": "h", "protocol": "HTTPS"}, "https://h:443"),
            ({"host": "h", "protocol": "http", "port": 8443, "ssl_enabled": True}, "https://h:8443"),
            ({"host": "example.com", "protocol": "http", "port": 80}, "http://example.com:80"),
        ]
        for fields, want in cases:
            self.assertEqual(settings.endpoint_of(fields).url, want)
        for wrong in ({"protocol": "ftp"}, {"host": "a/b"}, {"host": "a\nb"}, {"host": "u@h"}):
            with self.subTest(wrong), self.assertRaises(ProfileError):
                settings.endpoint_of(wrong)

    def test_without_a_token_the_hint_says_what_to_do(self) -> None:
        with self.assertRaises(Unauthenticated) as caught:
            Faaspot().functions.list()
        self.assertEqual(str(caught.exception), "there is no token for http://127.0.0.1:8080")
        self.assertIn("fas serve", caught.exception.hint or "")
        self.profiles.create("mine")
        with self.assertRaises(Unauthenticated) as caught:
            Faaspot().functions.list()
        self.assertIn("'mine'", caught.exception.hint or "")

    def test_a_token_that_is_not_valid_in_a_header(self) -> None:
        for wrong in ("a b", "a\r\nX-Evil: 1", "é"):
            with self.subTest(wrong), self.assertRaises(Unauthenticated) as caught:
                Faaspot(url="http://127.0.0.1:1", token=wrong).functions.list()
            self.assertNotIn(wrong, str(caught.exception))

    def test_secrets_are_not_shown(self) -> None:
        target = self.resolve(url="http://h", token="sesame")
        self.assertNotIn("sesame", repr(target) + repr(Faaspot(url="http://h", token="sesame")))
