"""Fails in a group whose context is also its member."""
def main(args, context):
    try:
        try:
            {}["a"]
        finally:
            1/0
    except ZeroDivisionError as e:
        raise ExceptionGroup("all", [e, ValueError("v"), ExceptionGroup("inner", [OSError(2, "no", "f")])])
