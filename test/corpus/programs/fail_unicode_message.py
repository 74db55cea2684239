"""Messages with quotes, lines, surrogates and emoji."""


def main(args, context):
    try:
        "straße ☃".encode("ascii")
    except UnicodeEncodeError as error:
        error.add_note("Übersetzung: 'nicht möglich' 🎉")
        raise
