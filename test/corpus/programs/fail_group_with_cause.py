"""A group whose members have causes, raised from a handler."""


def load(name):
    try:
        return {"a": 1}[name]
    except KeyError as error:
        raise LookupError(f"no {name}") from error


def main(args, context):
    errors = []
    for name in ("x", "a", "y"):
        try:
            load(name)
        except LookupError as error:
            errors.append(error)
    try:
        raise TimeoutError("first")
    except TimeoutError:
        raise BaseExceptionGroup("loads", errors)
