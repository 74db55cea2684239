"""Raises an exception class of the standard library with its module's name."""
import json


def main(args, context):
    return json.loads('{"a": 1,\n "b": }')
