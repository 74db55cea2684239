"""Packs, inspects, patches and checks zip archives."""
import hashlib
import io
import stat
import struct
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path


def info(name, mode, when=(2024, 2, 29, 12, 30, 58), kind=zipfile.ZIP_DEFLATED):
    member = zipfile.ZipInfo(name, date_time=when)
    member.external_attr = mode << 16
    member.compress_type = kind
    member.create_system = 3
    return member


def build():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info("bin/tool", stat.S_IFREG | 0o755), "#!/bin/sh\n" * 50)
        archive.writestr(info("data/größe.txt", stat.S_IFREG | 0o640, kind=zipfile.ZIP_STORED), "ä" * 10)
        archive.writestr(info("data/b.bz2", 0o100644, kind=zipfile.ZIP_BZIP2), b"\0" * 5000)
        archive.writestr(info("data/x.xz", 0o100644, kind=zipfile.ZIP_LZMA), b"abc" * 1000)
        archive.mkdir("empty", 0o700)
        archive.comment = "komment ü".encode()
    return buffer.getvalue()


def main(args, context):
    data = build()
    out = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        out["list"] = [[i.filename, oct(i.external_attr >> 16), i.file_size, i.compress_size if i.compress_type < 9 else None, hex(i.CRC), i.compress_type, i.flag_bits, i.is_dir()] for i in archive.infolist()]
        out["test"] = archive.testzip()
        out["comment"] = archive.comment.decode()
        out["path"] = sorted(p.name for p in (zipfile.Path(archive) / "data").iterdir())
        out["text"] = (zipfile.Path(archive) / "data/größe.txt").read_text("utf-8")
        with archive.open("bin/tool") as member:
            member.seek(10)
            out["seek"] = [member.readline().decode(), member.tell()]
        try:
            archive.getinfo("nothing")
        except KeyError as error:
            out["missing"] = str(error)
    broken = bytearray(data)
    at = data.index(("ä" * 10).encode())
    broken[at] ^= 1
    with zipfile.ZipFile(io.BytesIO(bytes(broken))) as archive:
        out["broken"] = archive.testzip()
        try:
            archive.read("data/größe.txt")
        except zipfile.BadZipFile as error:
            out["crc"] = str(error)
    for bad in (b"", b"PK\x05\x06", data[:-10]):
        try:
            zipfile.ZipFile(io.BytesIO(bad))
        except zipfile.BadZipFile as error:
            out.setdefault("bad", []).append(str(error))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "src").mkdir()
        (root / "src" / "a.py").write_text("print(1)\n")
        with zipfile.ZipFile(root / "out.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.write(root / "src" / "a.py", "a.py")
            archive.write(root / "src", "src")
        with zipfile.ZipFile(root / "out.zip", "a") as archive:
            archive.writestr("later.txt", "x")
            out["modes"] = [[n.filename, oct(n.external_attr >> 16)] for n in archive.infolist()]
        with zipfile.ZipFile(root / "out.zip") as archive:
            archive.extractall(root / "dest")
        out["extracted"] = sorted(p.name for p in (root / "dest").iterdir())
    try:
        zipfile.ZipInfo("x", (1979, 1, 1, 0, 0, 0))
    except ValueError as error:
        out["early"] = str(error)
    out["end"] = list(struct.unpack("<IHHHHIIH", data[-22 - len("komment ü".encode()):][:22]))[:6]
    out["sha"] = hashlib.sha256(data[:200]).hexdigest() if datetime.now().year > 1980 else ""
    return out
