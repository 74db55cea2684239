"""Data in the layout of C, without machine code.

Types have values, sizes and layouts as in CPython's own module: numbers, arrays, structures, unions,
and pointers to objects of this module. What needs machine code or an address in memory raises an
exception that says so: a shared library raises OSError, as one does that is not installed, and
everything else NotImplementedError. As in PyPy, there is no `pythonapi`: programs look for it with hasattr.
"""

from __future__ import annotations

import struct as _struct
import sys as _sys
from operator import index as _index
from types import GenericAlias as _GenericAlias

from _faas_boot import absent as _absent

__version__ = "1.1.0"

DEFAULT_MODE = RTLD_LOCAL = 0
RTLD_GLOBAL = 256

_ORDER = "<" if _sys.byteorder == "little" else ">"
_OTHER = ">" if _ORDER == "<" else "<"


class ArgumentError(Exception):
    """An argument of a foreign function has the wrong type."""


def _refuse(name):
    return NotImplementedError("ctypes.%s is absent: %s" % (name, _absent.NATIVE))


class _Type(type):
    """The type of types of C. A class has _size_ and _alignment_ in bytes, unless it has no layout yet."""

    def __mul__(cls, length):
        if not isinstance(length, int):
            raise TypeError("can't multiply sequence by non-int of type '%s'" % type(length).__name__)
        if length < 0:
            raise ValueError("Array length must be >= 0, not %d" % length)
        found = _arrays.get((cls, length))
        if found is None:
            name = "%s_Array_%d" % (cls.__name__, length)
            found = _arrays[cls, length] = _Type(name, (Array,), {"_type_": cls, "_length_": length})
        return found

    __rmul__ = __mul__

    def __setattr__(cls, name, value):
        if name == "_fields_" and issubclass(cls, _Aggregate):
            _lay_out(cls, value)
        super().__setattr__(name, value)

    def from_buffer(cls, source, offset=0):
        """Return an instance that shares the memory of a writable buffer."""
        view = memoryview(source).cast("B")
        if view.readonly:
            raise TypeError("underlying buffer is not writable")
        return cls._at(_part(cls, view, offset), source)

    def from_buffer_copy(cls, source, offset=0):
        """Return an instance with a copy of a buffer."""
        return cls._at(memoryview(bytearray(_part(cls, memoryview(source).cast("B"), offset))), None)

    def from_address(cls, address):
        """Raise NotImplementedError: there are no addresses."""
        raise _refuse("%s.from_address" % cls.__name__)

    def in_dll(cls, library, name):
        """Raise NotImplementedError: there are no shared libraries."""
        raise _refuse("%s.in_dll" % cls.__name__)

    def from_param(cls, value):
        """Return what a parameter of this type receives for a value."""
        if isinstance(value, cls):
            return value
        if issubclass(cls, _SimpleCData):
            return cls(value)
        raise TypeError("expected %s instance instead of %s" % (cls.__name__, type(value).__name__))

    def _at(cls, memory, owner):
        made = cls.__new__(cls)
        made._memory, made._owner = memory, owner
        return made


_arrays = {}


def _part(cls, view, offset):
    size = sizeof(cls)
    if offset < 0:
        raise ValueError("offset cannot be negative")
    if len(view) < offset + size:
        raise ValueError("Buffer size too small (%d instead of at least %d bytes)" % (len(view), offset + size))
    return view[offset : offset + size]


class _CData(metaclass=_Type):
    """An object with a memory, which may be a part of that of another."""

    _memory = _owner = None

    def __new__(cls, *args, **kwargs):
        if "_size_" not in cls.__dict__ and getattr(cls, "_size_", None) is None:
            raise TypeError("abstract class")
        made = object.__new__(cls)
        made._memory, made._owner = memoryview(bytearray(cls._size_)), None
        made._kept = {}
        return made

    def __buffer__(self, flags):
        return self._memory

    def __reduce__(self):
        return _restored, (type(self), bytes(self._memory))


