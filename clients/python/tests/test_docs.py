"""The examples of the documentation work as shown."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, List
from unittest import mock

from . import realserver

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\w+\.py)\n")


class Pages(unittest.TestCase):
    def run_page(self, page: Path) -> str:
        """Run the code blocks of a page in order, in their own folder. A block that begins with a
        comment that names a file is written to that file instead. Return the output."""
        blocks: List[str] = _BLOCK.findall(page.read_text(encoding="utf-8"))
        namespace: Dict[str, Any] = {"__name__": page.stem}
        output = io.StringIO()
        here = os.getcwd()
        with tempfile.TemporaryDirectory() as folder, realserver.shared().around():
            os.chdir(folder)
            try:
                with contextlib.redirect_stdout(output), mock.patch("logging.basicConfig"):
                    for block in blocks:
                        name = _FILE.match(block)
                        if name:
                            Path(name.group(1)).write_text(block, encoding="utf-8")
                        else:
                            exec(compile(block, str(page), "exec"), namespace)
            finally:
                os.chdir(here)
                for value in namespace.values():
                    if type(value).__name__ == "Faaspot":
                        value.close()
        self.assertGreater(len(blocks), 0)
        return output.getvalue()

    def test_python_md(self) -> None:
        output = self.run_page(realserver.REPOSITORY / "docs" / "python.md")
        for line in ("Success Hello, Grace!\n", "greeting Ada\n", "in main\n", "404 (Not Found): there is no function"):
            self.assertIn(line, output)

    def test_readme(self) -> None:
        output = self.run_page(realserver.REPOSITORY / "clients" / "python" / "README.md")
        self.assertRegex(output, r"[0-9a-f-]{36} Success Hello a\n[0-9a-f-]{36} Success Hello b\n")

    def test_every_exception_and_method_is_documented(self) -> None:
        """docs/python.md names every exception and every public method."""
        import faaspot

        text = (realserver.REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
        exceptions = [
            name for name, value in vars(faaspot).items() if isinstance(value, type) and issubclass(value, Exception)
        ]
        for name in exceptions:
            self.assertIn("`{}`".format(name), text)
        for group in (
            faaspot.Functions,
            faaspot.Executions,
            faaspot.Operations,
            faaspot.Jobs,
            faaspot.DeadLetters,
            faaspot.Profiles,
        ):
            for call in vars(group):
                if not call.startswith("_"):
                    self.assertRegex(text, r"\b{}\(|`{}`".format(call, call))
