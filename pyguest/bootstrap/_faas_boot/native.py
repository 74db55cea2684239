"""Packages of a bundle that need machine code, and what to use instead.

The extension modules of a package are left out of a bundle, or are there and cannot be loaded.
Most packages do without: they have the same in Python. One that does not fails to import, and
`explain` finds which package that is.
"""

from __future__ import annotations

import os
import sys

FOLDER = "/function"

MAX_FRAMES = 1000  # of an exception that are looked at
MAX_CHAIN = 20  # causes and contexts of an exception that are looked at
MAX_PACKAGES = 2000  # of a bundle that are looked at
MAX_RECORDS = 16_000_000  # characters of the lists of the packages' files that are read
_LIBRARIES = (".so", ".pyd", ".dylib")

# What packages that need machine code, or build on some that do, have as their alternative, by the name of
# the package, or of its module.
ALTERNATIVES = {
    "anthropic": "requests to the HTTP interface of the service",
    "asyncpg": "pg8000",
    "bcrypt": "hashlib.scrypt",
    "brotli": "zlib, bz2 or lzma",
    "cffi": "a package without C code",
    "confluent-kafka": "kafka-python",
    "contourpy": "pygal, which writes SVG",
    "cryptography": "hashlib, hmac and secrets, or rsa and pyjwt with HMAC",
    "duckdb": "sqlite3",
    "fastapi": "starlette, or flask",
    "fastavro": "avro",
    "fastparquet": "csv or json",
    "fastuuid": "uuid",
    "gevent": "asyncio",
    "greenlet": "asyncio",
    "grpcio": "requests to an HTTP interface of the service",
    "hiredis": "redis, which does without it",
    "httptools": "h11",
    "jellyfish": "difflib",
    "jiter": "json",
    "jsonschema": "jsonschema<4.18",
    "kiwisolver": "pygal, which writes SVG",
    "levenshtein": "difflib",
    "lxml": "xml.etree.ElementTree, or beautifulsoup4 with html.parser",
    "matplotlib": "pygal, which writes SVG",
    "msgspec": "json with marshmallow or jsonschema",
    "mysqlclient": "pymysql",
    "numpy": "math, statistics and array",
    "openai": "requests to the HTTP interface of the service",
    "orjson": "json",
    "ormsgpack": "msgpack",
    "pandas": "csv, sqlite3 and statistics",
    "pillow": "a service for images, or pypng",
    "polars": "csv, sqlite3 and statistics",
    "psutil": "os, resource and time",
    "psycopg-binary": "pg8000",
    "psycopg-c": "pg8000",
    "psycopg2": "pg8000",
    "psycopg2-binary": "pg8000",
    "pyarrow": "csv or json",
    "pycryptodome": "hashlib, hmac and secrets",
    "pydantic": "pydantic<2, or marshmallow",
    "pydantic-core": "pydantic<2, or marshmallow",
    "pymssql": "python-tds",
    "pynacl": "hashlib, hmac and secrets",
    "pyodbc": "pg8000 or pymysql",
    "python-snappy": "zlib, bz2 or lzma",
    "rapidfuzz": "difflib",
    "regex": "re",
    "rpds-py": "jsonschema<4.18",
    "ruamel-yaml-clib": "ruamel.yaml, which does without it",
    "scikit-learn": "math and statistics",
    "scipy": "math and statistics",
    "simdjson": "json",
    "sklearn": "math and statistics",
    "tiktoken": "a service that counts tokens",
    "tokenizers": "a service that counts tokens",
    "ujson": "json",
    "uuid-utils": "uuid",
    "uvloop": "asyncio",
    "watchfiles": "os.stat",
    "xxhash": "hashlib.blake2b or zlib.crc32",
    "zstandard": "zlib, bz2 or lzma",
}

NATIVE = "needs native code, and a function runs Python only"


