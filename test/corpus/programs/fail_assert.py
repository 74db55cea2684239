"""An assertion about a computed table."""
from dataclasses import dataclass


@dataclass
class Row:
    name: str
    value: int

    def __post_init__(self):
        assert self.value >= 0, ("negative", self)


def main(args, context):
    return [Row(name, value).name for name, value in [("a", 1), ("b", -1)]]
