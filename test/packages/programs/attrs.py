import attrs
from attrs import define, field, validators


@define(order=True)
class Point:
    x: int = field(validator=validators.instance_of(int))
    y: int = field(default=0, converter=int)
    tags: list = field(factory=list, order=False)


@attrs.frozen
class Fixed:
    a: int = 1


def main(args, context):
    p = Point(1, "2")
    refused = []
    for call in (lambda: Point("x"), lambda: setattr(Fixed(), "a", 2), lambda: setattr(p, "z", 1)):
        try:
            call()
        except Exception as error:
            refused.append(type(error).__name__)
    return [repr(p), attrs.asdict(p), Point(1) < p, refused, repr(attrs.evolve(p, x=5)), [f.name for f in attrs.fields(Point)], hash(Fixed()) == hash(Fixed())]
