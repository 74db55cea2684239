"""Walks, copies, links and measures a tree of files."""
import filecmp
import fnmatch
import glob
import os
import shutil
import stat
import tempfile
from pathlib import Path


def attempt(root, function, *args):
    try:
        result = function(*args)
        return result if isinstance(result, (int, str, bool, type(None), list)) else str(result).replace(root, "ROOT")
    except OSError as error:
        return [type(error).__name__, error.errno, error.strerror, str(error.filename).replace(root, "ROOT")]


def main(args, context):
    root = tempfile.mkdtemp(prefix="tree-")
    p = Path(root)
    for name, text in {"a/one.txt": "1", "a/b/two.md": "22", "a/b/c/three.TXT": "333", ".hidden": "h", "z with space": ""}.items():
        (p / name).parent.mkdir(parents=True, exist_ok=True)
        (p / name).write_text(text)
    (p / "hard").write_text("1")
    shutil.copytree(p / "a", p / "copy", ignore=shutil.ignore_patterns("*.md"))
    walk = [[os.path.relpath(d, root), sorted(ds), sorted(fs)] for d, ds, fs in sorted(os.walk(root))]
    st = os.stat(p / "hard")
    os.utime(p / "hard", ns=(1_500_000_000_123_456_789, 1_600_000_000_987_654_321))
    out = {
        "walk": walk, "scandir": sorted([e.name, e.is_dir(), e.is_file(), e.is_symlink(), e.is_file(follow_symlinks=False)] for e in os.scandir(root)),
        "glob": sorted(g[len(root):] for g in glob.glob(root + "/**/*.[tT][xX][tT]", recursive=True)), "pathglob": sorted(str(x.relative_to(p)) for x in p.rglob("*.txt", case_sensitive=False)),
        "fnmatch": fnmatch.filter(["a.py", "b.PY", "[c].py"], "*.py"),
        "stat": [stat.filemode(st.st_mode), oct(st.st_mode), st.st_nlink, st.st_size, st.st_uid, st.st_gid],"samefile": os.path.samefile(p / "hard", p / "a/../hard"),
        "times": [os.stat(p / "hard").st_mtime_ns, os.stat(p / "hard").st_atime_ns, os.stat(p / "hard").st_mtime],
        "dirmode": stat.filemode(os.stat(p / "a").st_mode),
        "compare": [filecmp.cmp(p / "a/one.txt", p / "copy/one.txt", shallow=False), sorted(filecmp.dircmp(p / "a", p / "copy").common)],
        "errors": {
            "open": attempt(root, open, p / "no" / "such"), "dir": attempt(root, open, p / "a"), "rmdir": attempt(root, os.rmdir, p / "a"), "mkdir": attempt(root, os.mkdir, p / "a"),
            "notdir": attempt(root, os.listdir, p / "hard"), "unlink": attempt(root, os.unlink, p / "a"), "rename": attempt(root, os.rename, p / "a", p / "a/b/x"),
            "readlink": attempt(root, os.readlink, p / "hard"), "name": attempt(root, open, p / ("x" * 300), "w"), "trunc": attempt(root, os.truncate, p / "none", 5), "replace": attempt(root, os.replace, p / "hard", p / "a"),
        },
    }
    os.chmod(p / "hard", 0o4711)
    out["chmod"] = [oct(os.stat(p / "hard").st_mode), os.access(p / "hard", os.X_OK), os.access(p / ".hidden", os.R_OK | os.W_OK)]
    (p / "exclusive").open("x").close()
    out["exclusive"] = attempt(root, lambda: open(p / "exclusive", "x"))
    shutil.move(p / "copy", p / "moved")
    out["moved"] = sorted(os.listdir(p / "moved"))
    out["which"] = shutil.which("no-such-program")
    shutil.rmtree(root)
    out["gone"] = os.path.exists(root)
    return out
