"""A small object mapper of descriptors, metaclasses, slots, properties and operators."""
import functools


class Field:
    def __init__(self, kind, default=None):
        self.kind, self.default = kind, default

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        return self if instance is None else instance.__dict__.get(self.name, self.default)

    def __set__(self, instance, value):
        if not isinstance(value, self.kind):
            raise TypeError(f"{type(instance).__name__}.{self.name} must be {self.kind.__name__}, not {type(value).__name__}")
        instance.__dict__[self.name] = value

    def __delete__(self, instance):
        del instance.__dict__[self.name]


class ModelMeta(type):
    def __new__(mcls, name, bases, namespace, table=None, **kwargs):
        cls = super().__new__(mcls, name, bases, namespace, **kwargs)
        cls.fields = {k: v for base in reversed(cls.__mro__) for k, v in vars(base).items() if isinstance(v, Field)}
        cls.table = table or name.lower()
        return cls

    @classmethod
    def __prepare__(mcls, name, bases, **kwargs):
        return {"prepared": True}

    def __call__(cls, *args, **kwargs):
        instance = super().__call__()
        for name, value in {**dict(zip(cls.fields, args)), **kwargs}.items():
            setattr(instance, name, value)
        return instance

    def __iter__(cls):
        return iter(cls.fields)

    def __len__(cls):
        return len(cls.fields)


class Model(metaclass=ModelMeta):
    id = Field(int, 0)

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={getattr(self, k)!r}' for k in self.fields)})"


class User(Model, table="people"):
    name = Field(str)

    @property
    def label(self):
        return f"#{self.id} {self.name}"

    @label.setter
    def label(self, text):
        self.name = text

    @functools.cached_property
    def size(self):
        return len(self.name)


class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y) if isinstance(other, Vector) else NotImplemented

    def __rmul__(self, n):
        return Vector(self.x * n, self.y * n)

    def __matmul__(self, other):
        return self.x * other.x + self.y * other.y

    def __bool__(self):
        return bool(self.x or self.y)

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)

    def __getattr__(self, name):
        if set(name) <= {"x", "y"}:
            return tuple(getattr(self, c) for c in name)
        raise AttributeError(f"no {name}", name=name, obj=self)

    def __format__(self, spec):
        return f"<{format(self.x, spec)}, {format(self.y, spec)}>"

    def __class_getitem__(cls, item):
        return f"Vector of {item.__name__}"

    def __getitem__(self, index):
        return (self.x, self.y)[index]


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    user, v = User(7, "Ada"), Vector(1, 2)
    user.label = "Grace"
    out = {"model": [repr(user), User.table, list(User), len(User), user.label, user.size, User.prepared, repr(User.name.kind), vars(user)], "types": [attempt(lambda: User("x")), attempt(lambda: setattr(user, "label", 5)), attempt(lambda: delattr(user, "label")), attempt(lambda: User.nope), attempt(lambda: user.nope)]}
    del user.name
    out["deleted"] = [user.name, attempt(lambda: delattr(user, "name"))]
    out["vector"] = [f"{v + v:.1f}", (3 * v).x, v @ v, bool(Vector(0, 0)), v == Vector(1, 2), v.yx, attempt(lambda: v.nope), attempt(lambda: v + 1), attempt(lambda: v * 2), attempt(lambda: hash(v)), attempt(lambda: setattr(v, "z", 1)), Vector[int], list(v), attempt(lambda: v < v), 2 in v]
    class Meta(type): pass
    class A: pass
    class B(metaclass=Meta): pass
    out["metaclass"] = [attempt(lambda: type("C", (A, B), {}).__class__.__name__), attempt(lambda: ModelMeta("X", (B,), {})), type(User).__name__, User.__class__.__mro__[0].__name__, attempt(lambda: type("S", (), {"__slots__": ("a", "a")})), attempt(lambda: type("T", (int, str), {})), attempt(lambda: type("U", (bool,), {}))]
    out["super"] = [attempt(lambda: super(User, user).__repr__()), attempt(lambda: super(A, user)), attempt(lambda: object().__init__(1)), attempt(lambda: A(1)), attempt(lambda: object.__new__(int)), attempt(lambda: int.__add__("a", 1)), attempt(lambda: A.__init__.__qualname__), attempt(lambda: User.label.fget.__name__)]
    return out
