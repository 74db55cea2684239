"""Packs binary records: headers, strings, arrays and views of memory, in standard sizes."""
import array
import io
import struct
import zlib

HEADER = struct.Struct(">4sHHIqd?")


def attempt(function, *args):
    try:
        return repr(function(*args))
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def chunks(data):
    """Read the chunks of a file like PNG."""
    stream = io.BytesIO(data)
    while head := stream.read(8):
        length, kind = struct.unpack(">I4s", head)
        body = stream.read(length)
        (crc,) = struct.unpack(">I", stream.read(4))
        yield kind.decode(), len(body), crc == zlib.crc32(kind + body)


def main(args, context):
    png = b"".join(struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in [(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(20))), (b"IEND", b"")])
    packed = HEADER.pack(b"FAAS", 1, 65535, 2**32 - 1, -(2**63), 0.1, True)
    a = array.array("h", [1, -2, 3])
    a.extend([4])
    a.byteswap()
    view = memoryview(bytearray(range(12)))
    grid = view.cast("B", (3, 4))
    return {
        "header": [packed.hex(), HEADER.size, [repr(v) for v in HEADER.unpack(packed)]], "chunks": list(chunks(png)), "sizes": {f: struct.calcsize(f) for f in ("<l", ">q", "=i", "!h", "<e", "=bxq", "@bq", "@bi", "<10s", "5p", "<3x2h", "@d", "@n" if False else "@f")},
        "values": [attempt(struct.pack, f, *v) for f, v in [("<e", (1.5,)), ("<f", (0.1,)), ("5p", (b"toolong",)), ("3s", (b"x",)), ("<l", (2**31,)), ("B", (256,)), ("b", (-129,)), ("<H", (1.5,)), ("c", ("x",)), ("<q", (2**63,)), ("2h", (1,)), ("y", (1,)), ("<f", (1e40,)), ("<e", (1e5,)), ("?", ([],)), ("<P", (1,)), ("=n", (1,)), ("<d", (float("nan"),)), ("<I", (-1,))]],
        "iter": [list(t) for t in struct.iter_unpack("<HB", bytes(range(9)))], "errors": [attempt(struct.unpack, "<I", b"abc"), attempt(struct.unpack_from, "<I", b"abcdef", 3), attempt(lambda: list(struct.iter_unpack("<H", b"abc")))],
        "array": [a.tolist(), a.tobytes().hex(), [array.array(c).itemsize for c in "bBhHiIqQfd"], attempt(array.array, "b", [128]), attempt(array.array, "I", [-1]), repr(array.array("d", [1.5])), array.array("w", "é🎉").tolist(), a.buffer_info()[1], attempt(a.index, 99)],
        "view": [grid[1, 2], grid.tolist()[2], view[2:8:3].tobytes().hex(), view.format, grid.shape, grid.strides, view.contiguous, attempt(lambda: memoryview(b"x").__setitem__(0, 1)), view.cast("H")[1], attempt(view.cast, "d"), view == bytes(range(12)), view[::-1].tolist()[:3], attempt(lambda: bytearray(view).extend([300]))],
        "bytes": [b"%d-%s-%x" % (5, b"z", 255), bytes([65, 66]).decode(), b"a,b".split(b","), bytearray(b"abc").hex("-"), b"\x00ab\xff".translate(None, b"a"), b"x".join([b"1", b"2"]), attempt(bytes, [256]), attempt(lambda: b"a" + "b"), b"AbC".swapcase(), b"abc".find(99), b"  x ".strip(), bytes.maketrans(b"a", b"b")[97]].__repr__(),
    }
