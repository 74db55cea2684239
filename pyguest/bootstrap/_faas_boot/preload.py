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
    "html html.entities html.parser xml.etree.ElementTree "
    # Compression and archives.
    "bz2 gzip lzma tarfile zipfile zlib "
    # Digests and secrets.
    "hashlib hmac secrets uuid "
    # Files.
    "fnmatch glob io os os.path pathlib shutil stat tempfile "
    # Programs and debugging.
    "argparse ast contextlib contextvars copyreg inspect keyword linecache logging "
    "shlex sys time token tokenize traceback warnings importlib.resources pkgutil "
    # The network's formats (there is no network, so its clients are left out).
    "email email.message email.parser email.utils email.mime.text email.mime.multipart "
    "http http.cookies mimetypes urllib.error urllib.parse "
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
