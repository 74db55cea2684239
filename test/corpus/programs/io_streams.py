"""Text and byte streams in memory: buffering, encodings, iteration, redirection, sizes."""
import contextlib
import fileinput
import io
import linecache
import os
import sys
import tempfile


class Upper(io.TextIOBase):
    def __init__(self):
        self.parts = []

    def write(self, text):
        self.parts.append(text.upper())
        return len(text)


class Slow(io.RawIOBase):
    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        chunk = self.data.read(min(3, len(buffer)))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    text = io.StringIO("eins\nzwei\r\ndrei")
    data = io.BytesIO()
    upper = Upper()
    with contextlib.redirect_stdout(upper):
        print("hello", "wörld", sep="|", end="")
    reader = io.BufferedReader(Slow("größe\nzweite".encode()), 4)
    lines = io.TextIOWrapper(io.BufferedReader(Slow("größe\nzweite".encode())), "utf-8")
    writer = io.BufferedWriter(data, 8)
    pair = io.BufferedRandom(io.BytesIO(b"abcdef"))
    pair.read(2)
    pair.write(b"XY")
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, n) for n in "ab"]
        for n in names:
            with open(n, "w") as f:
                f.write(f"one {n[-1]}\ntwo\n")
        with fileinput.input(names, encoding="utf-8") as f:
            read = [[os.path.basename(f.filename()), f.lineno(), f.filelineno(), line] for line in f]
        with fileinput.input([names[0]], inplace=True, encoding="utf-8") as f:
            for line in f:
                print(line.replace("one", "ONE"), end="")
        cached = linecache.getline(names[0], 1)
        sizes = [os.path.getsize(n) for n in names]
        with open(names[1], "rb") as f:
            f.seek(2)
            copied = os.pread(f.fileno(), 3, 0)
    return {"string": [text.readline(), text.tell(), text.read(), text.seek(0), text.readlines(), text.truncate(4), text.getvalue(), attempt(lambda: text.seek(-1)), attempt(lambda: text.write(b"x"))], "upper": "".join(upper.parts), "reader": [reader.peek(1)[:1].decode(), reader.read(2).decode(), reader.read1().decode("latin-1"), reader.readline().decode("latin-1"), reader.read().decode()], "lines": list(lines), "writer": [writer.write(b"12345"), data.getvalue().decode(), writer.write(b"67890"), writer.flush(), data.getvalue().decode(), writer.tell()], "random": [pair.tell(), pair.seek(0), pair.read().decode()], "files": [read, cached, sizes, copied.decode()],
        "errors": [attempt(lambda: io.StringIO(b"x")), attempt(lambda: io.BytesIO("x")), attempt(lambda: io.open("x", "rw")), attempt(lambda: io.TextIOWrapper(io.BytesIO(), newline="z")), attempt(lambda: Slow(b"").write(b"")), attempt(lambda: io.BytesIO(b"x").fileno()), attempt(lambda: print(file=5)), attempt(lambda: print(end=5)), attempt(lambda: io.RawIOBase().read(1)), attempt(lambda: (lambda s: (s.close(), s.read()))(io.StringIO()))], "view": [bytes(io.BytesIO(b"abc").getbuffer()).decode(), attempt(lambda: (lambda b: (b.getbuffer(), b.write(b"x" * 99)))(io.BytesIO(b"abc"))[1])], "newlines": [io.StringIO("a\r\nb\rc", newline=None).read(), io.StringIO("a\r\nb", newline="").readline(), io.StringIO("a\nb", newline="\r\n").getvalue()], "std": [sys.stdout.encoding, sys.stdout.errors, sys.stderr.errors, sys.stdin.readable(), sys.stdout.writable(), sys.__stdout__ is not None]}
