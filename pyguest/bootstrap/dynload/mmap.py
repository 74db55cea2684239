"""Files in memory, on a system that does not map pages: a map has a copy of its part of the file.

A shared map writes to its file at once what is assigned to it, and when a buffer of it is released,
what was changed there. It does not see what others write to the file later.
"""

from __future__ import annotations

import errno
import os
import sys
from operator import index as _index

_CONSTANTS = (
    "ACCESS_COPY=3 ACCESS_DEFAULT=0 ACCESS_READ=1 ACCESS_WRITE=2 ALLOCATIONGRANULARITY=4096 MADV_DODUMP=17 "
    "MADV_DOFORK=11 MADV_DONTDUMP=16 MADV_DONTFORK=10 MADV_DONTNEED=4 MADV_FREE=8 MADV_HUGEPAGE=14 "
    "MADV_HWPOISON=100 MADV_MERGEABLE=12 MADV_NOHUGEPAGE=15 MADV_NORMAL=0 MADV_RANDOM=1 MADV_REMOVE=9 "
    "MADV_SEQUENTIAL=2 MADV_UNMERGEABLE=13 MADV_WILLNEED=3 MAP_ANON=32 MAP_ANONYMOUS=32 MAP_DENYWRITE=2048 "
    "MAP_EXECUTABLE=4096 MAP_NORESERVE=16384 MAP_POPULATE=32768 MAP_PRIVATE=2 MAP_SHARED=1 MAP_STACK=131072 "
    "PAGESIZE=4096 PROT_EXEC=4 PROT_READ=1 PROT_WRITE=2"
)  # of Linux on x86-64
for _entry in _CONSTANTS.split():
    _name, _, _value = _entry.partition("=")
    globals()[_name] = int(_value)
del _entry, _name, _value

error = OSError

_CHUNK = 1 << 20  # bytes that are read at once, so that a map needs little more memory than its length


