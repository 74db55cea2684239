"""Compresses and expands by zlib, gzip, bz2 and lzma, in pieces and with damage."""
import bz2
import gzip
import hashlib
import io
import lzma
import zlib

TEXT = ("Der schnelle braune Fuchs springt über den faulen Hund. " * 40 + "".join(chr(32 + i * 7 % 90) for i in range(2000))).encode()


def attempt(function, *args, **kwargs):
    try:
        result = function(*args, **kwargs)
        return len(result)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def short(data):
    return [len(data), hashlib.md5(data).hexdigest()]


def main(args, context):
    stream = zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, b"schnelle")
    raw = stream.compress(TEXT[:500]) + stream.flush(zlib.Z_SYNC_FLUSH) + stream.compress(TEXT[500:]) + stream.flush()
    back = zlib.decompressobj(-15, zdict=b"schnelle")
    first = back.decompress(raw, 100)
    packed = gzip.compress(TEXT, 9, mtime=1700000000)
    two = packed + gzip.compress(b"second", mtime=0)
    buffer = io.BytesIO()
    with gzip.GzipFile("name.txt", "wb", 5, buffer, mtime=1) as f:
        f.write(TEXT)
    bz, xz, alone = bz2.compress(TEXT), lzma.compress(TEXT, preset=6), lzma.compress(TEXT, lzma.FORMAT_ALONE)
    filters = [{"id": lzma.FILTER_DELTA, "dist": 4}, {"id": lzma.FILTER_LZMA2, "preset": 3, "dict_size": 4096}]
    partial = bz2.BZ2Decompressor()
    return {
        "zlib": [short(zlib.compress(TEXT, level)) for level in range(-1, 10)], "raw": short(raw), "bounded": [len(first), len(back.unconsumed_tail), back.eof, len(back.decompress(back.unconsumed_tail) + back.flush()), back.eof], "gzip": [short(packed), packed[:10].hex(), short(buffer.getvalue()), buffer.getvalue()[:20].hex()],
        "members": [len(gzip.decompress(two)), gzip.open(io.BytesIO(two)).read()[-6:].decode(), zlib.decompress(packed, 31) == TEXT], "bz2": [short(bz), bz2.decompress(bz + bz2.compress(b"x"))[-1:].decode(), len(partial.decompress(bz, 50)), partial.needs_input], "lzma": [len(xz), short(alone), lzma.decompress(xz) == TEXT, lzma.decompress(alone) == TEXT, lzma.is_check_supported(lzma.CHECK_SHA256)],
        "filters": lzma.decompress(lzma.compress(TEXT, lzma.FORMAT_RAW, filters=filters), lzma.FORMAT_RAW, filters=filters) == TEXT, "text": gzip.open(io.BytesIO(gzip.compress("a\r\nü\n".encode())), "rt", encoding="utf-8").readlines(),
        "errors": [attempt(zlib.decompress, b"nope"), attempt(zlib.decompress, zlib.compress(TEXT)[:-4]), attempt(gzip.decompress, b"nope"), attempt(gzip.decompress, packed[:-8] + b"\0" * 8), attempt(gzip.decompress, packed[:50]), attempt(bz2.decompress, b"BZh9xx"), attempt(bz2.decompress, bz[:100]), attempt(lzma.decompress, b"nope"), attempt(lzma.decompress, xz[:50]), attempt(lzma.decompress, xz, memlimit=1000), attempt(zlib.decompress, zlib.compress(b"\0" * 10**6), bufsize=1), attempt(zlib.compress, b"", 10), attempt(gzip.decompress, packed + b"junk")],
        "modes": [attempt(gzip.open, io.BytesIO(), "x" * 3), attempt(bz2.open, 5), attempt(lzma.open, io.BytesIO(), "rb", check=4)], "seek": [(f := bz2.open(io.BytesIO(bz))).seek(100), f.read(5).decode(), f.seek(0), f.tell()],
    }