def _restored(cls, content):
    return cls.from_buffer_copy(content)


class _SimpleCData(_CData):
    """A number, a character or a pointer of C."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        code = cls.__dict__.get("_type_")
        if code is not None:
            cls._format_, cls._size_ = _FORMATS[code], _SIZES.get(code) or _struct.calcsize("@" + _FORMATS[code])
            cls._alignment_ = cls._size_

    def __init__(self, value=None):
        if value is not None:
            self.value = value

    @property
    def value(self):
        return self._get_value()

    @value.setter
    def value(self, value):
        self._set_value(value)

    def _get_value(self):
        code = self._type_
        if code in _REFERENCES:
            kept = self._kept.get(0)
            if code == "O" and kept is None:
                raise ValueError("PyObject is NULL")
            return kept[0] if kept else None
        value = _struct.unpack_from("=" + self._format_, self._memory)[0]
        return bool(value) if code == "v" else chr(value) if code == "u" else value

    def _set_value(self, value):
        code = self._type_
        if code in _REFERENCES:
            allowed = _REFERENCES[code]
            if code != "O" and value is not None and not isinstance(value, allowed):
                raise TypeError("%s or integer address expected instead of %s instance" % (allowed[0].__name__, type(value).__name__))
            self._kept[0] = (value,)
            return
        _struct.pack_into("=" + self._format_, self._memory, 0, _converted(code, self._size_, value))

    def __bool__(self):
        return bool(self.value)

    def __repr__(self):
        if type(self).__bases__[0] is not _SimpleCData:
            return object.__repr__(self)
        return "%s(%r)" % (type(self).__name__, self.value)


_FORMATS = {
    "c": "c", "u": "I", "b": "b", "B": "B", "h": "h", "H": "H", "i": "i", "I": "I", "l": "i", "L": "I", "q": "q",
    "Q": "Q", "f": "f", "d": "d", "g": "d8x", "?": "?", "P": "I", "z": "I", "Z": "I", "O": "I", "v": "H",
}  # fmt: skip
_SIZES = {"g": 16}
_REFERENCES = {"P": (int,), "z": (bytes, int), "Z": (str, int), "O": (object,)}


def _converted(code, size, value):
    """Return a value as `struct` packs it. Integers lose their high bits, as in C."""
    if code == "c":
        if isinstance(value, int) and 0 <= value < 256:
            return bytes([value])
        if isinstance(value, (bytes, bytearray)) and len(value) == 1:
            return bytes(value)
        raise TypeError("one character bytes, bytearray or integer expected")
    if code == "u":
        if not isinstance(value, str) or len(value) != 1:
            raise TypeError("one character unicode string expected")
        return ord(value)
    if code in "fdg":
        if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
            raise TypeError("must be real number, not %s" % type(value).__name__)
        return float(value)
    if code == "v":
        return 0xFFFF if value else 0
    if code == "?":
        return bool(value)
    value = _index(value)
    value &= (1 << 8 * size) - 1
    return value - (1 << 8 * size) if code in "bhilq" and value >> 8 * size - 1 else value


def _is_plain(cls):
    """Return whether elements and fields of a type are read as Python values."""
    return issubclass(cls, _SimpleCData) and cls.__bases__[0] is _SimpleCData


class _Aggregate(_CData):
    """A structure or a union."""

    _size_ = 0
    _alignment_ = 1
    _order_ = ""
    _together_ = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "_fields_" in cls.__dict__:
            _lay_out(cls, cls.__dict__["_fields_"])

    def __init__(self, *args, **kwargs):
        names = self._names_
        if len(args) > len(names):
            raise TypeError("too many initializers")
        for name, value in zip(names, args, strict=False):
            if name in kwargs:
                raise TypeError("duplicate values for field %r" % name)
            setattr(self, name, value)
        for name, value in kwargs.items():
            setattr(self, name, value)

    _names_ = ()


class Structure(_Aggregate):
    """A struct of C."""


class Union(_Aggregate):
    """A union of C."""

    _together_ = True


class BigEndianStructure(Structure):
    """A struct whose numbers are big-endian."""

    _order_ = "" if _ORDER == ">" else _OTHER


class LittleEndianStructure(Structure):
    """A struct whose numbers are little-endian."""

    _order_ = "" if _ORDER == "<" else _OTHER


class BigEndianUnion(Union):
    """A union whose numbers are big-endian."""

    _order_ = BigEndianStructure._order_


class LittleEndianUnion(Union):
    """A union whose numbers are little-endian."""

    _order_ = LittleEndianStructure._order_


class _Field:
    """A field of a structure or a union: a descriptor with its place in bytes, or bits of it."""

    def __init__(self, name, kind, offset, order, first, bits):
        self.name, self._kind, self.offset, self._order, self._first, self._bits = name, kind, offset, order, first, bits
        self.size = bits << 16 | first if bits else sizeof(kind)

    def __get__(self, holder, owner=None):
        if holder is None:
            return self
        if self._bits:
            value = self._word(holder) >> self._first & (1 << self._bits) - 1
            if self._kind._type_ in "bhilq" and value >> self._bits - 1:
                value -= 1 << self._bits
            return bool(value) if self._kind._type_ == "?" else value
        part = self._part(holder)
        return part.value if _is_plain(self._kind) or _is_characters(self._kind) else part

    def __set__(self, holder, value):
        if self._bits:
            mask = (1 << self._bits) - 1 << self._first
            word = self._word(holder) & ~mask | (int(value) << self._first & mask)
            holder._memory[self.offset : self.offset + self._kind._size_] = word.to_bytes(self._kind._size_, self._byteorder)
            return
        _assign(self._part(holder), self._kind, value)

    @property
    def _byteorder(self):
        return "big" if (self._order or _ORDER) == ">" else "little"

    def _word(self, holder):
        return int.from_bytes(holder._memory[self.offset : self.offset + self._kind._size_], self._byteorder)

    def _part(self, holder):
        memory = holder._memory[self.offset : self.offset + sizeof(self._kind)]
        return _element(self._kind, memory, holder, self.name, self._order)

    def __repr__(self):
        return "<Field type=%s, ofs=%d, size=%d>" % (self._kind.__name__, self.offset, self.size)


def _element(kind, memory, holder, key, order=""):
    """Return an object of a part of another's memory. Objects that it refers to are kept with the other."""
    if order and issubclass(kind, _SimpleCData) and kind._size_ > 1:
        kind = _swapped(kind)
    made = kind._at(memory, holder)
    made._kept = holder._kept.setdefault(key, {})
    return made


