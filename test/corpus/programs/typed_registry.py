"""Uses annotations at run time: hints, protocols, generics, overloads, typed dicts, abstract classes."""
import abc
import inspect
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, NamedTuple, NewType, Optional, ParamSpec, Protocol, TypedDict, TypeVar, Union, get_args, get_origin, get_type_hints, runtime_checkable

T = TypeVar("T", bound="Base")
P = ParamSpec("P")
UserId = NewType("UserId", int)
type Pair[K, V = int] = tuple[K, V]


@runtime_checkable
class Closer(Protocol):
    def close(self) -> None: ...


class Base(abc.ABC):
    registry: ClassVar[dict[str, type]] = {}

    def __init_subclass__(cls, /, kind=None, **kwargs):
        super().__init_subclass__(**kwargs)
        Base.registry[kind or cls.__name__.lower()] = cls

    @property
    @abc.abstractmethod
    def area(self) -> float: ...

    @abc.abstractmethod
    def scale(self: T, by: float) -> T: ...


class Square(Base, kind="sq"):
    side: Final[float] = 2.0

    @property
    def area(self):
        return self.side**2

    def scale(self, by):
        return self


class Half(Base):
    area = 1.0


class Box[T]:
    def __init__(self, item: T) -> None:
        self.item = item

    def map[U](self, f: Callable[[T], U]) -> "Box[U]":
        return Box(f(self.item))


class Movie(TypedDict, total=False):
    title: typing.Required[str]
    year: int


class Point(NamedTuple):
    x: int
    y: int = 0


def handler(a: int, b: Optional["Point"] = None, *args: str, c: Literal["x", 1] = "x", **kw: Any) -> Iterable[Annotated[int, "unit"]]:
    """Documented."""


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    signature = inspect.signature(handler)
    bound = signature.bind(1, None, "z", c=1, d=2)
    bound.apply_defaults()
    return {
        "hints": {k: str(v) for k, v in get_type_hints(handler, include_extras=True).items()}, "signature": [str(signature), [p.kind.description for p in signature.parameters.values()], str(bound), attempt(lambda: signature.bind()), attempt(lambda: signature.bind(1, e=5, a=2)), str(signature.replace(parameters=[]))], "registry": sorted(Base.registry), "abstract": [attempt(Base), attempt(Half), Square().area, sorted(Half.__abstractmethods__), isinstance(Square(), Base)],
        "protocol": [isinstance(open("/tmp/x", "w"), Closer), isinstance(5, Closer), attempt(lambda: Closer())], "generic": [str(Box[int]), Box[int](5).map(str).item, attempt(lambda: Box[int, str]), Box.__type_params__[0].__name__, repr(Pair), str(Pair[str].__value__), str(Pair.__type_params__)], "origin": [str(get_origin(dict[str, int])), str(get_args(Callable[[int], str])), get_args(Literal["a", 1]), str(Union[int, str, int]), str(int | None), repr(Optional[int]), str(list[int] | None), Union[int, str] == Union[str, int]],
        "movie": [Movie(title="x"), sorted(Movie.__required_keys__), sorted(Movie.__optional_keys__), attempt(lambda: isinstance({}, Movie))], "point": [repr(Point(1)), Point._field_defaults, Point.__annotations__["x"].__name__], "newtype": [UserId(5) + 1, repr(UserId), UserId.__supertype__.__name__], "errors": [attempt(lambda: Optional[1, 2]), attempt(lambda: ClassVar[int]()), attempt(lambda: Generic[int]), attempt(lambda: typing.cast(int, "x")), attempt(lambda: isinstance(1, list[int])), attempt(lambda: type("D", (Square, Base, Square), {})), attempt(lambda: get_type_hints(type("Q", (), {"__annotations__": {"a": "Nope"}})))],
        "inspect": [inspect.getdoc(handler), inspect.getsource(attempt).splitlines()[0], inspect.isabstract(Base), [n for n, _ in inspect.getmembers(Square, inspect.isfunction)], inspect.getfullargspec(handler).kwonlydefaults, [c.__name__ for c in inspect.getmro(Half)], inspect.getmodule(handler).__name__, inspect.getsourcelines(Movie)[1], inspect.unwrap(handler) is handler], "mro": attempt(lambda: type("X", (Base, object, Square), {})),
    }
