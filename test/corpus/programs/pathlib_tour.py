"""Handles paths as a deployment script does: pure paths, patterns, parts and changes on disk."""
import os
import tempfile
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath


def attempt(function):
    try:
        return str(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    p = PurePosixPath("/srv/app/releases/2024.03.05/app.tar.gz")
    w = PureWindowsPath(r"C:\Users\Ada\..\report.final.docx")
    out = {
        "parts": [p.parts, p.parent, p.name, p.stem, p.suffix, p.suffixes, p.anchor, p.with_suffix(".zip"), p.with_stem("x"), p.with_name("y"), p.relative_to("/srv"), list(p.parents)],
        "windows": [w.parts, w.drive, w.root, w.suffixes, w.as_posix(), w.is_absolute(), w == PureWindowsPath("c:/users/ada/../REPORT.final.docx")],
        "join": [PurePath("a") / "/b", PurePath("a", "..", "b"), PurePath("a//b/./c/"), PurePath("."), PurePath(""), PurePosixPath("//x"), PurePosixPath("///x"), "pre" / PurePath("fix")],
        "match": [p.match("*.gz"), p.match("app/*"), p.full_match("/srv/**/*.gz"), PurePath("A.py").match("a.PY"), p.is_relative_to("/srv/app"), p.is_relative_to("/var")],
        "walkup": [attempt(lambda: p.relative_to("/srv/other")), attempt(lambda: p.relative_to("/srv/other", walk_up=True)), attempt(lambda: PurePath("a").with_suffix("b")), attempt(lambda: PurePath("").with_name("x"))],
        "uri": [p.as_uri(), attempt(lambda: PurePath("rel").as_uri()), attempt(lambda: Path.from_uri("file:///a%20b")), attempt(lambda: Path.from_uri("http://x"))],
        "order": sorted([PurePath("b"), PurePath("a/z"), PurePath("a"), PurePath("a!"), PurePath("A")]), "hash": len({PurePath("a/b"), PurePath("a//b"), PurePath("a/./b")}),
        "repr": [repr(p), repr(w), repr(Path("x")), os.fspath(p), bytes(p).decode(), repr(PurePath("it's"))],
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        file = root / "notes" / "today.txt"
        out["missing"] = attempt(lambda: file.write_text("x")).replace(folder, "DIR")
        file.parent.mkdir(mode=0o750)
        out["again"] = attempt(file.parent.mkdir).replace(folder, "DIR")
        out["io"] = [file.write_text("héllo\n", "latin-1"), file.read_bytes().hex(), attempt(lambda: file.read_text("utf-8")), file.write_bytes(b"a\r\nb\n"), file.read_text(), file.read_text(newline="")]
        out["kinds"] = [file.is_symlink(), root.is_dir(), (root / "x").exists(), file.samefile(root / "notes" / ".." / "notes" / "today.txt"), file.is_mount(), file.is_socket(), file.is_fifo(), file.is_junction()]
        out["glob"] = [sorted(str(x.relative_to(root)) for x in root.glob(g)) for g in ("*", "**", "**/*.txt", "*/*", "n*/t????.txt", "[!n]*")]
        out["glob_bad"] = [attempt(lambda g=g: list(root.glob(g))) for g in ("", "/abs", "a**b")]
        out["walk"] = [[str(d.relative_to(root)), sorted(ds), sorted(fs)] for d, ds, fs in root.walk()]
        out["rename"] = str(file.rename(root / "renamed.txt").name)
        file.touch()
        out["touch"] = [attempt(lambda: file.touch(exist_ok=False)).replace(folder, "DIR"), file.stat().st_size, file.unlink(), attempt(file.unlink).replace(folder, "DIR"), file.unlink(missing_ok=True)]
        out["iterdir"] = sorted(x.name for x in root.iterdir())
        out["expand"] = [str(Path("~/x").expanduser()), attempt(lambda: Path("~nobody-at-all/x").expanduser()), str(Path.home())]
        out["cwd"] = str(Path.cwd())
        out["owner"] = attempt((root / "renamed.txt").owner)
    return {k: [str(x) if isinstance(x, PurePath) else [str(y) for y in x] if isinstance(x, (list, tuple)) else x for x in v] if isinstance(v, list) else v for k, v in out.items()}
