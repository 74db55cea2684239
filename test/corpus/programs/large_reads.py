"""Reads more bytes than files have, by position, and files by the names of their descriptors."""
import gzip
import io
import os


def attempt(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    path = "/tmp/data"
    content = bytes(range(256)) * 1000
    with open(path, "wb") as file:
        file.write(content)
    with gzip.open(path + ".gz", "wb") as file:
        file.write(content)
    found = {}
    for size in (300_000, 2**31 - 1, 2**32):
        with open(path, "rb") as whole, open(path, "rb", 0) as raw, open(path, encoding="latin-1", newline="") as text, open(path, "r+b") as both:
            whole.read(10)
            both.write(b"abc")
            found[str(size)] = [
                len(whole.read(size)), len(raw.read(size)), len(text.read(size)), len(both.read(size)), whole.read(size).hex(),
                len(os.read(os.open(path, os.O_RDONLY), size)), len(os.pread(raw.fileno(), size, 255_000)),
                len(gzip.open(path + ".gz").read(size)), len(io.BytesIO(content).read(size)), len(io.StringIO("abc").read(size)),
                open("/dev/null", "rb").read(size).hex(), len(open(path, "rb").read1(size)) > 0, len(open(path, "rb").readline(size)),
            ]  # fmt: skip
    with open(path, "w+b") as file:
        name = "/dev/fd/%d" % file.fileno()
        file.write(b"0123456789")
        file.flush()
        found["descriptor"] = [
            open(name, "rb").read().decode(), os.path.exists(name), os.stat(name).st_size, os.path.samefile(name, path),
            attempt(lambda: open(name, "ab").write(b"x")), file.read().decode(), attempt(os.listdir, name).partition("'")[0],
        ]  # fmt: skip
        os.remove(path)
        found["removed"] = [open(name, "rb").read().decode(), os.path.exists(path)]
    found["closed"] = [os.path.exists(name), attempt(open, "/dev/fd/999"), attempt(open, "/dev/fd/x"), os.path.exists("/dev/fd/1")]
    zero, null = os.open("/dev/zero", os.O_RDWR), os.open("/dev/null", os.O_RDWR)
    found["devices"] = [os.pread(zero, 4, 7).hex(), os.pread(null, 4, 0).hex(), os.pwrite(zero, b"ab", 3), os.pwrite(null, b"ab", 0), len(os.pread(os.open("/dev/urandom", os.O_RDONLY), 5, 1))]
    modes = []
    for mask in (0o077, 0o000, 0o027, 0o022):
        os.umask(mask)
        folder = "/tmp/mask%o" % mask
        os.mkdir(folder)
        os.symlink("target", folder + "/link")
        for name, make in (("open", lambda p: open(p, "w").close()), ("link", lambda p: open(p, "w").close()), ("low", lambda p: os.close(os.open(p, os.O_CREAT | os.O_WRONLY))), ("own", lambda p: os.close(os.open(p, os.O_CREAT | os.O_WRONLY, 0o640)))):
            make(folder + "/" + name)
            modes.append(oct(os.stat(folder + "/" + name).st_mode))
        modes.append(oct(os.stat(folder).st_mode))
    return found | {"modes": modes}
