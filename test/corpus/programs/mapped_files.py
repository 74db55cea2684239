"""Maps files: reads, searches and changes them in place, as parsers of large files and stores do."""
import io
import mmap
import os
import re
import struct
import tempfile


def attempt(function):
    try:
        return function()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def reading(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        lines = list(iter(text.readline, b""))
        text.seek(-4, os.SEEK_END)
        end = text.read()
        return [
            len(text), text[:5].decode(), text[-3], text[4:0:-2].decode(), text.find(b"line", 3), text.rfind(b"line"), text.find(b"none"), [m.start() for m in re.finditer(rb"\d", text)], len(lines), end.decode(),
            struct.unpack_from(">H", text, 1), bytes(memoryview(text)[2:4]).decode(), attempt(lambda: text.write(b"x")), attempt(lambda: text.__setitem__(0, 1)), attempt(lambda: text[100]), text.tell(), text.size(),
            [b for _, b in zip(range(2), text)] == [b"l", b"i"], b"n" in text, attempt(lambda: text.resize(5)), repr(text),
        ]  # fmt: skip


def writing(path):
    with open(path, "r+b") as file:
        with mmap.mmap(file.fileno(), 0) as text:
            text[0:4] = b"LINE"
            text[5] = ord("#")
            text.seek(8)
            text.write(b"rest")
            text.write_byte(33)
            text.move(0, 2, 3)
            memoryview(text)[20:22] = b"@@"
            text.flush()
            flushed = file.read(24)
            text.resize(30)
            errors = [attempt(lambda: text.write(b"x" * 100)), attempt(lambda: text.__setitem__(slice(0, 2), b"abc")), attempt(lambda: text.seek(99)), attempt(lambda: text.move(0, 29, 5)), attempt(lambda: text.__setitem__(0, 300))]
            with memoryview(text) as view:
                errors.append([attempt(text.close), view.readonly])
        with mmap.mmap(file.fileno(), 10, access=mmap.ACCESS_COPY) as copy:
            copy[:] = b"z" * 10
            private = copy[:].decode()
    with open(path, "rb") as file:
        content = file.read()
    return [flushed.decode(), content.decode(), private, errors, os.path.getsize(path), attempt(lambda: text.read()), text.closed, repr(text)]


def of_memory():
    with mmap.mmap(-1, 8192) as memory:
        memory.write(b"hello")
        memory.seek(0)
        struct.pack_into("<I", memory, 4096, 7)
        return [memory.read(7).hex(), struct.unpack_from("<I", memory, 4096), attempt(memory.size), len(bytes(memory)), memory[4096], io.BytesIO(memory).read(5).decode(), int.from_bytes(memory[:2]), memory.madvise(mmap.MADV_RANDOM)]


def refusals(path):
    empty = path + ".empty"
    open(empty, "w").close()
    with open(path, "rb") as file, open(empty, "r+b") as nothing:
        number = file.fileno()
        return [
            attempt(lambda: mmap.mmap(number, 0)), attempt(lambda: mmap.mmap(nothing.fileno(), 0)), attempt(lambda: mmap.mmap(number, 10**6, access=mmap.ACCESS_READ)), attempt(lambda: mmap.mmap(-1, -1)),
            attempt(lambda: mmap.mmap(-1, 0)), attempt(lambda: mmap.mmap(99, 5)), attempt(lambda: mmap.mmap(number, 5, access=9)), attempt(lambda: mmap.mmap(number, 5, prot=mmap.PROT_READ, access=mmap.ACCESS_READ)),
            attempt(lambda: mmap.mmap(number, 5, access=mmap.ACCESS_READ, offset=1)), attempt(lambda: mmap.mmap(number, 5, access=mmap.ACCESS_READ, offset=-1)), mmap.error is OSError,
        ]  # fmt: skip


def main(args, context):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        with open(path, "w") as file:
            file.write("line 1\nline 2\nthe last line\n")
        return {"read": reading(path), "memory": of_memory(), "refused": refusals(path), "written": writing(path)}
