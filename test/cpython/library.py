"""Imports and exercises modules of the standard library: the function of TestLibrary."""

import importlib
import sys
import textwrap


def exercise(name, body):
    """Return the outcome for a module: "absent", "passes", or what went wrong."""
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return "absent" if not body else "the import fails: %s" % error
    if not body:
        return "it can be imported"
    space = {}
    try:
        exec("def check(m):\n" + textwrap.indent(body, " "), space)
        return "passes" if space["check"](module) is True else "it does not return True"
    except BaseException as error:
        return "%s: %s" % (type(error).__name__, error)


def main(args, context):
    listed = {name.partition(".")[0] for name, _ in args["modules"]}
    return {
        "outcomes": [exercise(name, body) for name, body in args["modules"]],
        "missing": sorted(name for name in sys.stdlib_module_names if name[0] != "_" and name not in listed),
    }
