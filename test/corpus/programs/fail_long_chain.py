"""A chain of causes that is longer than most."""


def step(n):
    if n == 0:
        raise ValueError("the root of it")
    try:
        step(n - 1)
    except Exception as error:
        raise RuntimeError(f"step {n}") from error


def main(args, context):
    step(6)
