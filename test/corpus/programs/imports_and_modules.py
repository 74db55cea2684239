"""Imports modules by name, from files and from archives, reloads, and reads resources."""
import importlib
import importlib.util
import os
import pkgutil
import runpy
import sys
import tempfile
import types
import zipfile
from importlib import metadata, resources

WANTED = "abc aifc argparse array ast asyncio base64 bisect bz2 calendar cmath cmd code codecs collections colorsys compileall concurrent.futures configparser contextlib copy csv ctypes curses datetime dbm decimal difflib dis doctest email ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http.client http.cookiejar http.server imaplib inspect io ipaddress itertools json keyword linecache locale logging lzma mailbox marshal math mimetypes mmap modulefinder multiprocessing netrc numbers opcode operator optparse os pathlib pdb pickle pickletools pkgutil platform plistlib poplib posixpath pprint profile pstats pty pwd py_compile pyclbr queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtplib socket socketserver sqlite3 ssl stat statistics string stringprep struct subprocess symtable sys sysconfig syslog tabnanny tarfile tempfile termios test textwrap threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty types typing unicodedata unittest urllib.request uuid venv warnings wave weakref webbrowser wsgiref xml xmlrpc.client zipapp zipfile zipimport zlib zoneinfo idlelib lib2to3 this antigravity".split()


def attempt(function, *args):
    try:
        result = function(*args)
        return result if isinstance(result, (str, int, list, dict, bool)) else type(result).__name__
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def main(args, context):
    out = {"absent": {name: attempt(importlib.import_module, name) for name in WANTED if name not in ("antigravity", "this", "idlelib", "tkinter") and attempt(importlib.import_module, name) != "module"}}
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "package"))
        files = {"plain.py": "X = 1\ndef f():\n    return __name__\n", "package/__init__.py": "from . import sub\nY = sub.Z + 1\n", "package/sub.py": "Z = 41\n", "package/data.txt": "réssource", "broken.py": "def f(:\n", "failing.py": "1 / 0\n", "script.py": "import sys\nresult = [__name__, len(sys.argv)]\n", "loop_a.py": "import loop_b\nA = loop_b.B\n", "loop_b.py": "from loop_a import A\nB = 1\n"}
        for name, text in files.items():
            with open(os.path.join(folder, name), "w") as f:
                f.write(text)
        with zipfile.ZipFile(os.path.join(folder, "lib.zip"), "w") as archive:
            archive.writestr("zipped.py", "W = 'from zip'\n")
        sys.path[:0] = [folder, os.path.join(folder, "lib.zip")]
        importlib.invalidate_caches()
        import package
        import plain
        import zipped

        out["values"] = [plain.X, plain.f(), package.Y, zipped.W, package.__name__, package.sub.__package__, os.path.basename(plain.__file__)]
        with open(os.path.join(folder, "plain.py"), "w") as f:
            f.write("X = 20000\n")
        out["reload"] = [importlib.reload(plain).X, hasattr(plain, "f")]
        out["resource"] = resources.files("package").joinpath("data.txt").read_text("utf-8")
        out["errors"] = [attempt(importlib.import_module, n).replace(folder, "DIR") for n in ("broken", "failing", "loop_a", "nothing", "package.nothing", "plain.x", "")]
        out["script"] = runpy.run_path(os.path.join(folder, "script.py"), run_name="__main__")["result"]
        out["walk"] = sorted(m.name for m in pkgutil.walk_packages([folder]) if m.name != "failing" and not m.name.startswith("loop"))
        spec = importlib.util.spec_from_file_location("by_hand", os.path.join(folder, "package/sub.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        out["by_hand"] = [module.Z, "by_hand" in sys.modules, spec.origin == module.__file__]
        del sys.path[:2]
    made = types.ModuleType("made", "doc")
    exec("V = 5", made.__dict__)
    sys.modules["made"] = made
    import made as imported

    out["made"] = [imported.V, made.__doc__, repr(made)]
    out["metadata"] = [attempt(metadata.version, "nothing"), attempt(lambda: importlib.util.find_spec("nothing") is None), attempt(lambda: importlib.util.find_spec("json").name), attempt(lambda: sys.modules["os"] is os), attempt(lambda: "json" in sys.stdlib_module_names)]
    out["requests"] = [attempt(importlib.import_module, n) for n in ("requests", "numpy", "yaml")]
    return out
