"""What of the standard library is imported before any function is.

A preloaded module costs a run nothing: its pages are shared by all runs until
one writes to them. Importing it costs the server's start a few milliseconds,
once. A function that imports another module pays when it is deployed.
"""

from __future__ import annotations

import importlib

MODULES = (
    # Data types and algorithms.
    "array abc bisect calendar collections collections.abc copy dataclasses datetime decimal "
    "enum fractions functools graphlib heapq itertools math numbers operator queue random "
    "reprlib statistics types typing weakref cmath "
    # Text.
    "codecs difflib gettext locale pprint re string stringprep textwrap unicodedata "
    "encodings.ascii encodings.latin_1 encodings.utf_16 encodings.utf_8_sig encodings.idna encodings.punycode "
    # Data formats.
    "base64 binascii configparser csv json plistlib quopri struct tomllib pickle marshal "
    "html html.entities html.parser xml.etree.ElementTree xml.sax.saxutils "
    # Compression and archives.
    "bz2 gzip lzma tarfile zipfile zlib "
    # Digests and secrets.
    "hashlib hmac secrets uuid "
    # Files.
    "fnmatch glob io os os.path pathlib shutil stat tempfile fileinput "
    # Programs and debugging.
    "argparse ast atexit contextlib contextvars copyreg getpass inspect keyword linecache logging logging.handlers "
    "platform shlex string sys time timeit token tokenize traceback warnings "
    "importlib.resources importlib.metadata pkgutil "
    # The network's formats (there is no network).
    "email email.message email.parser email.policy email.utils email.mime.text email.mime.multipart "
    "http http.cookies ipaddress mimetypes urllib.error urllib.parse urllib.request http.client "
    # Concurrency that works on one thread.
    "asyncio concurrent.futures sched threading "
    # Databases.
    "sqlite3 "
    # Time zones.
    "zoneinfo "
    "faas"
).split()


def import_all() -> None:
    """Import all of MODULES. One that this build lacks is a bug and raises."""
    for name in MODULES:
        importlib.import_module(name)
