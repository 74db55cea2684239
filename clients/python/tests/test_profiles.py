"""Profiles: the file is shared with the command line and with people."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple
from unittest import mock

from faaspot import AlreadyExists, Faaspot, ProfileError, Unauthenticated, profilefile, settings
from faaspot.connection import Endpoint

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
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FAASPOT_")}
        kept.update(HOME=folder.name, FAASPOT_DIR=folder.name)
        patch = mock.patch.dict(os.environ, kept, clear=True)
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
    def test_a_first_profile(self) -> None:
        made = self.profiles.create(token="secret")
        self.assertEqual(
            made,
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

    def test_the_life_of_profiles(self) -> None:
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
        self.assertEqual(p.get("two")["url"], "http://faas.example.com:8443", "ssl_enabled gives way")
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

    def test_variables_are_stronger(self) -> None:
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
        ]
        for wrong in cases:
            with self.subTest(wrong), self.assertRaises(ValueError):
                self.profiles.create(**wrong)
        for odd in ({"port": "80"}, {"port": True}, {"host": 1}, {"ssl_enabled": "yes"}, {"name": 1}):
            with self.subTest(odd), self.assertRaises(TypeError):
                self.profiles.create(**odd)  # type: ignore[arg-type]
        self.assertFalse(self.path.exists())

    def test_certificates_are_found_from_everywhere(self) -> None:
        certificate = self.folder / "ca.pem"
        certificate.write_text("x")
        self.profiles.create(ssl_certificate=os.path.relpath(certificate))
        self.assertEqual(self.profiles.get("default")["ssl_certificate"], str(certificate))


class File(WithFile):
    def test_a_file_of_people(self) -> None:
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

    def test_changes_keep_what_is_not_known(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        self.profiles.update("prod", token="12345", port=9443, ssl_trust_all=False)
        self.profiles.update("empty", host="::1")
        self.assertEqual(
            self.path.read_text(),
            HAND_WRITTEN.replace('port: "8443"', "port: 9443")
            .replace("token: abc", 'token: "12345"')
            .replace("    empty:\n", '    empty:\n      host: "::1"\n'),
        )

    def test_nothing_is_written_without_a_change(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        before = self.path.stat()
        self.profiles.use("prod")
        self.profiles.update("prod", host="faas.example.com", ssl_enabled=True)
        self.assertEqual(self.path.stat().st_mtime_ns, before.st_mtime_ns)
        self.assertEqual(self.path.stat().st_ino, before.st_ino)

    def test_a_change_that_fails_leaves_the_file_alone(self) -> None:
        self.path.write_text(HAND_WRITTEN)

        def change(file: profilefile.ProfileFile) -> None:
            file.use("empty")
            raise RuntimeError("stop")

        with self.assertRaises(RuntimeError):
            profilefile.update(str(self.path), change)
        self.assertEqual(self.path.read_text(), HAND_WRITTEN)
        self.assertEqual(sorted(os.listdir(self.folder)), ["fasconf.yaml", "fasconf.yaml.lock"])

    def test_a_disk_that_fails_leaves_the_file_alone(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        for call in ("os.fsync", "os.replace"):
            with mock.patch(call, side_effect=OSError(28, "No space left on device")):
                with self.assertRaisesRegex(ProfileError, "No space left"):
                    self.profiles.use("empty")
            self.assertEqual(self.path.read_text(), HAND_WRITTEN)
            self.assertEqual(sorted(os.listdir(self.folder)), ["fasconf.yaml", "fasconf.yaml.lock"])

    def test_the_mode_becomes_tight(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        self.path.chmod(0o644)
        self.profiles.use("empty")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_a_link_stays(self) -> None:
        kept = self.folder / "dotfiles" / "conf.yaml"
        kept.parent.mkdir()
        kept.write_text(HAND_WRITTEN)
        self.path.symlink_to(kept)
        self.profiles.use("empty")
        self.assertTrue(self.path.is_symlink())
        self.assertIn("profile: empty", kept.read_text())

    def test_wrong_files_say_where(self) -> None:
        for text, want in [
            ("faaspot: {\n", ":1: `{` is not closed on its line"),
            ("- a\n", ":1: the file: want a mapping, not a list"),
            ("faaspot: 3\n", ":1: faaspot: want a mapping"),
            ("faaspot:\n  profiles: [a]\n", ":2: profiles: want a mapping of names to profiles, not a list"),
            ("a: 1\n---\nb: 2\n", ":2: more than one document"),
            ("faaspot:\n  profiles:\n    p: 3\n", ":3: p: want a mapping"),
            ("faaspot:\n  profiles:\n    p:\n      port: x\n", ":4: port: want a number from 1 to 65535"),
            ("faaspot:\n  profiles:\n    p:\n      port: 65536\n", ":4: port: want a number"),
            ("faaspot:\n  profiles:\n    p:\n      port: 8_080\n", ":4: port: want a number"),
            ("faaspot:\n  profiles:\n    p:\n      ssl_enabled: maybe\n", ":4: ssl_enabled: want true or false"),
            ("faaspot:\n  profiles:\n    p:\n      host: [a]\n", ":4: host: want a single value, not a list"),
            ("faaspot:\n  profiles:\n    p: &x\n      port: 1\n", ":3: anchors"),
            ("faaspot:\n  profiles: {p: {port: 1}}\n", ":2: profiles: want a mapping"),
        ]:
            with self.subTest(text):
                self.path.write_text(text)
                with self.assertRaises(ProfileError) as caught:
                    self.profiles.get("p")
                self.assertIn(str(self.path) + want, str(caught.exception))
                with self.assertRaises(ProfileError):
                    self.profiles.update("p", host="h")
                self.assertEqual(self.path.read_text(), text)
        self.path.write_bytes(b"a: b\nc: \xff\n")
        with self.assertRaisesRegex(ProfileError, ":2: it is not UTF-8"):
            self.profiles.list()
        self.path.write_text("".join(" " * depth + "a:\n" for depth in range(3000)))
        with self.assertRaisesRegex(ProfileError, "nested too deep"):
            self.profiles.list()

    def test_empty_files_have_no_profiles(self) -> None:
        for text in ("", "# nothing yet\n", "faaspot:\n", "faaspot:\n  profiles:\n", "faaspot: {}\n", "~\n"):
            with self.subTest(text):
                self.path.write_text(text)
                self.assertEqual(self.profiles.list(), [])
                self.assertIsNone(self.profiles.current())
                self.profiles.create("p")
                self.assertEqual(self.profiles.current(), "p")

    def test_many_at_once(self) -> None:
        """Writers that read, change and replace without a lock lose each other's
        profiles; readers that see half a file fail."""
        failures: List[BaseException] = []

        def work(number: int) -> None:
            try:
                for each in range(10):
                    self.profiles.create("p-{}-{}".format(number, each), token="t")
                    self.profiles.list()
            except BaseException as err:
                failures.append(err)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(self.profiles.list()), 80)
        self.assertEqual(sorted(os.listdir(self.folder)), ["fasconf.yaml", "fasconf.yaml.lock"])


class CommandLine(WithFile):
    """`fas` and this client with one file."""

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
    ]

    def test_what_fas_writes_is_read(self) -> None:
        for number, token in enumerate(self.TOKENS):
            name = "p{}".format(number)
            self.fas("profiles", "create", name, "--host", "::1", "-t", "-", "-u", "é: ü # x", stdin=token)
            got = self.profiles.get(name)
            self.assertEqual(
                (got["token"], got["host"], got["username"]), (token, "::1", "é: ü # x"), self.path.read_text()
            )
        self.assertEqual(len(self.profiles.list()), len(self.TOKENS))
        for each in self.profiles.list():
            self.fas("profiles", "delete", each["name"])
        self.assertEqual(self.profiles.list(), [], self.path.read_text())
        self.profiles.create("again", token="t")
        self.assertEqual(self.fas("profiles", "current"), "again\n")

    def test_what_this_client_writes_is_read_by_fas(self) -> None:
        for number, token in enumerate(self.TOKENS):
            name = "p{}".format(number)
            self.profiles.create(name, "é: ü # x\n\t", None, token, host="::1", port=81)
            self.assertEqual(self.fas("auth", "token", "--profile", name), token + "\n", self.path.read_text())
        listed = json.loads(self.fas("profiles", "list", "--json"))
        self.assertEqual([each["name"] for each in listed], [each["name"] for each in self.profiles.list()])
        self.assertEqual([each["url"] for each in listed], [each["url"] for each in self.profiles.list()])
        self.assertEqual({each["username"] for each in listed}, {"é: ü # x\n\t"})
        self.assertEqual([each["active"] for each in listed], [each["active"] for each in self.profiles.list()])

    def test_both_change_a_file_of_people(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        self.profiles.create("mine", token="m")
        self.fas("profiles", "create", "theirs", "-t", "-", stdin="t")
        self.profiles.update("theirs", port=81)
        self.fas("profiles", "update", "mine", "--port", "82")
        self.profiles.use("mine")
        text = self.path.read_text()
        for kept in ("# my servers", "other_tool: {keep: me}", "# the one for work", "color: blue", "# behind the VPN"):
            self.assertIn(kept, text)
        shown = {each["name"]: each["url"] for each in json.loads(self.fas("profiles", "list", "--json"))}
        self.assertEqual(shown, {each["name"]: each["url"] for each in self.profiles.list()})
        self.assertEqual((shown["mine"], shown["theirs"]), ("http://127.0.0.1:82", "http://127.0.0.1:81"))
        self.assertEqual(self.fas("profiles", "current"), "mine\n")

    @unittest.skipIf(sys.platform == "win32", "a shell is needed")
    def test_both_at_once(self) -> None:
        """They take the same lock: no profile is lost."""
        script = 'for i in 0 1 2 3 4 5 6 7 8 9 10 11; do "$0" profiles create "fas-$i" </dev/null 2>/dev/null || exit 1; done'
        process = subprocess.Popen(["sh", "-c", script, realserver.binary()])
        made = 0
        while process.poll() is None or made < 12:
            self.profiles.create("py-{}".format(made))
            made += 1
        self.assertEqual(process.returncode, 0)
        names = {each["name"] for each in self.profiles.list()}
        self.assertEqual(names, {"fas-{}".format(i) for i in range(12)} | {"py-{}".format(i) for i in range(made)})


class Resolution(WithFile):
    """Which server, and which token."""

    def resolve(self, **options: Any) -> settings.Target:
        return settings.resolve(settings.config_path(os.environ), os.environ, **options)

    def test_the_profile_in_use(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        target = self.resolve()
        self.assertEqual(target.endpoint, Endpoint("https", "faas.example.com", 8443))
        self.assertEqual((target.token, target.ssl_trust_all), ("abc", False))
        self.assertEqual(target.ssl_certificate, str(self.folder / "ca.pem"), "relative to the file")

    def test_arguments_variables_profiles(self) -> None:
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

    def test_a_url_gets_no_token_of_a_profile(self) -> None:
        self.path.write_text(HAND_WRITTEN)
        with self.assertRaises(Unauthenticated):
            self.resolve(url="http://elsewhere.example.com")
        target = self.resolve(url="http://elsewhere.example.com/", token="t")
        self.assertEqual(target.endpoint, Endpoint("http", "elsewhere.example.com", 80))
        self.assertEqual((target.ssl_certificate, target.token), (None, "t"))
        with self.assertRaises(ValueError):
            Faaspot("prod", url="http://elsewhere.example.com")

    def test_urls(self) -> None:
        for url, want in [
            ("http://h", Endpoint("http", "h", 80)),
            ("HTTPS://H:8443/", Endpoint("https", "h", 8443)),
            ("https://[::1]", Endpoint("https", "::1", 443)),
        ]:
            self.assertEqual(settings.parse_url(url), want)
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
        """The table of the command line's tests."""
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

    def test_without_a_token_it_says_what_to_do(self) -> None:
        with self.assertRaises(Unauthenticated) as caught:
            Faaspot().functions.list()
        self.assertEqual(str(caught.exception), "there is no token for http://127.0.0.1:8080")
        self.assertIn("fas serve", caught.exception.hint or "")
        self.profiles.create("mine")
        with self.assertRaises(Unauthenticated) as caught:
            Faaspot().functions.list()
        self.assertIn("'mine'", caught.exception.hint or "")

    def test_a_token_that_would_break_a_header(self) -> None:
        for wrong in ("a b", "a\r\nX-Evil: 1", "é"):
            with self.subTest(wrong), self.assertRaises(Unauthenticated) as caught:
                Faaspot(url="http://127.0.0.1:1", token=wrong).functions.list()
            self.assertNotIn(wrong, str(caught.exception))

    def test_secrets_are_not_shown(self) -> None:
        target = self.resolve(url="http://h", token="sesame")
        self.assertNotIn("sesame", repr(target) + repr(Faaspot(url="http://h", token="sesame")))
