"""A handler fails while it handles, three times over, with one context suppressed."""


def first():
    raise LookupError("no entry")


def second():
    try:
        first()
    except LookupError:
        None.missing


def third():
    try:
        second()
    except AttributeError:
        try:
            [][3]
        except IndexError:
            raise ArithmeticError("third") from None


def main(args, context):
    try:
        third()
    finally:
        {}["cleanup"]
