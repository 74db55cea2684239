"""A file is missing; the error has a name of a file."""
from pathlib import Path


def read(name):
    with Path("/tmp/settings", name).open() as file:
        return file.read()


def main(args, context):
    return read("app.ini")
