"""Packages of a bundle that need machine code, and what to use instead.

The extension modules of a package are left out of a bundle, or are there and cannot be loaded.
Most packages do without: they have the same in Python. One that does not fails to import, and
`explain` finds which package that is.
"""

from __future__ import annotations

import os

FOLDER = "/function"

MAX_CHAIN = 20  # causes and contexts of an exception that are looked at
MAX_PACKAGES = 2000  # of a bundle that are looked at
MAX_RECORDS = 16_000_000  # characters of the lists of the packages' files that are read
_LIBRARIES = (".so", ".pyd", ".dylib")

# What packages that need machine code have as their alternative, by the name of the package.
ALTERNATIVES = {
    "asyncpg": "pg8000",
    "bcrypt": "hashlib.scrypt",
    "brotli": "zlib, bz2 or lzma",
    "cffi": "a package without C code",
    "confluent-kafka": "kafka-python",
    "cryptography": "hashlib, hmac and secrets, or rsa and pyjwt with HMAC",
    "duckdb": "sqlite3",
    "fastavro": "avro",
    "fastparquet": "csv or json",
    "gevent": "asyncio",
    "greenlet": "asyncio",
    "grpcio": "requests to an HTTP interface of the service",
    "hiredis": "redis, which does without it",
    "httptools": "h11",
    "jellyfish": "difflib",
    "levenshtein": "difflib",
    "lxml": "xml.etree.ElementTree, or beautifulsoup4 with html.parser",
    "matplotlib": "pygal, which writes SVG",
    "msgspec": "json with marshmallow or jsonschema",
    "mysqlclient": "pymysql",
    "numpy": "math, statistics and array",
    "orjson": "json",
    "pandas": "csv, sqlite3 and statistics",
    "pillow": "a service for images, or pypng",
    "polars": "csv, sqlite3 and statistics",
    "psycopg-binary": "pg8000",
    "psycopg-c": "pg8000",
    "psycopg2": "pg8000",
    "psycopg2-binary": "pg8000",
    "pyarrow": "csv or json",
    "pycryptodome": "hashlib, hmac and secrets",
    "pydantic-core": "pydantic<2, or marshmallow",
    "pymssql": "python-tds",
    "pynacl": "hashlib, hmac and secrets",
    "pyodbc": "pg8000 or pymysql",
    "python-snappy": "zlib, bz2 or lzma",
    "rapidfuzz": "difflib",
    "regex": "re",
    "rpds-py": "jsonschema<4.18",
    "ruamel-yaml-clib": "ruamel.yaml, which does without it",
    "scipy": "math and statistics",
    "simdjson": "json",
    "tiktoken": "a service that counts tokens",
    "tokenizers": "a service that counts tokens",
    "ujson": "json",
    "uvloop": "asyncio",
    "watchfiles": "os.stat",
    "zstandard": "zlib, bz2 or lzma",
}

NATIVE = "needs native code, and a function runs Python only"


def explain(error: BaseException) -> str:
    """Return the message for an import that failed because a package needs machine code, or an empty text."""
    records = _records()
    seen = 0
    current: BaseException | None = error
    while current is not None and seen < MAX_CHAIN:
        seen += 1
        if isinstance(current, ImportError):
            for module in _modules(current):
                package = _package_of(module, records)
                if package:
                    return "the module %s is missing: the package %s %s: %s" % (
                        module[:200], package, NATIVE, _advice(package)
                    )  # fmt: skip
        current = current.__cause__ or current.__context__
    return ""


def _modules(error: ImportError) -> list[str]:
    """Return the names of the modules that an import may have looked for."""
    name = error.name
    if type(name) is not str:
        return []
    inner = getattr(error, "name_from", None)
    return [name + "." + inner, name] if type(inner) is str else [name]


def _advice(package: str) -> str:
    use = ALTERNATIVES.get(package.lower().replace("_", "-").replace(".", "-"))  # as PyPI compares names
    return "use " + use if use else "use a package that is pure Python"


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
    """Return whether a list of files has a library for the module at a path."""
    at = record.find("\n%s." % path)
    while at >= 0:
        line = record[at + 1 : at + 2000].partition("\n")[0]
        if line.partition(",")[0].strip('"').endswith(_LIBRARIES):
            return True
        at = record.find("\n%s." % path, at + 1)
    return False
