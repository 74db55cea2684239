"""The package as pip installs it, and the Python versions that it supports."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest
import urllib.request
import zipfile
from pathlib import Path
from typing import Dict, List, Optional

import faaspot

from . import realserver

FOLDER = Path(__file__).resolve().parents[1]


def _python() -> Optional[str]:
    """Return a Python that can make virtual environments: this one or the system's; None if neither
    can."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            if subprocess.run([candidate, "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL).returncode == 0:
                return candidate
    return None


# The commands of README.md, docs/python.md and README.md of the package. They reach no package index.
_INSTALLS = (["pip", "install"], ["pip", "install", "--editable"], ["pip", "install", "--no-build-isolation"])


class Package(unittest.TestCase):
    def test_pip_installs_it_from_the_folder(self) -> None:
        base = _python()
        if base is None:
            missing = "no Python on this machine has venv and ensurepip"
            self.assertFalse(os.environ.get("CI"), missing)
            self.skipTest(missing)
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1", "HOME": folder}
            environment.pop("PYTHONPATH", None)
            before = self.files()
            for number, install in enumerate(_INSTALLS):
                with self.subTest(" ".join(install)):
                    target = Path(folder) / str(number)
                    subprocess.run([base, "-m", "venv", str(target)], check=True, env=environment)
                    python = str(target / ("Scripts" if os.name == "nt" else "bin") / "python")
                    done = subprocess.run(
                        [python, "-m", *install, str(FOLDER)],
                        env=environment,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                    )
                    self.assertEqual(done.returncode, 0, done.stdout)
                    self.check_installed(python, environment, FOLDER if "--editable" in install else target, folder)
            self.assertEqual(
                before, sorted(path.name for path in FOLDER.iterdir()), "the installation left files behind"
            )

    def files(self) -> List[str]:
        return sorted(path.name for path in FOLDER.iterdir() if path.name != "__pycache__")

    def check_installed(self, python: str, environment: Dict[str, str], home: Path, folder: str) -> None:
        script = (
            "import faaspot, importlib.metadata, pathlib\n"
            "home = pathlib.Path(faaspot.__file__).parent\n"
            "print(importlib.metadata.version('faaspot'), faaspot.__version__, (home / 'py.typed').exists(), home)\n"
            "print(importlib.metadata.requires('faaspot'), sorted(path.name for path in home.glob('*.py')))\n"
        )
        done = subprocess.run(
            [python, "-B", "-c", script], env=environment, cwd=folder, stdout=subprocess.PIPE, text=True, check=True
        )
        first, second = done.stdout.splitlines()
        version, same, typed, place = first.split(" ", 3)
        self.assertEqual((version, same, typed), (faaspot.__version__, faaspot.__version__, "True"))
        self.assertTrue(place.startswith(str(home)), place)
        modules = sorted(path.name for path in (FOLDER / "faaspot").glob("*.py"))
        self.assertEqual(second, "None {}".format(modules))

    def test_the_server_hands_out_the_same_wheel(self) -> None:
        url = realserver.shared().url + "/client/faaspot-{}-py3-none-any.whl"
        with urllib.request.urlopen(url.format(faaspot.__version__)) as answer:
            served = zipfile.ZipFile(io.BytesIO(answer.read()))
        with tempfile.TemporaryDirectory() as folder:
            build = [sys.executable, "-B", "-c", "import _build, sys; print(_build.build_wheel(sys.argv[1]))", folder]
            name = subprocess.run(build, cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
            with zipfile.ZipFile(Path(folder) / name) as built:
                self.assertEqual(served.namelist(), built.namelist())
                for entry in built.namelist():
                    self.assertEqual(served.read(entry), built.read(entry), entry)
            base = _python()
            if base is None:
                self.skipTest("no Python on this machine has venv and ensurepip")
            environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1", "HOME": folder}
            environment.pop("PYTHONPATH", None)
            for version in (faaspot.__version__, faaspot.__version__.rsplit(".", 1)[0]):
                target = Path(folder) / version
                subprocess.run([base, "-m", "venv", str(target)], check=True, env=environment)
                python = str(target / ("Scripts" if os.name == "nt" else "bin") / "python")
                install = [python, "-m", "pip", "install", url.format(version)]
                done = subprocess.run(
                    install, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
                self.assertEqual(done.returncode, 0, done.stdout)
                self.check_installed(python, environment, target, folder)

    def test_the_source_archive_builds_the_same_wheel(self) -> None:
        build = "import _build, sys; print(getattr(_build, sys.argv[1])(sys.argv[2]))"
        with tempfile.TemporaryDirectory() as folder:

            def run(function: str, source: Path) -> Path:
                command = [sys.executable, "-B", "-c", build, function, folder]
                done = subprocess.run(command, cwd=source, stdout=subprocess.PIPE, text=True, check=True)
                return Path(folder) / done.stdout.strip()

            first = run("build_wheel", FOLDER).read_bytes()
            archive = run("build_sdist", FOLDER)
            with tarfile.open(archive) as source:
                source.extractall(folder)
            second = run("build_wheel", Path(folder) / archive.name[: -len(".tar.gz")]).read_bytes()
            self.assertEqual(first, second)

    def test_the_syntax_is_that_of_python_3_9(self) -> None:
        for path in sorted(FOLDER.glob("*/*.py")):
            with self.subTest(path.name):
                ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))

    def test_only_the_standard_library_is_imported(self) -> None:
        if sys.version_info < (3, 10):
            self.skipTest("Python 3.9 does not know the names of its standard library")
        for path in sorted((FOLDER / "faaspot").glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names = [str(node.module)]
                for name in names:
                    self.assertIn(name.split(".")[0], sys.stdlib_module_names, path.name)

    def test_the_version_is_in_one_place(self) -> None:
        self.assertRegex(faaspot.__version__, r"^\d+\.\d+\.\d+$")
        for path in FOLDER.glob("**/*"):
            if path.suffix in (".py", ".toml", ".md") and path.name != "_version.py":
                self.assertNotIn('"{}"'.format(faaspot.__version__), path.read_text(encoding="utf-8"), path.name)

    def test_the_types_of_faas_are_those_of_its_source(self) -> None:
        source = FOLDER.parents[1] / "pyguest" / "bootstrap" / "faas"
        found: Dict[str, str] = {}
        for path in (source / "__init__.py", source / "_execution.py", source / "_log.py"):
            found.update(self.public(path))
        self.assertEqual(self.public(FOLDER / "stubs" / "faas" / "__init__.pyi"), found)

    def public(self, path: Path) -> Dict[str, str]:
        """Return the parameters of the public functions, methods and properties of a file, and its
        exported names."""
        found = {}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                given = node.args
                found[node.name] = str([[a.arg for a in p] for p in (given.posonlyargs, given.args, given.kwonlyargs)])
            elif (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id == "__all__"
            ):
                found["__all__"] = ast.dump(node.value)
        return found

    def test_exported_names_exist(self) -> None:
        self.assertEqual(sorted(faaspot.__all__), list(faaspot.__all__))
        for name in faaspot.__all__:
            self.assertTrue(hasattr(faaspot, name), name)
        self.assertIsNone(re.search("^from faaspot", (FOLDER / "faaspot" / "__init__.py").read_text(), re.MULTILINE))