def _assign(part, kind, value):
    if isinstance(value, kind):
        part._memory[:] = value._memory
        part._kept.clear()
        part._kept.update(value._kept)
    elif isinstance(part, _SimpleCData):
        part.value = value
    elif _is_characters(kind) and isinstance(value, (bytes, str)):
        part.value = value
    elif issubclass(kind, (Array, _Aggregate)) and isinstance(value, tuple):
        part.__init__(*value)
    elif issubclass(kind, _Pointer):
        part._kept[0] = None if value is None else kind(value)._kept[0]
    else:
        raise TypeError("expected %s instance, got %s" % (kind.__name__, type(value).__name__))


def _swapped(kind):
    """Return a type of numbers in the byte order that is not the processor's."""

    class Swapped(kind):
        def _get_value(self):
            return kind.from_buffer_copy(bytes(self._memory)[::-1]).value

        def _set_value(self, value):
            self._memory[:] = bytes(kind(value)._memory)[::-1]

    return Swapped


def _lay_out(cls, fields):
    """Give a structure or a union its size and its fields, as a compiler of Linux does."""
    base = cls.__mro__[1]
    end, align = base._size_, base._alignment_
    pack, names = getattr(cls, "_pack_", 0), list(base._names_)
    least = getattr(cls, "_align_", 0)
    if pack < 0 or least < 0:
        raise ValueError("_pack_ and _align_ must be non-negative integers")
    align = max(align, least)
    unit = None  # of the bit field before: its type, offset and next bit
    for entry in fields:
        name, kind, bits = (*entry, 0)[:3]
        if not isinstance(kind, _Type):
            raise TypeError("second item in _fields_ tuple must be a C type")
        size, own = sizeof(kind), min(alignment(kind), pack or alignment(kind))
        align = max(align, own)
        first = 0
        if bits:
            if not issubclass(kind, _SimpleCData) or kind._type_ not in "bBhHiIlLqQ?":
                raise TypeError("bit fields not allowed for type %s" % kind.__name__)
            if not 0 < bits <= 8 * size:
                raise ValueError("number of bits invalid for bit field")
            if unit is not None and size >= unit[0] and unit[2] + bits <= 8 * size and not cls._together_:
                offset, first = unit[1], unit[2]
            else:
                offset = 0 if cls._together_ else -(-end // own) * own
            unit = size, offset, first + bits
            if cls._order_ == ">":
                first = 8 * size - first - bits
        else:
            offset, unit = 0 if cls._together_ else -(-end // own) * own, None
        type.__setattr__(cls, name, _Field(name, kind, offset, cls._order_, first, bits))
        names.append(name)
        end = max(end, offset + size)
        if name in getattr(cls, "_anonymous_", ()):
            for inner in kind._names_:
                type.__setattr__(cls, inner, _Through(name, inner))
    for key, value in (("_names_", tuple(names)), ("_alignment_", align), ("_size_", -(-end // align) * align)):
        type.__setattr__(cls, key, value)


class _Through:
    """A field of an anonymous field."""

    def __init__(self, outer, inner):
        self._outer, self._inner = outer, inner

    def __get__(self, holder, owner=None):
        return self if holder is None else getattr(getattr(holder, self._outer), self._inner)

    def __set__(self, holder, value):
        setattr(getattr(holder, self._outer), self._inner, value)


class Array(_CData):
    """An array of C: _length_ elements of _type_."""

    __class_getitem__ = classmethod(_GenericAlias)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "_type_" in cls.__dict__:
            cls._size_, cls._alignment_ = sizeof(cls._type_) * cls._length_, alignment(cls._type_)

    def __init__(self, *values):
        if len(values) > self._length_:
            raise IndexError("invalid index")
        for index, value in enumerate(values):
            self[index] = value

    def __len__(self):
        return self._length_

    def _place(self, index):
        if not isinstance(index, int):
            raise TypeError("indices must be integers")
        if index < 0:
            index += self._length_
        if not 0 <= index < self._length_:
            raise IndexError("invalid index")
        size = sizeof(self._type_)
        return _element(self._type_, self._memory[index * size : (index + 1) * size], self, index)

    def __getitem__(self, index):
        if isinstance(index, slice):
            items = [self[i] for i in range(*index.indices(self._length_))]
            code = getattr(self._type_, "_type_", "")
            return b"".join(items) if code == "c" else "".join(items) if code == "u" else items
        part = self._place(index)
        return part.value if _is_plain(self._type_) else part

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            places = range(*index.indices(self._length_))
            if len(places) != len(value):
                raise ValueError("Can only assign sequence of same size")
            for i, item in zip(places, value, strict=True):
                self[i] = item
            return
        _assign(self._place(index), self._type_, value)

    def __getattr__(self, name):
        if name == "value" and _is_characters(type(self)):
            if self._type_._type_ == "c":
                return bytes(self._memory).partition(b"\0")[0]
            return self[:].partition("\0")[0]
        if name == "raw" and _is_characters(type(self)) and self._type_._type_ == "c":
            return bytes(self._memory)
        raise AttributeError("'%s' object has no attribute '%s'" % (type(self).__name__, name))

    def __setattr__(self, name, value):
        if name in ("value", "raw") and _is_characters(type(self)):
            kind = bytes if self._type_._type_ == "c" else str
            if name == "raw" and kind is bytes:
                value = bytes(memoryview(value))
            if not isinstance(value, kind):
                raise TypeError("%s expected instead of %s instance" % (kind.__name__, type(value).__name__))
            if len(value) > self._length_:
                raise ValueError("%s too long" % ("byte string" if kind is bytes else "string"))
            if name == "value" and len(value) < self._length_:
                value += kind() + ("\0" if kind is str else b"\0")
            for index, item in enumerate(value):
                self[index] = item
            return
        super().__setattr__(name, value)


def _is_characters(cls):
    return issubclass(cls, Array) and getattr(cls._type_, "_type_", "") in ("c", "u")


class _Pointer(_CData):
    """A pointer to an object of this module; to nothing, if it was made without one."""

    _size_ = _alignment_ = 4

    def __init__(self, target=None):
        if target is not None and not isinstance(target, self._type_):
            if not (isinstance(target, Array) and target._type_ is self._type_):
                raise TypeError("expected %s instead of %s" % (self._type_.__name__, type(target).__name__))
        self._kept[0] = target

    def __bool__(self):
        return self._kept.get(0) is not None

    def _target(self):
        target = self._kept.get(0)
        if target is None:
            raise ValueError("NULL pointer access")
        return target

    @property
    def contents(self):
        target = self._target()
        return target if isinstance(target, self._type_) else target._place(0)

    @contents.setter
    def contents(self, target):
        if not isinstance(target, self._type_):
            raise TypeError("expected %s instead of %s" % (self._type_.__name__, type(target).__name__))
        self._kept[0] = target

    def __getitem__(self, index):
        target = self._target()
        if isinstance(target, Array) and not isinstance(target, self._type_):
            return target[index]
        if index != 0:
            raise _refuse("pointer[%r]" % (index,))
        return target.value if _is_plain(self._type_) else target

    def __setitem__(self, index, value):
        target = self._target()
        if isinstance(target, Array) and not isinstance(target, self._type_):
            target[index] = value
        elif index != 0:
            raise _refuse("pointer[%r]" % (index,))
        else:
            _assign(target, self._type_, value)


_pointers = {}


def POINTER(cls):  # noqa: N802 # the name of the original
    """Return the type of pointers to a type."""
    if cls is None:
        return c_void_p
    if cls not in _pointers:
        name = cls if isinstance(cls, str) else cls.__name__
        _pointers[cls] = _Type("LP_%s" % name, (_Pointer,), {} if isinstance(cls, str) else {"_type_": cls})
    return _pointers[cls]


def SetPointerType(pointer, cls):  # noqa: N802
    """Say what a pointer type made by name points to."""
    pointer._type_ = cls
    _pointers[cls] = pointer


def pointer(target):
    """Return a pointer to an object."""
    return POINTER(type(target))(target)


def byref(target, offset=0):
    """Return a pointer to an object, for a call of a foreign function."""
    if not isinstance(target, _CData):
        raise TypeError("byref() argument must be a ctypes instance, not '%s'" % type(target).__name__)
    return pointer(target)


def sizeof(value):
    """Return the size of a type or an object in bytes."""
    cls = value if isinstance(value, _Type) else type(value)
    if isinstance(value, _CData) and value._memory is not None:
        return len(value._memory)
    size = getattr(cls, "_size_", None)
    if not isinstance(cls, _Type) or size is None:
        raise TypeError("this type has no size")
    return size


def alignment(value):
    """Return the alignment of a type or an object in bytes."""
    cls = value if isinstance(value, _Type) else type(value)
    if not isinstance(cls, _Type) or getattr(cls, "_alignment_", None) is None:
        raise TypeError("no alignment info")
    return min(cls._alignment_, 16)


def resize(value, size):
    """Give an object's memory another size, at least that of its type."""
    if size < sizeof(type(value)):
        raise ValueError("minimum size is %d" % sizeof(type(value)))
    memory = bytearray(size)
    memory[: min(size, len(value._memory))] = value._memory[:size]
    value._memory = memoryview(memory)


for _code, _names in {
    "c": "c_char", "u": "c_wchar", "b": "c_byte c_int8", "B": "c_ubyte c_uint8", "h": "c_short c_int16",
    "H": "c_ushort c_uint16", "i": "c_int c_int32", "I": "c_uint c_uint32", "q": "c_longlong c_int64 c_time_t",
    "Q": "c_ulonglong c_uint64", "l": "c_long c_ssize_t", "L": "c_ulong c_size_t", "f": "c_float", "d": "c_double",
    "g": "c_longdouble", "?": "c_bool", "z": "c_char_p", "Z": "c_wchar_p", "P": "c_void_p", "O": "py_object",
}.items():  # fmt: skip
    _made = _Type(_names.split()[0], (_SimpleCData,), {"_type_": _code, "__module__": __name__})
    for _name in _names.split():
        globals()[_name] = _made
c_voidp = c_void_p
del _code, _names, _made, _name


def create_string_buffer(init, size=None):
    """Return an array of characters: with a content, or of a size."""
    if isinstance(init, (bytes, bytearray, memoryview)):
        init = bytes(init)
        made = (c_char * (len(init) + 1 if size is None else size))()
        made.value = init
        return made
    if isinstance(init, int):
        return (c_char * init)()
    raise TypeError(init)


c_buffer = create_string_buffer


def create_unicode_buffer(init, size=None):
    """Return an array of wide characters: with a content, or of a size."""
    if isinstance(init, str):
        made = (c_wchar * (len(init) + 1 if size is None else size))()
        made.value = init
        return made
    if isinstance(init, int):
        return (c_wchar * init)()
    raise TypeError(init)


def ARRAY(cls, length):  # noqa: N802
    """Return the type of arrays of a type."""
    return cls * length


class CDLL:
    """A shared library, which cannot be loaded."""

    def __init__(self, name=None, *args, **kwargs):
        raise OSError("the shared library %s cannot be loaded: %s" % (name or "of the program", _absent.NATIVE))


class PyDLL(CDLL):
    """A shared library that uses Python, which cannot be loaded."""


class LibraryLoader:
    """Loads shared libraries, of which there are none."""

    __class_getitem__ = classmethod(_GenericAlias)

    def __init__(self, kind):
        self._kind = kind

    def __getattr__(self, name):
        if name[:1] == "_":
            raise AttributeError(name)
        return self._kind(name)

    def __getitem__(self, name):
        return self._kind(name)

    def LoadLibrary(self, name):  # noqa: N802
        """Raise OSError: there are no shared libraries."""
        return self._kind(name)


cdll = LibraryLoader(CDLL)
pydll = LibraryLoader(PyDLL)


def _function_type(result, *parameters, use_errno=False, use_last_error=False):
    class CFunctionType(_CData):
        _size_ = _alignment_ = 4
        _restype_, _argtypes_ = result, parameters

        def __init__(self, *args):
            raise _refuse("CFUNCTYPE")

    return CFunctionType


CFUNCTYPE = PYFUNCTYPE = _function_type
_errno = 0


def get_errno():
    """Return the private copy of errno."""
    return _errno


def set_errno(value):
    """Set the private copy of errno and return the previous one."""
    global _errno
    previous, _errno = _errno, value
    return previous


def _without_addresses(name):
    def function(*args, **kwargs):
        raise _refuse(name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raise NotImplementedError: there are no addresses."
    return function


for _name in ("addressof", "cast", "memmove", "memset", "string_at", "wstring_at", "memoryview_at"):
    globals()[_name] = _without_addresses(_name)
del _name
