"""A failure below 40 calls of own code."""


def level(n):
    if n == 0:
        return int("not a number")
    return level(n - 1)


def main(args, context):
    return level(40)
