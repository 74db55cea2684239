"""Models of an order as dataclasses: defaults, ordering, slots, freezing, inheritance, hashing."""
import dataclasses
import datetime
import inspect
import typing
from dataclasses import KW_ONLY, InitVar, asdict, astuple, dataclass, field, fields, make_dataclass, replace


@dataclass(order=True)
class Money:
    amount: int
    currency: str = field(default="EUR", compare=False)


@dataclass(frozen=True, slots=True)
class Line:
    sku: str
    price: Money
    _: KW_ONLY
    quantity: int = 1
    tags: tuple[str, ...] = ()

    @property
    def total(self):
        return replace(self.price, amount=self.price.amount * self.quantity)


@dataclass
class Order:
    id: int
    lines: list[Line] = field(default_factory=list, repr=False)
    discount: InitVar[int] = 0
    created: datetime.date = datetime.date(2024, 1, 1)
    total: int = field(init=False, metadata={"unit": "cent"})
    count: typing.ClassVar[int] = 0

    def __post_init__(self, discount):
        Order.count += 1
        self.total = sum(line.total.amount for line in self.lines) - discount


@dataclass
class Rush(Order):
    fee: int = 500

    def __post_init__(self, discount):
        super().__post_init__(discount)
        self.total += self.fee


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def mutable_default():
    @dataclass
    class Bad:
        x: list = []


def order_of_defaults():
    @dataclass
    class Bad:
        x: int = 1
        y: int


def main(args, context):
    lines = [Line("a", Money(250)), Line("b", Money(100), quantity=3, tags=("x",))]
    order, rush = Order(1, lines, discount=50), Rush(2, lines)
    Point = make_dataclass("Point", [("x", int), ("y", int, field(default=0))], namespace={"norm": lambda self: self.x**2 + self.y**2})
    return {
        "repr": [repr(order), repr(rush), repr(lines[1])], "dict": asdict(rush)["lines"][1], "tuple": repr(astuple(lines[0])), "totals": [order.total, rush.total, Order.count, repr(lines[1].total)],
        "compare": [Money(1) < Money(2), Money(1, "USD") == Money(1), sorted([Money(3), Money(1)])[0].amount, order == replace(order, id=1), attempt(lambda: Money(1) < 1), max(Money(2), Money(5)).amount], "hash": [hash(lines[0]) == hash(Line("a", Money(250))) if False else attempt(lambda: hash(order)), attempt(lambda: hash(lines[0])), len({Money})],
        "frozen": [attempt(lambda: setattr(lines[0], "sku", "z")), attempt(lambda: object.__setattr__(lines[0], "nope", 1)), attempt(lambda: lines[0].__dict__), Line.__slots__], "fields": [[f.name, str(f.type), f.init, f.kw_only, dict(f.metadata)] for f in fields(Rush)], "signature": [str(inspect.signature(c)) for c in (Line, Order, Rush, Point)],
        "errors": [attempt(mutable_default), attempt(order_of_defaults), attempt(lambda: Line("a", Money(1), 5)), attempt(lambda: Order()), attempt(lambda: replace(order, total=5)), attempt(lambda: replace(order, nope=1)), attempt(lambda: asdict(5)), attempt(lambda: dataclass(frozen=True)(type("X", (Order,), {})))],
        "point": [repr(Point(3, 4)), Point(3, 4).norm(), Point.__match_args__, dataclasses.is_dataclass(Point), dataclasses.is_dataclass(Point(1))], "match": [match_line(x) for x in (*lines, Money(5), 3, {"sku": "q", "n": 1}, ["a", 1, 2])],
    }


def match_line(value):
    match value:
        case Line(sku, Money(amount), quantity=1):
            return f"single {sku} {amount}"
        case Line(tags=("x", *_)) as line:
            return f"tagged {line.sku}"
        case Money(amount) if amount > 3:
            return "much"
        case {"sku": str(sku), **rest}:
            return f"dict {sku} {rest}"
        case [str(), *numbers]:
            return f"list {numbers}"
        case _:
            return "other"
