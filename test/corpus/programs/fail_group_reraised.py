"""Fails in a group that except* lets pass."""
def main(args, context):
    try:
        try:
            raise ExceptionGroup("eg", [ValueError(1), OSError(2)])
        except* ValueError as g:
            raise g
        except* OSError:
            1 / 0
    except ExceptionGroup as g:
        raise RuntimeError("after") from g
