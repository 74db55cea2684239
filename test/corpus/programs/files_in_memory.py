"""Maps files into memory: reads, searches, writes through, private copies, anonymous maps, and errors."""
import mmap
import os
import re
import struct
import tempfile


def attempt(function, *args, **kwargs):
    try:
        result = function(*args, **kwargs)
        return repr(result) if not isinstance(result, mmap.mmap) else (len(result), result.close())
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def read_only(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m:
        out = {
            "length": len(m), "size": m.size(), "first": m[0], "last": m[-1], "slice": m[5:20].decode(), "step": m[0:20:3].decode(),
            "find": [m.find(b"line 3"), m.find(b"line", 5), m.find(b"none"), m.rfind(b"line"), m.rfind(b"line", 0, 30), m.find(b"line", -10)],
            "lines": [m.readline().decode(), m.readline().decode(), m.tell()], "found from here": m.find(b"line 1"), "read": m.read(5).decode(), "byte": m.read_byte(),
            "seek": [m.seek(0), m.seek(3, os.SEEK_CUR), m.seek(-2, os.SEEK_END)], "end": m.read().decode(), "after end": [m.read(3).decode(), m.readline().decode()],
            "iteration": [b.decode() for b, _ in zip(m, range(4))], "contains": [b"l" in m, b"?" in m], "regex": len(re.findall(rb"line \d+\n", m)), "seekable": m.seekable(),
            "unpack": struct.unpack_from("4s", m, 0)[0].decode(), "view": bytes(memoryview(m)[2:6]).decode(), "readonly": memoryview(m).readonly, "repr": repr(m),
            "write": attempt(m.write, b"x"), "set": attempt(m.__setitem__, 0, 1), "move": attempt(m.move, 0, 1, 2), "resize": attempt(m.resize, 10),
            "byte at end": attempt(m.read_byte), "far": attempt(m.seek, 10**6), "before": attempt(m.seek, -1), "odd seek": attempt(m.seek, 0, 9), "index": attempt(m.__getitem__, 10**6),
            "advice": attempt(m.madvise, mmap.MADV_SEQUENTIAL), "flush": attempt(m.flush), "closed": m.closed,
        }
    return out | {"after": [m.closed, attempt(len, m), attempt(m.read), attempt(m.find, b"x"), attempt(m.__enter__), repr(m)], "twice": attempt(m.close)}


def shared(path):
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as m:
        m[0:4] = b"LINE"
        m[5] = ord("X")
        m.seek(7)
        out = {"written": [m.write(b"abc"), m.write_byte(ord("d")), m.tell()]}
        m.move(20, 0, 4)
        m[30:50:4] = b"-----"
        with memoryview(m) as view:
            view[60:63] = b"mem"
        out["flush"] = [attempt(m.flush), attempt(m.flush, 0, 10), attempt(m.flush, -1, 10), attempt(m.flush, 0, 10**6)]
        out["errors"] = [attempt(m.__setitem__, slice(0, 3), b"toolong"), attempt(m.__setitem__, 0, 300), attempt(m.__setitem__, 10**6, 1), attempt(m.__setitem__, 0, "x"), attempt(m.write, b"x" * 10**6), attempt(m.move, 0, 0, 10**6), attempt(m.write_byte, 256)]
        view = memoryview(m)
        out["exported"] = [attempt(m.close), attempt(m.resize, 10)]
        view.release()
        m.resize(5000)
        m[4990:4995] = b"grown"
        out["resized"] = [len(m), m.size(), os.path.getsize(path)]
        m.resize(100)
        out["shrunk"] = [len(m), os.path.getsize(path), bytes(m).decode()]
    with open(path, "rb") as file:
        return out | {"file": file.read().decode()}


def others(path):
    out = {}
    with open(path, "r+b") as file:
        with mmap.mmap(file.fileno(), 50, access=mmap.ACCESS_COPY) as m:
            m[:4] = b"copy"
            out["copy"] = [bytes(m[:10]).decode(), file.read(10).decode(), attempt(m.resize, 10)]
        with mmap.mmap(file.fileno(), 10, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as m:
            m[:4] = b"priv"
            file.seek(0)
            out["private"] = [bytes(m).decode(), file.read(10).decode()]
        with mmap.mmap(file.fileno(), 10, prot=mmap.PROT_READ) as m:
            out["prot"] = [repr(m), attempt(m.write, b"x")]
        out["arguments"] = [
            attempt(mmap.mmap, file.fileno(), -1), attempt(mmap.mmap, file.fileno(), 10**9), attempt(mmap.mmap, file.fileno(), 10, access=9),
            attempt(mmap.mmap, file.fileno(), 10, mmap.MAP_PRIVATE, access=mmap.ACCESS_READ), attempt(mmap.mmap, file.fileno(), 10, offset=-1),
            attempt(mmap.mmap, file.fileno(), 10, offset=1), attempt(mmap.mmap, file.fileno(), 0, offset=mmap.ALLOCATIONGRANULARITY * 10), attempt(mmap.mmap, -1, 0),
        ]
        file.truncate(3 * mmap.ALLOCATIONGRANULARITY)
        file.seek(2 * mmap.ALLOCATIONGRANULARITY)
        file.write(b"at an offset")
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE, offset=2 * mmap.ALLOCATIONGRANULARITY) as m:
            m[:2] = b"AT"
            out["offset"] = [len(m), m.size(), m[:12].decode(), repr(m)]
        file.seek(2 * mmap.ALLOCATIONGRANULARITY)
        out["written at offset"] = file.read(12).decode()
    with open(path, "rb") as file:
        out["opened for reading"] = attempt(mmap.mmap, file.fileno(), 0)
    with open(path, "wb") as file:
        out["empty"] = attempt(mmap.mmap, file.fileno(), 0)
        file.write(b"x" * 10)
        file.flush()
        out["opened for writing"] = attempt(mmap.mmap, file.fileno(), 0)
    with mmap.mmap(-1, 4096) as m:
        m.write(b"anonymous")
        out["anonymous"] = [bytes(m[:12]).decode(), len(m), struct.pack_into("<I", m, 100, 7), m[100]]

    class Named(mmap.mmap):
        name = "named"

    with Named(-1, 10) as m:
        out["subclass"] = [m.name, len(m), isinstance(m, mmap.mmap)]
    return out


def main(args, context):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lines.txt")
        with open(path, "w") as file:
            file.writelines(f"line {n}\n" for n in range(200))
        return {"read only": read_only(path), "shared": shared(path), "others": others(path), "error is OSError": mmap.error is OSError, "page": mmap.PAGESIZE}