def explain(error: BaseException) -> str:
    """Return the message for an exception because a package needs machine code, or an empty text.

    Such a package fails to import a module, or refuses the platform by its name.
    """
    records = _records()
    if not isinstance(error, ImportError):
        return _explain_refusal(error, records)
    seen = 0
    current: BaseException | None = error
    while current is not None and seen < MAX_CHAIN:
        seen += 1
        if isinstance(current, ImportError):
            for module in _modules(current):
                package = _package_of(module, records)
                if package:
                    return "the module %s is missing: the package %s %s: %s" % (
                        module[:200], package, NATIVE, _advice(package, error)
                    )  # fmt: skip
        current = current.__cause__ or current.__context__
    return ""


def is_refusal(error: BaseException) -> bool:
    """Return whether an exception may be that of a package that refuses the platform."""
    return isinstance(error, (NotImplementedError, OSError, RuntimeError)) and sys.platform in str(error)


def _explain_refusal(error: BaseException, records: list[tuple[str, str]]) -> str:
    if not is_refusal(error):
        return ""
    for module in reversed(_importing(error)):
        for package, record in records:
            if record.find("\n%s/" % module) >= 0 and any(library in record for library in (".so,", ".pyd,", ".dylib,")):
                return "%s: the package %s %s: %s" % (str(error)[:200], package, NATIVE, _advice(package, error))
    return ""


def _importing(error: BaseException) -> list[str]:
    """Return the top modules of the bundle that were being imported, the outermost first."""
    found = []
    traceback = error.__traceback__
    for _ in range(MAX_FRAMES):
        if traceback is None:
            break
        code = traceback.tb_frame.f_code
        if code.co_name == "<module>" and code.co_filename.startswith(FOLDER + "/"):
            top = code.co_filename[len(FOLDER) + 1 :].partition("/")[0].removesuffix(".py")
            if top not in found:
                found.append(top)
        traceback = traceback.tb_next
    return found


def _modules(error: ImportError) -> list[str]:
    """Return the names of the modules that an import may have looked for."""
    name = error.name
    if type(name) is not str:
        return []
    inner = getattr(error, "name_from", None)
    return [name + "." + inner, name] if type(inner) is str else [name]


def _advice(package: str, error: BaseException) -> str:
    """Return what to use, rather for the package that the code imports than for what that needs."""
    for module in _importing(error):
        use = ALTERNATIVES.get(_normal(module))
        if use:
            own = _normal(module) in (_normal(package), use.partition("<")[0])
            return "use " + use if own else "use %s, instead of %s" % (use, module)
    use = ALTERNATIVES.get(_normal(package))
    return "use " + use if use else "use a package that is pure Python"


def _normal(package: str) -> str:
    """Return a name as PyPI compares it."""
    return package.lower().replace("_", "-").replace(".", "-")


def _package_of(module: str, records: list[tuple[str, str]]) -> str:
    """Return the package whose file a module would be, if that is machine code; empty if it is not."""
    path = module.replace(".", "/")
    if "/" in module or len(path) > 1000:
        return ""
    for package, record in records:
        if _is_library(path, record):
            return package
    folder, _, stem = ("/" + path).rpartition("/")
    try:
        names = os.listdir(FOLDER + folder)
    except OSError:
        return ""
    if any(name.startswith(stem + ".") and name.endswith(_LIBRARIES) for name in names):
        return module.partition(".")[0]
    return ""


def _records() -> list[tuple[str, str]]:
    """Return the packages that the bundle has, each with the list of its files."""
    found = []
    left = MAX_RECORDS
    for name in sorted(os.listdir(FOLDER))[:MAX_PACKAGES * 10]:
        if name.endswith(".dist-info") and len(found) < MAX_PACKAGES:
            try:
                with open("%s/%s/RECORD" % (FOLDER, name), encoding="utf-8", errors="replace") as file:
                    record = file.read(left)
                left -= len(record)
                found.append((name.partition("-")[0].replace("_", "-"), "\n" + record))
            except OSError:
                pass  # a package that was copied without it
    return found


def _is_library(path: str, record: str) -> bool:
    """Return whether a list of files has a library for the module at a path, or in a folder of that name."""
    for beginning in ("\n%s." % path, "\n%s/" % path):
        at = record.find(beginning)
        while at >= 0:
            line = record[at + 1 : at + 2000].partition("\n")[0]
            if line.partition(",")[0].strip('"').endswith(_LIBRARIES):
                return True
            at = record.find(beginning, at + 1)
    return False
