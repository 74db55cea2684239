#!/usr/bin/env python3
"""Pin the most downloaded packages of PyPI and what they depend on: lock_top.py.

Reads the names in top300.txt, and writes them back with their newest versions for CPython 3.13 on
Linux and the hashes of the files that an installer chooses. top300-needs.txt gets the dependencies.
Each package is resolved separately, as in a project that needs this package alone, so that
dependencies may be there in several versions. A line that ends with "# sdist" has no wheel.

Needs Python 3.11 or newer with pip, uv, and a Python 3.13 that uv finds: UV_PYTHON gives it.
"""

from __future__ import annotations

import concurrent.futures
import pathlib
import subprocess
import sys
import tomllib

from pip._vendor.packaging import tags, utils

FOLDER = pathlib.Path(__file__).parent
LIST = FOLDER / "top300.txt"
NEEDS = FOLDER / "top300-needs.txt"

# The tags that uv installs for "fas deploy", the preferred first.
PLATFORMS = [
    "manylinux_2_%d_x86_64" % minor for minor in range(28, 4, -1)
] + ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
TAGS = {
    tag: rank
    for rank, tag in enumerate(
        [
            *tags.cpython_tags((3, 13), ["cp313"], PLATFORMS),
            *tags.compatible_tags((3, 13), "cp313", PLATFORMS),
        ]
    )
}

PARALLEL = 8
TIMEOUT = 120  # seconds for one package


def resolve(name: str) -> list[dict]:
    """Return the distributions that a project gets that needs a package."""
    command = [
        "uv", "pip", "compile", "-", "--quiet", "--no-config", "--format", "pylock.toml",
        "--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_28",
    ]  # fmt: skip
    done = subprocess.run(
        command, input=name, capture_output=True, text=True, timeout=TIMEOUT
    )
    if done.returncode != 0:
        sys.exit(f"uv cannot resolve {name}: {done.stderr}")
    return tomllib.loads(done.stdout)["packages"]


def line(package: dict) -> str:
    """Return the line of a distribution: with the hash of the wheel that is installed, else of the sdist."""
    ranked = []
    for wheel in package.get("wheels", []):
        file = wheel.get("name") or wheel["url"].rpartition("/")[2]
        ranks = [TAGS[tag] for tag in utils.parse_wheel_filename(file)[3] if tag in TAGS]
        if ranks:
            ranked.append((min(ranks), wheel))
    pinned = f"{package['name']}=={package['version']} --hash=sha256:"
    if ranked:
        return pinned + min(ranked, key=lambda r: r[0])[1]["hashes"]["sha256"]
    return pinned + package["sdist"]["hashes"]["sha256"] + " # sdist"


def main() -> None:
    lines = LIST.read_text().splitlines()
    comments = [text for text in lines if text.startswith("#")]
    names = [text.partition("==")[0] for text in lines if text and text[0] != "#"]
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        resolved = list(pool.map(resolve, names))
    listed, needs = [], set()
    for name, packages in zip(names, resolved, strict=True):
        for package in packages:
            if package["name"] == name:
                listed.append(line(package))
            else:
                needs.add(line(package))
    LIST.write_text("\n".join(comments + listed) + "\n")
    about = "# What the packages of top300.txt depend on: written by lock_top.py."
    NEEDS.write_text("\n".join([about, *sorted(needs - set(listed))]) + "\n")


if __name__ == "__main__":
    main()
