"""Fails in recursion, at two places of one line."""
def f(n):
    if n == 0:
        raise ValueError("deep")
    return f(n - 1) + f(n - 2)
def main(args, context):
    return f(6)
