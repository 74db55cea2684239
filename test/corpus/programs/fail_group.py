"""A batch collects its failures in a group of groups."""


def check(row):
    if row < 0:
        raise ValueError(f"row {row} is negative")
    if row > 9:
        raise OverflowError(f"row {row} is too large")


def batch(rows):
    errors = []
    for row in rows:
        try:
            check(row)
        except Exception as error:
            error.add_note(f"while checking row {row}\nof the batch")
            errors.append(error)
    if errors:
        raise ExceptionGroup("a batch failed", errors)


def main(args, context):
    errors = []
    for rows in ([1, -2, 30], [4], [50]):
        try:
            batch(rows)
        except* ValueError:
            raise
        except* OverflowError as group:
            errors.append(group)
    raise ExceptionGroup("all", errors)
