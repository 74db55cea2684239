"""Programs use ctypes without a library: numbers that wrap around, structures, unions, arrays and buffers."""
import ctypes as C
import ctypes.util
import struct


class Header(C.Structure):
    _fields_ = [("kind", C.c_int8), ("length", C.c_int32), ("value", C.c_double), ("name", C.c_char * 6)]


class Bits(C.Structure):
    _fields_ = [("a", C.c_uint8, 3), ("b", C.c_uint8, 5), ("c", C.c_int16, 4), ("d", C.c_uint32, 30)]


class Word(C.Union):
    _fields_ = [("number", C.c_uint32), ("bytes", C.c_uint8 * 4)]


class Network(C.BigEndianStructure):
    _fields_ = [("port", C.c_uint16), ("address", C.c_uint32), ("flags", C.c_uint16, 4), ("rest", C.c_uint16, 12)]


class Packed(C.Structure):
    _pack_ = 1
    _fields_ = [("a", C.c_int8), ("b", C.c_int32)]


class Outer(C.Structure):
    _anonymous_ = ["word"]
    _fields_ = [("word", Word), ("header", Header), ("list", C.c_int * 3)]


class Extended(Packed):
    _fields_ = [("c", C.c_int16)]


class Node(C.Structure):
    pass


Node._fields_ = [("next", C.POINTER(Node)), ("value", C.c_int)]


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main(args, context):
    out = {"numbers": [C.c_int(2**31).value, C.c_uint8(-1).value, C.c_bool(3).value, C.c_wchar("é").value, C.c_float(0.1).value, C.c_longlong(2**63).value, C.c_char(b"x").value.decode(), C.c_char_p(b"hi").value.decode(), C.c_int16(70000).value, bool(C.c_int(0)), repr(C.c_int(3)), repr(C.c_char(b"q"))]}
    out["sizes"] = [C.sizeof(t) for t in (C.c_char, C.c_short, C.c_int, C.c_longlong, C.c_float, C.c_double, Header, Bits, Word, Network, Packed, Extended, C.c_int * 7)] + [C.alignment(Header), C.alignment(Packed), C.alignment(C.c_double)]
    header = Header(300, -7, 3.5, b"abc")
    out["structure"] = [header.kind, header.length, header.value, header.name.decode(), Header.length.offset, Header.value.size, Header.name.offset, bytes(header)[16:].hex()]
    header.length, header.name = 9, b"xyz"
    copied = Header.from_buffer_copy(bytes(header))
    out["copy"] = [copied.length, copied.name.decode(), bytes(copied) == bytes(header), copied is header]
    bits = Bits(5, 17, -3, 2**29)
    out["bits"] = [bits.a, bits.b, bits.c, bits.d, bytes(bits)[:2].hex()]
    bits.a, bits.b = 9, 40
    out["bits"] += [bits.a, bits.b]
    word = Word(0x01020304)
    word.bytes[0] = 255
    out["union"] = [word.number, list(word.bytes), bytes(word).hex()]
    network = Network(80, 0x7F000001, 10, 100)
    out["network"] = [bytes(network).hex(), network.port, network.address, network.flags, network.rest, struct.unpack(">HxxIH", bytes(network)[:10])[:2]]
    outer = Outer()
    outer.number, outer.header.length, outer.list[1], outer.list[-1] = 7, 5, 4, 8
    outer.header = copied
    out["nested"] = [outer.word.number, outer.header.length, list(outer.list), len(outer.list), outer.header.name.decode()]
    first = Node(None, 1)
    second = Node(C.pointer(first), 2)
    second.next.contents.value = 11
    number = C.c_int(5)
    out["pointers"] = [first.value, bool(first.next), bool(second.next), C.pointer(number)[0], C.pointer(number).contents.value, attempt(lambda: first.next.contents)]
    text = C.create_string_buffer(b"hello", 10)
    text.value = b"no"
    wide = C.create_unicode_buffer("hé")
    array = (C.c_int * 4)(1, 2, 3)
    array[1:3] = [7, 8]
    source = bytearray(b"\1\0\0\0\2\0\0\0")
    shared = (C.c_int * 2).from_buffer(source)
    shared[0] = 258
    out["buffers"] = [text.raw.hex(), text.value.decode(), len(text), wide.value, len(wide), list(array), array[::-1], sum(array), source.hex(), C.c_int.from_buffer(source, 4).value, memoryview(array).nbytes]
    out["names"] = [C.c_int.__name__, (C.c_int * 3).__name__, C.POINTER(C.c_int).__name__, C.POINTER(Node) is C.POINTER(Node), C.c_int * 3 is C.c_int * 3, C.c_uint8 is C.c_ubyte]
    out["extended"] = [Extended(1, 2, 3).c, Extended.c.offset, bytes(Extended(1, 2, 3)).hex()]
    out["errors"] = [attempt(lambda: C.c_int("x")), attempt(lambda: (C.c_int * 2)(1, 2, 3)), attempt(lambda: array[9]), attempt(lambda: C.c_int.from_buffer(bytearray(2))), attempt(lambda: Header(1, 2, 3, b"", 5)), attempt(lambda: C.c_char(b"xx")), attempt(lambda: setattr(text, "value", b"x" * 99)), attempt(lambda: setattr(header, "length", "x")), attempt(lambda: C.sizeof(5)), attempt(lambda: header.absent), attempt(lambda: C.c_int * -1), attempt(lambda: C.c_double("x")), attempt(lambda: Header(1, kind=2)), attempt(lambda: C.c_int.from_buffer(b"1234"))]
    out["library"] = [ctypes.util.find_library("no such library"), type(attempt(lambda: C.CDLL("no-such-library.so"))).__name__, attempt(lambda: C.CDLL("no-such-library.so")).split(":")[0]]
    return out
