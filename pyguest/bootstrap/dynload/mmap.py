"""Files in memory, on a system that cannot map them: a map has a copy of the file.

`flush` and `close` write back what has changed in a shared map. Until then the file does not have it,
and the map does not have what others write to the file.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import zlib
from operator import index

ACCESS_DEFAULT, ACCESS_READ, ACCESS_WRITE, ACCESS_COPY = range(4)
PAGESIZE = ALLOCATIONGRANULARITY = 4096
_CONSTANTS = (
    "PROT_READ=1 PROT_WRITE=2 PROT_EXEC=4 MAP_SHARED=1 MAP_PRIVATE=2 MAP_ANON=32 MAP_ANONYMOUS=32 "
    "MAP_DENYWRITE=2048 MAP_EXECUTABLE=4096 MAP_NORESERVE=16384 MAP_POPULATE=32768 MAP_STACK=131072 "
    "MADV_NORMAL=0 MADV_RANDOM=1 MADV_SEQUENTIAL=2 MADV_WILLNEED=3 MADV_DONTNEED=4 MADV_FREE=8 MADV_REMOVE=9 "
    "MADV_DONTFORK=10 MADV_DOFORK=11 MADV_MERGEABLE=12 MADV_UNMERGEABLE=13 MADV_HUGEPAGE=14 MADV_NOHUGEPAGE=15 "
    "MADV_DONTDUMP=16 MADV_DODUMP=17 MADV_HWPOISON=100"
)  # of Linux on x86-64
for _entry in _CONSTANTS.split():
    _name, _, _value = _entry.partition("=")
    globals()[_name] = int(_value)
del _entry, _name, _value

error = OSError
_CHUNK = 1 << 20  # bytes of a read
_ACCESS_NAMES = ("ACCESS_DEFAULT", "ACCESS_READ", "ACCESS_WRITE", "ACCESS_COPY")


def _bounds(start, end):
    return index(start), None if end is None else index(end)


def _fail(number):
    raise OSError(number, os.strerror(number))


class mmap:  # noqa: N801
    """A copy of a part of a file, or memory of its own for the file -1."""

    __slots__ = ("__weakref__", "_access", "_data", "_fd", "_offset", "_position", "_shared", "_sum", "_tracks")

    def __new__(
        cls, fileno, length, flags=MAP_SHARED, prot=PROT_WRITE | PROT_READ, access=ACCESS_DEFAULT, offset=0, *, trackfd=True
    ):  # noqa: F821
        self = object.__new__(cls)
        self._data, self._fd, self._shared = None, -1, False
        if length < 0:
            raise OverflowError("memory mapped length must be positive")
        if offset < 0:
            raise OverflowError("memory mapped offset must be positive")
        if access != ACCESS_DEFAULT and (flags != MAP_SHARED or prot != PROT_WRITE | PROT_READ):  # noqa: F821
            raise ValueError("mmap can't specify both access and flags, prot.")
        if access not in range(4):
            raise ValueError("mmap invalid access parameter.")
        if access == ACCESS_COPY:
            flags = MAP_PRIVATE  # noqa: F821
        elif access == ACCESS_DEFAULT and not (prot & PROT_READ and prot & PROT_WRITE):  # noqa: F821
            access = ACCESS_WRITE if prot & PROT_WRITE else ACCESS_READ  # noqa: F821
        if offset % ALLOCATIONGRANULARITY:
            _fail(errno.EINVAL)
        self._access, self._offset, self._position, self._tracks = access, offset, 0, trackfd
        if fileno == -1 or flags & MAP_ANONYMOUS:  # noqa: F821
            if length == 0:
                _fail(errno.EINVAL)
            self._data = bytearray(length)
            return self
        status = os.fstat(fileno)
        if not stat.S_ISREG(status.st_mode):
            _fail(errno.ENODEV)
        if length == 0:
            if status.st_size == 0:
                raise ValueError("cannot mmap an empty file")
            if offset >= status.st_size:
                raise ValueError("mmap offset is greater than file size")
            length = status.st_size - offset
        elif offset > status.st_size or status.st_size - offset < length:
            raise ValueError("mmap length is greater than file size")
        self._fd = os.dup(fileno)
        self._shared = access != ACCESS_READ and bool(flags & MAP_SHARED)  # noqa: F821
        try:
            try:
                os.pread(self._fd, 0, offset)
            except OSError:
                _fail(errno.EACCES)
            data = bytearray()
            while len(data) < length and (part := os.pread(self._fd, min(length - len(data), _CHUNK), offset + len(data))):
                data += part
            data += bytes(length - len(data))
            if self._shared:
                try:
                    os.pwrite(self._fd, data[:1], offset)
                except OSError:
                    _fail(errno.EACCES)
        except BaseException:
            os.close(self._fd)
            self._fd = -1
            raise
        self._data = data
        self._sum = zlib.crc32(data)
        return self

    def _open(self):
        if self._data is None:
            raise ValueError("mmap closed or invalid")
        return self._data

    def _writable(self):
        data = self._open()
        if self._access == ACCESS_READ:
            raise TypeError("mmap can't modify a readonly memory map.")
        return data

    def _store(self):
        if self._shared and (now := zlib.crc32(self._data)) != self._sum:
            rest, at = memoryview(self._data), self._offset
            while rest:
                count = os.pwrite(self._fd, rest, at)
                rest, at = rest[count:], at + count
            self._sum = now

    def close(self):
        """Write back what has changed, and free the memory."""
        data = self._data
        if data is None:
            return
        try:
            data.append(0)  # fails if there is a view
            data.pop()
        except BufferError:
            raise BufferError("cannot close exported pointers exist") from None
        try:
            self._store()
        finally:
            self._data = None
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def __del__(self):
        if getattr(self, "_data", None) is not None:
            self.close()

    @property
    def closed(self):
        """Whether the map is closed."""
        return self._data is None

    def flush(self, offset=0, size=None, /):
        """Write back what has changed."""
        data = self._open()
        size = len(data) - offset if size is None else size
        if size < 0 or offset < 0 or len(data) - offset < size:
            raise ValueError("flush values out of range")
        if offset % PAGESIZE:
            _fail(errno.EINVAL)
        self._store()

    def madvise(self, option, start=0, length=None, /):
        """Check the arguments: there is nothing to advise."""
        if not 0 <= start < len(self._open()):
            raise ValueError("madvise start out of bounds")
        if length is not None and length < 0:
            raise ValueError("madvise length invalid")
        if length is not None and start + length > sys.maxsize:
            raise OverflowError("madvise length too large")
        if start % PAGESIZE:
            _fail(errno.EINVAL)

    def size(self):
        """Return the size of the file."""
        self._open()
        if self._fd < 0 or not self._tracks:
            _fail(errno.EBADF)
        return os.fstat(self._fd).st_size

    def resize(self, newsize, /):
        """Change the size of the map, and that of the file."""
        data = self._open()
        if self._access not in (ACCESS_DEFAULT, ACCESS_WRITE):
            raise TypeError("mmap can't resize a readonly or copy-on-write memory map.")
        if not self._tracks:
            raise ValueError("mmap can't resize with trackfd=False.")
        if newsize < 0:
            raise ValueError("new size out of range")
        if newsize == 0:
            _fail(errno.EINVAL)
        try:
            if newsize < len(data):
                del data[newsize:]
            else:
                data += bytes(newsize - len(data))
        except BufferError:
            raise BufferError("mmap can't resize with extant buffers exported.") from None
        if self._fd >= 0:
            os.ftruncate(self._fd, self._offset + newsize)

    def find(self, sub, start=None, end=None, /):
        """Return the lowest index of a text, from the position on if none is given, or -1."""
        start, end = _bounds(self._position if start is None else start, end)
        return self._open().find(sub, start, end)

    def rfind(self, sub, start=None, end=None, /):
        """Return the highest index of a text, from the position on if none is given, or -1."""
        start, end = _bounds(self._position if start is None else start, end)
        return self._open().rfind(sub, start, end)

    def move(self, dest, src, count, /):
        """Copy bytes within the map."""
        dest, src, count = map(index, (dest, src, count))
        data = self._writable()
        if min(dest, src, count) < 0 or max(dest, src) + count > len(data):
            raise ValueError("source, destination, or count out of range")
        data[dest : dest + count] = data[src : src + count]

    def read(self, n=None, /):
        """Return the bytes from the position on, at most n."""
        n = None if n is None else index(n)
        data = self._open()
        end = len(data) if n is None or n < 0 else self._position + n
        part = bytes(memoryview(data)[self._position : end])
        self._position += len(part)
        return part

    def read_byte(self):
        """Return the number of the byte at the position."""
        data = self._open()
        if self._position >= len(data):
            raise ValueError("read byte out of range")
        self._position += 1
        return data[self._position - 1]

    def readline(self):
        """Return the bytes up to the end of the line."""
        data = self._open()
        end = data.find(b"\n", self._position)
        return self.read(None if end < 0 else end + 1 - self._position)

    def write(self, data, /):
        """Write bytes at the position, and return their number."""
        own = self._writable()
        with memoryview(data) as view:
            size = view.nbytes
            if self._position + size > len(own):
                raise ValueError("data out of range")
            memoryview(own)[self._position : self._position + size] = bytes(view)
        self._position += size
        return size

    def write_byte(self, byte, /):
        """Write a byte, given as a number, at the position."""
        byte = index(byte)
        if not 0 <= byte <= 255:
            raise OverflowError("unsigned byte integer is %s" % ("less than minimum" if byte < 0 else "greater than maximum"))
        data = self._writable()
        if self._position >= len(data):
            raise ValueError("write byte out of range")
        data[self._position] = byte
        self._position += 1

    def seek(self, pos, whence=0, /):
        """Set the position, and return it."""
        size = len(self._open())
        if whence not in (0, 1, 2):
            raise ValueError("unknown seek type")
        where = pos + (0, self._position, size)[whence]
        if not 0 <= where <= size:
            raise ValueError("seek out of range")
        self._position = where
        return where

    def seekable(self):
        """Return whether the map has a position: True."""
        return True

    def tell(self):
        """Return the position."""
        self._open()
        return self._position

    def __len__(self):
        return len(self._open())

    def __iter__(self):
        place = 0
        while place < len(self._open()):
            yield bytes((self._data[place],))
            place += 1

    def __getitem__(self, key):
        if isinstance(key, slice):
            places = self._places(key)
            data = self._open()
            if places.step == 1:
                return bytes(memoryview(data)[places.start : places.stop])
            return bytes(data[place] for place in places)
        place = self._place(key)
        return self._open()[place]

    def __setitem__(self, key, value):
        if isinstance(key, slice):
            places = self._places(key)
            data = self._writable()
            with memoryview(value) as view:
                if view.nbytes != len(places):
                    raise IndexError("mmap slice assignment is wrong size")
                new = bytes(view)
            if places.step == 1:
                memoryview(data)[places.start : places.start + len(new)] = new
            else:
                for place, byte in zip(places, new):
                    data[place] = byte
            return
        self._writable()
        place = self._place(key)
        if not hasattr(value, "__index__"):
            raise TypeError("mmap item value must be an int")
        byte = index(value)
        if not 0 <= byte <= 255:
            raise ValueError("mmap item value must be in range(0, 256)")
        self._writable()[place] = byte

    def _places(self, key):
        """Return the indices of a slice."""
        return range(*key.indices(len(self._open())))

    def _place(self, key):
        """Return an index as a number from 0."""
        if not hasattr(key, "__index__"):
            raise TypeError("mmap indices must be integers")
        place = index(key)
        size = len(self._open())
        place += size if place < 0 else 0
        if not 0 <= place < size:
            raise IndexError("mmap index out of range")
        return place

    def __delitem__(self, key):
        self._writable()
        raise TypeError("mmap doesn't support item deletion")

    def __buffer__(self, flags, /):
        view = memoryview(self._open())
        if self._access != ACCESS_READ:
            return view
        if flags & 1:  # PyBUF_WRITABLE
            raise BufferError("Object is not writable.")
        return view.toreadonly()

    def __enter__(self):
        self._open()
        return self

    def __exit__(self, *exception):
        self.close()

    def __repr__(self):
        if self._data is None:
            return "<mmap.mmap closed=True>"
        return "<mmap.mmap closed=False, access=%s, length=%d, pos=%d, offset=%d>" % (
            _ACCESS_NAMES[self._access], len(self._data), self._position, self._offset
        )  # fmt: skip

    def __reduce_ex__(self, protocol):
        raise TypeError("cannot pickle %r object" % type(self).__name__)
