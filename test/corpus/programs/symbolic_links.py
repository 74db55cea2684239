"""Makes symbolic and hard links, follows them, and extracts them from an archive."""
import io
import os
import stat
import tarfile
import tempfile
from pathlib import Path


def attempt(root, function):
    try:
        return str(function()).replace(root, "ROOT")
    except OSError as error:
        return str(error).replace(root, "ROOT")


def main(args, context):
    with tempfile.TemporaryDirectory() as root:
        p = Path(root)
        (p / "dir").mkdir()
        (p / "dir" / "file").write_text("text")
        out = {
            "make": [attempt(root, lambda n=n, t=t: os.symlink(t, p / n)) for n, t in (("link", "dir/file"), ("dirlink", "dir"), ("dangling", "nowhere"), ("loop", "loop"), ("absolute", p / "dir"))],
            "hard": attempt(root, lambda: os.link(p / "dir/file", p / "hard")),
            "read": [attempt(root, lambda n=n: os.readlink(p / n)) for n in ("link", "absolute", "dir")],
            "open": [attempt(root, lambda n=n: (p / n).read_text()) for n in ("link", "hard", "dirlink/file", "dangling", "loop")],
            "exists": [[os.path.exists(p / n), os.path.lexists(p / n), os.path.islink(p / n)] for n in ("link", "dangling", "loop")],
            "links": attempt(root, lambda: os.stat(p / "hard").st_nlink), "resolve": attempt(root, lambda: (p / "dirlink/file").resolve()),
            "mode": attempt(root, lambda: stat.filemode(os.lstat(p / "link").st_mode)),
        }
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            tar.add(p / "dir", "dir")
            link = tarfile.TarInfo("latest")
            link.type, link.linkname = tarfile.SYMTYPE, "dir/file"
            tar.addfile(link)
        data.seek(0)
        (p / "out").mkdir()
        out["extract"] = attempt(root, lambda: tarfile.open(fileobj=data).extractall(p / "out", filter="data"))
        out["extracted"] = [attempt(root, lambda: (p / "out/latest").read_text()), sorted(os.listdir(p / "out"))]
        return out
