"""A store of JSON documents in files: atomic writes, listings, locks, quotas and recovery."""
# args: {"documents": {"a": {"n": 1}, "b/c": {"text": "é"}, "b/d": [1, 2]}}
import errno
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path


class Conflict(Exception):
    pass


class Store:
    def __init__(self, root, quota=400):
        self.root, self.quota = Path(root), quota

    def path(self, key):
        path = (self.root / key).with_suffix(".json")
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise ValueError(f"key {key!r} leaves the store")
        return path

    def put(self, key, value, etag=None):
        path, data = self.path(key), json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
        if etag is not None and self.etag(key) != etag:
            raise Conflict(f"{key} has changed")
        if self.used() + len(data) > self.quota:
            raise OSError(errno.ENOSPC, "quota exceeded", key)
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
        try:
            with os.fdopen(fd, "wb") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
        return self.etag(key)

    def get(self, key):
        try:
            return json.loads(self.path(key).read_bytes())
        except FileNotFoundError:
            raise KeyError(key) from None

    def etag(self, key):
        return hashlib.md5(self.path(key).read_bytes()).hexdigest()[:8]

    def keys(self):
        return sorted(str(p.relative_to(self.root).with_suffix("")) for p in self.root.rglob("*.json") if not p.name.startswith("."))

    def used(self):
        return sum(p.stat().st_size for p in self.root.rglob("*") if p.is_file())


def attempt(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main(args, context):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        etags = {k: store.put(k, v) for k, v in args["documents"].items()}
        out = {"etags": etags, "keys": store.keys(), "get": [store.get("b/c"), attempt(store.get, "zz")], "update": [store.put("a", {"n": 2}, etags["a"]), attempt(store.put, "a", {}, etags["a"])], "escape": attempt(store.put, "../x", 1), "quota": type(attempt(store.put, "big", "x" * 500)).__name__, "used": store.used(), "left": [p.name for p in Path(folder).rglob(".tmp*")]}
        (Path(folder) / "bad.json").write_text("{")
        out["bad"] = attempt(store.get, "bad")
        out["archive"] = os.path.basename(shutil.make_archive(os.path.join(folder, "all"), "zip", folder, "b"))
        shutil.unpack_archive(os.path.join(folder, "all.zip"), os.path.join(folder, "copy"))
        out["copied"] = sorted(str(p.relative_to(folder)) for p in Path(folder, "copy").rglob("*.json"))
        out["formats"] = [n for n, _ in shutil.get_archive_formats()]
        shutil.rmtree(Path(folder) / "b")
        out["after"] = store.keys()
        out["ignored"] = shutil.rmtree(Path(folder) / "none", ignore_errors=True)
        out["copyfile"] = [attempt(shutil.copyfile, Path(folder) / "a.json", Path(folder) / "a.json").replace(folder, "DIR"), os.path.basename(shutil.copy(Path(folder) / "a.json", Path(folder) / "copy")), os.path.basename(shutil.copy2(Path(folder) / "a.json", Path(folder) / "z.json"))]
    return out
