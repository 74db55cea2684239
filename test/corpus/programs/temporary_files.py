"""Uses temporary files of all kinds, file modes, seeking, truncation and buffering."""
import io
import os
import tempfile
from pathlib import Path


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    out = {}
    with tempfile.NamedTemporaryFile("w+", suffix=".log", encoding="utf-8") as f:
        f.write("eins\nzwei\nßß\n")
        f.flush()
        f.seek(0)
        out["named"] = [f.read(3), f.tell(), f.readline(), attempt(f.tell), f.readlines(), os.path.exists(f.name), Path(f.name).suffix, f.mode, f.encoding, f.newlines]
        name = f.name
    out["deleted"] = [os.path.exists(name), f.closed, attempt(f.read)]
    with tempfile.TemporaryFile() as f:
        f.write(b"0123456789" * 10)
        f.seek(-5, os.SEEK_END)
        out["binary"] = [f.read().decode(), f.seek(10), f.truncate(), f.seek(0, 2), f.seek(20), f.write(b"x"), f.seek(8), list(f.read()), attempt(lambda: f.seek(-1)), f.readable(), f.writable(), f.seekable(), isinstance(f.fileno(), int)]
    with tempfile.SpooledTemporaryFile(max_size=10, mode="w+b") as f:
        f.write(b"small")
        kept = f._rolled
        f.write(b"larger than ten bytes")
        f.seek(0)
        out["spooled"] = [kept, f._rolled, f.read().decode()]
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        path = os.path.join(folder, "f")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        out["os"] = [os.write(fd, b"hello world"), os.lseek(fd, 6, os.SEEK_SET), os.read(fd, 100).decode(), os.pread(fd, 5, 0).decode(), os.pwrite(fd, b"J", 0), os.ftruncate(fd, 5), os.fstat(fd).st_size, os.isatty(fd), oct(os.fstat(fd).st_mode), os.fsync(fd), os.close(fd), attempt(lambda: os.read(fd, 1))]
        out["modes"] = {m: attempt(lambda m=m: open(path, m).close()) for m in ("r", "w+", "a", "rb+", "rw", "U", "wx", "", "br", "ab+", "rt+")}
        with open(path, "a+") as f:
            f.write("appended")
            out["append"] = [f.tell(), f.read(), f.seek(0), f.read()]
        for newline in (None, "", "\n", "\r\n"):
            with open(path, "w", newline=newline) as f:
                f.write("a\nb\r\nc\r")
            with open(path, newline=newline) as f:
                out.setdefault("newline", []).append([Path(path).read_bytes().decode(), f.readlines(), str(f.newlines)])
        with open(path, "wb", buffering=0) as f:
            out["raw"] = [type(f).__name__, f.write(b"xyz"), Path(path).read_bytes().decode()]
        with open(path, "rb") as f:
            out["buffered"] = [type(f).__name__, f.peek().decode(), f.read1(2).decode(), f.readinto(bytearray(5)), f.raw.name == path]
        out["text"] = [attempt(lambda: open(path, encoding="latin")), attempt(lambda: open(path, "rb", encoding="utf-8")), attempt(lambda: open(path, encoding="no-such")), attempt(lambda: open(path, buffering=0)), attempt(lambda: open(path, newline="x"))][1:]
        text = io.TextIOWrapper(io.BytesIO(b"\xff\xfeh\0i\0"), encoding="utf-16")
        out["wrapper"] = [text.read(), text.tell(), text.encoding, text.errors, text.line_buffering]
        out["nothing"] = [attempt(lambda: open("", "r")), attempt(lambda: open("a\0b")), attempt(lambda: open(path + "/x")).replace(folder, "DIR"), attempt(lambda: open(99999)), attempt(lambda: open(True).closed if False else open(1.5))]
        prefix = tempfile.mkdtemp("suf", "pre", folder)
        out["mkdtemp"] = [os.path.basename(prefix)[:3], prefix[-3:], oct(os.stat(prefix).st_mode & 0o7777), len(os.path.basename(prefix))]
    out["gettempdir"] = [tempfile.gettempdir(), tempfile.gettempprefix(), os.path.exists(folder)]
    return out
