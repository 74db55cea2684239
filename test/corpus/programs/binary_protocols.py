"""Encodes and decodes varints, TLV, MessagePack and a DNS packet."""
import io
import struct


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def zigzag(n):
    return n * 2 if n >= 0 else -n * 2 - 1


def read_varint(stream):
    shift = value = 0
    while True:
        byte = stream.read(1)
        if not byte:
            raise EOFError(f"varint ends at {stream.tell()}")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
        shift += 7


def pack(value):
    match value:
        case None: return b"\xc0"
        case bool(): return b"\xc3" if value else b"\xc2"
        case int() if 0 <= value < 128: return bytes([value])
        case int() if -32 <= value < 0: return struct.pack("b", value)
        case int() if -(2**63) <= value < 2**63: return b"\xd3" + struct.pack(">q", value)
        case int(): raise OverflowError(f"{value} does not fit 64 bits")
        case float(): return b"\xcb" + struct.pack(">d", value)
        case str():
            data = value.encode()
            return (bytes([0xA0 | len(data)]) if len(data) < 32 else b"\xda" + struct.pack(">H", len(data))) + data
        case bytes(): return b"\xc5" + struct.pack(">H", len(value)) + value
        case list() | tuple(): return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(pack, value))
        case dict(): return b"\xde" + struct.pack(">H", len(value)) + b"".join(pack(k) + pack(v) for k, v in value.items())
        case _: raise TypeError(f"cannot pack {type(value).__name__}")


def unpack(s):
    (kind,) = s.read(1)
    number = lambda f: struct.unpack(f, s.read(struct.calcsize(f)))[0]
    match kind:
        case _ if kind < 0x80: return kind
        case _ if kind >= 0xE0: return kind - 256
        case 0xC0: return None
        case 0xC2 | 0xC3: return kind == 0xC3
        case 0xCB: return number(">d")
        case 0xD3: return number(">q")
        case 0xDA: return s.read(number(">H")).decode()
        case 0xC5: return s.read(number(">H")).hex()
        case 0xDC: return [unpack(s) for _ in range(number(">H"))]
        case 0xDE: return {unpack(s): unpack(s) for _ in range(number(">H"))}
        case _ if 0xA0 <= kind < 0xC0: return s.read(kind & 31).decode()
    raise ValueError(f"unknown kind {kind:#x} at {s.tell() - 1}")


def main(args, context):
    value = {"n": [0, 127, -1, -32, -33, 2**40, -(2**63)], "f": [0.1, -0.0, 1e300], "t": "é🎉" * 10, "b": b"\x00\xff", "x": [None, True, False, {}]}
    data = pack(value)
    errors = []
    for action in (lambda: pack(2**63), lambda: pack({1}), lambda: unpack(io.BytesIO(b"\xc1")), lambda: unpack(io.BytesIO(data[:20])), lambda: read_varint(io.BytesIO(b"\x80"))):
        try:
            action()
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
    numbers = [0, 1, 127, 128, 300, 2**32, 2**64 - 1]
    query = struct.pack(">6H", 0x1234, 0x0100, 1, 0, 0, 0) + b"".join(bytes([len(p)]) + p.encode() for p in "www.example.com".split(".")) + b"\0" + struct.pack(">HH", 1, 1)
    names, at = [], 12
    while query[at]:
        names.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    return {"packed": data.hex(), "back": unpack(io.BytesIO(data)), "errors": errors, "varints": [varint(n).hex() for n in numbers], "read": [read_varint(io.BytesIO(varint(n))) for n in numbers], "zigzag": [zigzag(n) for n in (0, -1, 1, -(2**31))], "dns": [query.hex(), names, struct.unpack_from(">HH", query, at + 1)], "bits": [f"{0b1011_0110 >> 2 & 0b111:03b}", (0xDEADBEEF).to_bytes(4, "little").hex(), int.from_bytes(b"\x80\x00", "big", signed=True), bin(-5 & 0xFF), (1 << 40) - 1 & ~0xFF]}
