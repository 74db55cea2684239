import io
import os
import tempfile
import zipfile

import fsspec
from fsspec.implementations.cached import SimpleCacheFileSystem


def main(args, context):
    memory = fsspec.filesystem("memory")
    memory.pipe({"/data/a.txt": b"one\ntwo\n", "/data/sub/b.csv": b"x,y\n1,2\n", "/data/c.bin": bytes(range(10))})
    with fsspec.open("memory://data/a.txt.gz", "wt", compression="gzip") as file:
        file.write("packed")
    with fsspec.open("memory://data/a.txt.gz", "rt", compression="infer") as file:
        packed = file.read()
    parts = [memory.cat_file("/data/c.bin", 2, 5).hex(), memory.head("/data/a.txt", 3).decode(), memory.size("/data/c.bin")]
    folder = tempfile.mkdtemp()
    local = fsspec.filesystem("local")
    memory.get("/data", folder + "/copy", recursive=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("in/one.txt", "1")
        file.writestr("two.txt", "22")
    memory.pipe("/z.zip", archive.getvalue())
    zipped = fsspec.filesystem("zip", fo="memory://z.zip")
    cached = SimpleCacheFileSystem(fs=memory, cache_storage=folder + "/cache")
    mapper = fsspec.get_mapper("memory://map")
    mapper["k/1"] = b"v"
    try:
        memory.open("/none")
        missing = ""
    except FileNotFoundError as error:
        missing = type(error).__name__
    return [
        packed, parts, memory.glob("/data/**/*.csv"), sorted(memory.find("/data")), memory.du("/data"),
        sorted(os.path.relpath(path, folder) for path in local.find(folder)), zipped.find(""), zipped.cat("in/one.txt").decode(),
        cached.cat("/data/a.txt").decode(), sorted(mapper), missing, fsspec.core.split_protocol("s3://b/k"),
        [file.path for file in fsspec.open_files("memory://data/*.txt")],
    ]
