"""The failure is raised in the standard library, called back from a sort and a parser."""
import json
import re


def hook(pairs):
    return {k: re.sub(r"(\d+)", lambda m: str(10 // int(m[0])), v) for k, v in pairs}


def main(args, context):
    return json.loads('{"a": "x5", "b": "y0"}', object_pairs_hook=hook)
