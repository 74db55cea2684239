import datetime
import io

import msgpack


def default(value):
    if isinstance(value, complex):
        return msgpack.ExtType(5, b"%g,%g" % (value.real, value.imag))
    raise TypeError(type(value).__name__)


def extension(code, data):
    return complex(*map(float, data.split(b","))) if code == 5 else msgpack.ExtType(code, data)


def main(args, context):
    data = {"int": [0, -1, 127, 128, -129, 1 << 32, (1 << 64) - 1], "float": [0.5, float("inf")], "text": "é" * 40, "bytes": bytes(300), "none": None, "map": {1: True, "k": [[]]}}
    packed = msgpack.packb(data)
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5, 678000, datetime.timezone.utc)
    errors = []
    for action in (
        lambda: msgpack.unpackb(packed[:-1]), lambda: msgpack.unpackb(packed + b"\x00"), lambda: msgpack.packb(1 << 64), lambda: msgpack.packb(object(), default=default), lambda: msgpack.unpackb(b"\xc1"),
        lambda: msgpack.unpackb(b"\x81\x93\x01\x02\x03\x01"), lambda: msgpack.unpackb(b"\xdf\xff\xff\xff\xff"), lambda: msgpack.unpackb(b"\x91" * 2000),
    ):  # fmt: skip
        try:
            action()
        except Exception as error:
            errors.append([type(error).__name__, isinstance(error, ValueError)])
    stream = io.BytesIO(b"".join(msgpack.packb(i) for i in ("a", [1], 3.5)))
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(packed[:10])
    partial = list(unpacker)
    unpacker.feed(packed[10:] + b"\xc3")
    rest = list(unpacker)
    return [
        packed.hex(), msgpack.unpackb(packed, strict_map_key=False).items() == data.items(), msgpack.unpackb(msgpack.packb(moment, datetime=True), timestamp=3).isoformat(),
        str(msgpack.unpackb(msgpack.packb(1 + 2j, default=default), ext_hook=extension)), list(msgpack.Unpacker(stream)), partial, [len(rest), rest[-1]], errors,
        msgpack.packb([1.5], use_single_float=True).hex(), msgpack.unpackb(b"\xa1\xff", raw=True).hex(), msgpack.unpackb(msgpack.packb((1, 2)), use_list=False) == (1, 2), msgpack.version >= (1, 0),
    ]
