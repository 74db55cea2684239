"""A state machine of enums, flags and their errors."""
import enum
from enum import CONTINUOUS, EJECT, KEEP, STRICT, UNIQUE, Enum, Flag, IntEnum, IntFlag, StrEnum, auto, unique, verify


class State(Enum):
    NEW = auto()
    PAID = auto()
    SHIPPED = auto()
    DONE = SHIPPED

    @property
    def final(self):
        return self is State.SHIPPED

    def next(self):
        members = list(State)
        return members[members.index(self) + 1] if not self.final else None

    @classmethod
    def _missing_(cls, value):
        return cls.__members__.get(str(value).upper())


class Planet(Enum):
    EARTH = (5.976e24, 6.37814e6)
    MARS = (6.421e23, 3.3972e6)

    def __init__(self, mass, radius):
        self.gravity = 6.67430e-11 * mass / radius**2


class Perm(IntFlag):
    X, W, R = 1, 2, 4
    RWX = 7


class Style(Flag):
    BOLD = auto()
    ITALIC = auto()
    BOTH = BOLD | ITALIC


class Strict(Flag, boundary=STRICT):
    A = 1


class Kept(Flag, boundary=KEEP):
    A = 1


class Level(StrEnum):
    Debug = auto()
    Error = "ERR"


class Priority(IntEnum):
    LOW = 1
    HIGH = 10

    def __str__(self):
        return f"<{self.name}>"


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    return {
        "state": [repr(State.NEW), str(State.PAID), State.NEW.next().name, State("paid").name, State.DONE is State.SHIPPED, list(State.__members__), State["NEW"].value, State.NEW in State, 2 in State, "x" in State, len(State), attempt(lambda: State("nope")), attempt(lambda: State["X"]), attempt(lambda: setattr(State, "NEW", 1)), attempt(lambda: State.NEW < State.PAID), attempt(lambda: State.NEW.NONE)],
        "planet": [round(p.gravity, 6) for p in Planet], "perm": [repr(Perm.R | Perm.W), str(Perm.R | Perm.X), repr(~Perm.R), repr(Perm(8)), f"{Perm.R:d}", Perm.R in Perm.RWX, [p.name for p in Perm.RWX], Perm(5).name, bool(Perm(0)), repr(Perm["R"] ^ Perm.RWX), Perm.R + 1], "style": [repr(Style.BOTH), repr(~Style.BOLD), repr(Style(0)), len(Style.BOTH), attempt(lambda: Style(8)), attempt(lambda: Style.BOLD | 2), str(Style.BOLD | Style.ITALIC)],
        "bounds": [attempt(lambda: Strict(6)), repr(Kept(6)), attempt(lambda: Flag("E", "A B", boundary=EJECT)(8))], "text": [str(Level.Debug), Level.Error == "ERR", f"{Level.Error:>5}", repr(Level.Debug), Level("ERR").name, "%s" % Level.Error], "priority": [str(Priority.LOW), f"{Priority.HIGH}", Priority.LOW < 5, sorted([Priority.HIGH, Priority.LOW])[0].name, repr(Priority.LOW), format(Priority.LOW, "03")],
        "functional": [repr(Enum("Animal", "CAT DOG", start=5).DOG), repr(IntEnum("N", {"a": 1}).a), attempt(lambda: unique(Enum("U", {"a": 1, "b": 1}))), attempt(lambda: verify(CONTINUOUS)(IntEnum("C", {"a": 1, "b": 3}))), attempt(lambda: verify(UNIQUE)(State)), attempt(lambda: type("Sub", (State,), {}))], "show": [enum.show_flag_values(7), repr(enum.global_enum_repr(Perm.R)), repr(auto()) is not None],
    }
