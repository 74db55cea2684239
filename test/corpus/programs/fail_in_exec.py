"""Fails in code that it executes."""
def main(args, context):
    exec("def f(x):\n    return x / 0\nf(1)")
