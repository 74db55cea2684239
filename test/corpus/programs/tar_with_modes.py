"""Writes tar archives with modes, owners, links and times, and reads them back."""
import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path


def entry(name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, io.BytesIO(data)


def build(kind, compression, links=True):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:" + compression, format=kind) as tar:
        tar.addfile(*entry("bin/run.sh", b"#!/bin/sh\necho hi\n", mode=0o755, mtime=1700000000, uname="deploy", gname="www", uid=1001, gid=33))
        tar.addfile(*entry("etc/", type=tarfile.DIRTYPE, mode=0o2750, mtime=86400))
        tar.addfile(*entry("etc/secret", b"s3cret", mode=0o600, mtime=1))
        if links:
            tar.addfile(*entry("current", type=tarfile.SYMTYPE, linkname="bin/run.sh", mode=0o777))
            tar.addfile(*entry("hard", type=tarfile.LNKTYPE, linkname="etc/secret"))
        tar.addfile(*entry("deep/" * 30 + "ümläut.txt", b"long", mtime=2, mode=0o644))
    return buffer.getvalue()


def listing(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [[m.name[-20:], oct(m.mode), m.size, m.mtime, m.uname, m.gname, m.type.decode(), m.linkname, m.isreg()] for m in tar]


def main(args, context):
    out = {}
    for label, kind in (("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
        data = build(kind, "")
        out[label] = [len(data), hashlib.sha256(data).hexdigest(), listing(data)]
    for compression in ("gz", "bz2", "xz"):
        out[compression] = len(listing(build(tarfile.PAX_FORMAT, compression)))
    with tempfile.TemporaryDirectory() as folder:
        data = build(tarfile.PAX_FORMAT, "gz", links=False)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(folder, filter="data")
            names = sorted(str(p.relative_to(folder))[-24:] for p in Path(folder).rglob("*"))
        run = Path(folder, "bin/run.sh")
        out["extracted"] = [names, run.read_text(), int(run.stat().st_mtime)]
        out["modes"] = [oct(os.stat(run).st_mode), oct(os.stat(Path(folder, "etc/secret")).st_mode), oct(os.stat(Path(folder, "etc")).st_mode)]
        made = Path(folder, "made.txt")
        made.write_text("made here")
        os.utime(made, (1000, 2000))
        with tarfile.open(Path(folder, "x.tar"), "w") as tar:
            tar.add(made, arcname="made.txt", filter=lambda m: m.replace(uid=0, gid=0, uname="", gname="", deep=False))
        with tarfile.open(Path(folder, "x.tar")) as tar:
            member = tar.getmember("made.txt")
            out["added"] = [oct(member.mode), member.mtime, member.size, tar.extractfile("made.txt").read().decode()]
        evil = io.BytesIO()
        with tarfile.open(fileobj=evil, mode="w") as tar:
            tar.addfile(*entry("../evil", b"x"))
        evil.seek(0)
        try:
            tarfile.open(fileobj=evil).extractall(folder, filter="data")
        except tarfile.OutsideDestinationError as error:
            out["evil"] = str(error).replace(folder, "DIR").replace(os.path.dirname(folder), "TMP")
    return out
