"""Fails in except*, in two of its clauses."""
def main(args, context):
    try:
        raise ExceptionGroup("g", [ValueError(1), TypeError(2), ExceptionGroup("n", [ValueError(3), KeyError(4)])])
    except* ValueError as e:
        raise
    except* KeyError:
        raise RuntimeError("x") from None
