"""The failing expression spans lines; the message has lines, too."""


def combine(*parts, **options):
    raise ValueError(
        "cannot combine:\n"
        + "\n".join(f"  - {part}" for part in parts)
    )


def main(args, context):
    return {
        "a": 1,
        "b": combine(
            "x",
            "y",
            key=max(1, 2),
        ),
    }
