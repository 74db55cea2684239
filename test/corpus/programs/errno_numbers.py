"""Numbers and texts of errors, as programs compare them and print them."""
import errno
import os


def raised(function):
    try:
        function()
    except OSError as error:
        return [type(error).__name__, error.errno, errno.errorcode.get(error.errno), error.strerror]


NAMES = "EPERM ENOENT EINTR EIO EBADF EAGAIN ENOMEM EACCES EEXIST EXDEV ENOTDIR EISDIR EINVAL EMFILE EFBIG ENOSPC ESPIPE EROFS EPIPE EDOM ERANGE ENAMETOOLONG ENOTEMPTY ELOOP ENOSYS ETIMEDOUT ECONNREFUSED ECONNRESET EADDRINUSE EOVERFLOW EOPNOTSUPP ENOTSUP EWOULDBLOCK EINPROGRESS EHOSTUNREACH EILSEQ ENOTSOCK".split()


def main(args, context):
    return {
        "numbers": {n: getattr(errno, n, None) for n in NAMES}, "texts": {n: os.strerror(getattr(errno, n)) for n in NAMES if hasattr(errno, n)}, "classes": {n: type(OSError(getattr(errno, n), "x")).__name__ for n in NAMES if hasattr(errno, n)}, "plain": [repr(OSError(n, "text")) for n in (1, 2, 11, 13, 17, 20, 21, 32, 110, 111)],
        "raised": [raised(f) for f in (lambda: open("/none"), lambda: os.mkdir("/tmp"), lambda: open("/tmp"), lambda: os.listdir("/none"), lambda: os.close(999), lambda: os.lseek(999, 0, 0), lambda: os.stat(""), lambda: os.rename("/tmp/none", "/tmp/x"), lambda: open("/tmp/" + "n" * 256, "w"), lambda: os.unlink("/tmp"), lambda: os.read(77, 1))], "unknown": [os.strerror(9999), str(OSError("only text")), str(OSError()), repr(OSError(1, "a", "b"))],
    }
