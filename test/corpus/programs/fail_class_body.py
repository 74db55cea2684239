"""A class body in main fails, and a comprehension inside of it."""


def main(args, context):
    class Table:
        columns = ["a", "b"]
        widths = {c: len(c) / (len(c) - 1) for c in columns}

    return Table.widths