def _fail(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _optional(number: object) -> int | None:
    return None if number is None else _index(number)


def _open_file(fileno: int, length: int, offset: int, shared: bool) -> tuple[int, int]:
    """Return a copy of a descriptor, and the length of the map of its file."""
    size = os.fstat(fileno).st_size
    if length == 0:
        if size == 0:
            raise ValueError("cannot mmap an empty file")
        if offset >= size:
            raise ValueError("mmap offset is greater than file size")
        length = size - offset
    elif offset > size or size - offset < length:
        raise ValueError("mmap length is greater than file size")
    import fcntl  # which few programs need

    mode = fcntl.fcntl(fileno, fcntl.F_GETFL) & os.O_ACCMODE
    if mode == os.O_WRONLY or shared and mode == os.O_RDONLY:
        raise _fail(errno.EACCES)
    return os.dup(fileno), length


class mmap:
    """A part of a file, or memory without a file if fileno is -1."""

    def __new__(cls, fileno, length, flags=MAP_SHARED, prot=PROT_WRITE | PROT_READ, access=ACCESS_DEFAULT, offset=0, *, trackfd=True):
        fileno, length, offset = _index(fileno), _index(length), _index(offset)
        if length < 0:
            raise OverflowError("memory mapped length must be positive")
        if offset < 0:
            raise OverflowError("memory mapped offset must be positive")
        if access != ACCESS_DEFAULT and (flags != MAP_SHARED or prot != PROT_WRITE | PROT_READ):
            raise ValueError("mmap can't specify both access and flags, prot.")
        if access not in (ACCESS_DEFAULT, ACCESS_READ, ACCESS_WRITE, ACCESS_COPY):
            raise ValueError("mmap invalid access parameter.")
        if access == ACCESS_DEFAULT and not prot & PROT_WRITE:
            access = ACCESS_READ
        if offset % ALLOCATIONGRANULARITY or fileno == -1 and length == 0:
            raise _fail(errno.EINVAL)
        made = object.__new__(cls)
        made._fd, made._exports, made._position, made._data = -1, 0, 0, None
        made._access, made._offset, made._tracks = access, offset, trackfd
        made._shared = fileno != -1 and access != ACCESS_READ and access != ACCESS_COPY and not flags & MAP_PRIVATE
        if fileno == -1 or flags & MAP_ANONYMOUS:
            made._shared = False
            made._data = bytearray(length)
            return made
        made._fd, length = _open_file(fileno, length, offset, made._shared)
        data = bytearray(length)
        done = 0
        while done < length:
            part = os.pread(made._fd, min(_CHUNK, length - done), offset + done)
            if not part:
                break
            data[done : done + len(part)] = part
            done += len(part)
        made._data = data
        return made

    def _open(self) -> bytearray:
        if self._data is None:
            raise ValueError("mmap closed or invalid")
        return self._data

    def _writable(self) -> bytearray:
        data = self._open()
        if self._access == ACCESS_READ:
            raise TypeError("mmap can't modify a readonly memory map.")
        return data

    def _write_back(self, start: int, stop: int) -> None:
        if self._shared:
            with memoryview(self._data) as view:
                while start < stop:
                    start += os.pwrite(self._fd, view[start : min(stop, start + _CHUNK)], self._offset + start)

    def __buffer__(self, flags):
        data = self._open()
        view = memoryview(data)
        if self._access == ACCESS_READ:
            if flags & 1:  # PyBUF_WRITABLE
                raise BufferError("Object is not writable.")
            view = view.toreadonly()
        self._exports += 1
        return view

    def __release_buffer__(self, view):
        self._exports -= 1
        writable = not view.readonly
        view.release()
        if writable and self._data is not None:
            self._write_back(0, len(self._data))

    def __len__(self):
        return len(self._open())

    def __getitem__(self, key):
        self._open()
        if isinstance(key, slice):
            places = range(*key.indices(len(self)))  # which may close the map
            data = self._open()
            return bytes(data[place] for place in places) if places.step != 1 else bytes(data[places.start : places.stop])
        place = self._place(key)
        return self._open()[place]

    def _place(self, key) -> int:
        place = _index(key)  # which may close the map
        length = len(self)
        if place < 0:
            place += length
        if not 0 <= place < length:
            raise IndexError("mmap index out of range")
        return place

    def __setitem__(self, key, value):
        data = self._writable()
        if not isinstance(key, slice):
            place = self._place(key)
            if not hasattr(value, "__index__"):
                raise TypeError("mmap item value must be an int")
            value = _index(value)
            if not 0 <= value < 256:
                raise ValueError("mmap item value must be in range(0, 256)")
            data = self._open()
            data[place] = value
            self._write_back(place, place + 1)
            return
        places = range(*key.indices(len(data)))  # which may close the map
        value = bytes(memoryview(value))
        data = self._open()
        if len(value) != len(places):
            raise IndexError("mmap slice assignment is wrong size")
        if not places:
            return
        with memoryview(data) as view:
            view[key] = value
        self._write_back(min(places[0], places[-1]), max(places[0], places[-1]) + 1)

    def __iter__(self):
        data = self._open()
        return (bytes(data[place : place + 1]) for place in range(len(data)))

    def __enter__(self):
        self._open()
        return self

    def __exit__(self, *exception):
        self.close()

    def __repr__(self):
        name = type(self).__module__ + "." + type(self).__qualname__
        if self._data is None:
            return "<%s closed=True>" % name
        access = ("ACCESS_DEFAULT", "ACCESS_READ", "ACCESS_WRITE", "ACCESS_COPY")[self._access]
        return "<%s closed=False, access=%s, length=%d, pos=%d, offset=%d>" % (
            name, access, len(self._data), self._position, self._offset,
        )  # fmt: skip

    @property
    def closed(self):
        """Whether the map is closed."""
        return self._data is None

    def close(self):
        """Close the map. Raise BufferError if a buffer of it is in use."""
        if self._exports:
            raise BufferError("cannot close exported pointers exist")
        self._data = None
        fd, self._fd = self._fd, -1
        if fd != -1:
            os.close(fd)

    def __del__(self):
        fd, self._fd = getattr(self, "_fd", -1), -1
        if fd != -1:
            try:
                os.close(fd)
            except OSError:
                pass  # of another run

    def find(self, sub, start=None, end=None):
        """Return the lowest place of a text, from the current position on unless start is given; -1 if there is none."""
        start, end = _optional(start), _optional(end)
        data = self._open()
        return data.find(sub, self._position if start is None else start, len(data) if end is None else end)

    def rfind(self, sub, start=None, end=None):
        """Return the highest place of a text, from the current position on unless start is given; -1 if there is none."""
        start, end = _optional(start), _optional(end)
        data = self._open()
        return data.rfind(sub, self._position if start is None else start, len(data) if end is None else end)

    def flush(self, offset=0, size=None):
        """Write the map, or a part of it, to its file."""
        offset, size = _index(offset), _optional(size)
        data = self._open()
        size = len(data) - offset if size is None else size
        if size < 0 or offset < 0 or len(data) - offset < size:
            raise ValueError("flush values out of range")
        if offset % PAGESIZE:
            raise _fail(errno.EINVAL)
        self._write_back(offset, offset + size)

    def madvise(self, option, start=0, length=None):
        """Do nothing: the advice is about pages."""
        option, start, length = _index(option), _index(start), _optional(length)
        data = self._open()
        if start < 0 or start >= len(data):
            raise ValueError("madvise start out of bounds")
        if length is not None and length < 0:
            raise ValueError("madvise length invalid")
        if length is not None and length > sys.maxsize - start:
            raise OverflowError("madvise length too large")

    def move(self, dest, src, count):
        """Copy count bytes within the map."""
        dest, src, count = _index(dest), _index(src), _index(count)
        data = self._writable()
        if dest < 0 or src < 0 or count < 0 or len(data) - dest < count or len(data) - src < count:
            raise ValueError("source, destination, or count out of range")
        data[dest : dest + count] = data[src : src + count]
        self._write_back(dest, dest + count)

    def read(self, n=None):
        """Return up to n bytes from the current position on, all if n is None or negative."""
        n = _optional(n)
        data = self._open()
        left = max(len(data) - self._position, 0)
        n = left if n is None or n < 0 else min(n, left)
        found = bytes(data[self._position : self._position + n])
        self._position += n
        return found

    def read_byte(self):
        """Return the byte at the current position as a number."""
        data = self._open()
        if self._position >= len(data):
            raise ValueError("read byte out of range")
        self._position += 1
        return data[self._position - 1]

    def readline(self):
        """Return the bytes from the current position to the end of the line."""
        data = self._open()
        end = data.find(b"\n", self._position) + 1 or len(data)
        return self.read(max(end - self._position, 0))

    def resize(self, newsize):
        """Change the length of the map and of its file."""
        newsize = _index(newsize)
        data = self._open()
        if self._exports:
            raise BufferError("mmap can't resize with extant buffers exported.")
        if self._access not in (ACCESS_DEFAULT, ACCESS_WRITE):
            raise TypeError("mmap can't resize a readonly or copy-on-write memory map.")
        if not self._tracks:
            raise ValueError("can't resize with trackfd=False.")
        if newsize < 0:
            raise ValueError("new size out of range")
        if newsize == 0:
            raise _fail(errno.EINVAL)
        if self._shared:
            os.ftruncate(self._fd, self._offset + newsize)
        if newsize < len(data):
            del data[newsize:]
        else:
            data.extend(bytes(newsize - len(data)))

    def seek(self, pos, whence=os.SEEK_SET):
        """Change the current position and return it."""
        pos, whence = _index(pos), _index(whence)
        data = self._open()
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError("unknown seek type")
        pos += (0, self._position, len(data))[whence]
        if not 0 <= pos <= len(data):
            raise ValueError("seek out of range")
        self._position = pos
        return pos

    def seekable(self):
        """Return True."""
        return True

    def size(self):
        """Return the length of the file, which may be greater than that of the map."""
        data = self._open()
        if not self._tracks:
            raise _fail(errno.EBADF)
        return len(data) if self._fd == -1 else os.fstat(self._fd).st_size

    def tell(self):
        """Return the current position."""
        self._open()
        return self._position

    def write(self, data):
        """Write bytes at the current position, behind which they end, and return their number."""
        content = bytes(memoryview(data))
        own = self._writable()
        if len(own) - self._position < len(content):
            raise ValueError("data out of range")
        with memoryview(own) as view:
            view[self._position : self._position + len(content)] = content
        self._write_back(self._position, self._position + len(content))
        self._position += len(content)
        return len(content)

    def write_byte(self, byte):
        """Write a byte, given as a number, at the current position."""
        byte = _index(byte)
        own = self._writable()
        if not 0 <= byte < 256:
            raise OverflowError("unsigned byte integer is greater than maximum")
        if self._position >= len(own):
            raise ValueError("write byte out of range")
        own[self._position] = byte
        self._write_back(self._position, self._position + 1)
        self._position += 1
