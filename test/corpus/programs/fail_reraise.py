"""An exception that travels through three functions that raise it again."""


def inner():
    raise ConnectionResetError(104, "peer closed")


def middle():
    try:
        inner()
    except OSError as error:
        error.filename = "socket"
        raise


def outer():
    try:
        middle()
    except OSError as error:
        saved = error
    raise saved


def main(args, context):
    outer()
