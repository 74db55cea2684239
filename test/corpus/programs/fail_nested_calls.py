"""Fails in nested calls whose failing parts are in the middle of lines."""
def inner(d, key):
    return d["a"]["b"][key] + 1
def mid(x):
    y = inner(x,
              key="c")
    return y
class A:
    def __init__(self, v):
        self.v = v.missing.attr
def main(args, context):
    try:
        mid({"a": {"b": {"c": None}}})
    except TypeError as e:
        A(1 / len(args) if args else args)
