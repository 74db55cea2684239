"""The modules of the standard library that are imported before any function.

A preloaded module costs a run nothing: its pages are shared by all runs until
one writes to them. Importing it costs a few milliseconds at every start of the
server, so rarely used modules are omitted: a function that imports another
module pays for it once, when it is deployed.
"""

from __future__ import annotations

import codecs
import importlib
import urllib.parse

MODULES = (
    # Data types and algorithms.
    "array abc bisect collections collections.abc copy dataclasses datetime decimal "
    "enum fractions functools graphlib heapq itertools math numbers operator random "
    "reprlib statistics types typing weakref cmath "
    # Text.
    "codecs pprint re string textwrap unicodedata "
    "encodings.ascii encodings.idna encodings.latin_1 encodings.utf_16 encodings.utf_8_sig "
    # Data formats.
    "base64 binascii csv json pickle marshal struct xml.etree.ElementTree "
    # Compression and archives.
    "bz2 gzip lzma zipfile zlib "
    # Digests and secrets.
    "hashlib hmac secrets uuid "
    # Files.
    "fnmatch glob io os os.path pathlib shutil stat tempfile "
    # Programs and debugging.
    "ast contextlib contextvars copyreg inspect keyword linecache logging shlex sys time "
    "token tokenize traceback warnings "
    # Addresses.
    "urllib.error urllib.parse "
    # Concurrency that works on one thread.
    "asyncio concurrent.futures concurrent.futures.thread queue threading "
    # Databases.
    "sqlite3 "
    # Time zones.
    "zoneinfo "
    "faas"
).split()


def import_all() -> None:
    """Import all MODULES. A module that this build lacks is a bug and raises."""
    for name in MODULES:
        importlib.import_module(name)
    # What the first request of a run would do: find the codec of host names, and compile expressions.
    codecs.lookup("idna")
    for split in (urllib.parse._splittype, urllib.parse._splithost, urllib.parse._splitport):
        split("")
