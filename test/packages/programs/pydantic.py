import json
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Dict, Generic, List, Literal, Optional, TypeVar, Union
from uuid import UUID

from pydantic import BaseModel, BaseSettings, Extra, Field, PrivateAttr, ValidationError, conint, constr, parse_obj_as, root_validator, validate_arguments, validator
from pydantic.dataclasses import dataclass
from pydantic.generics import GenericModel

T = TypeVar("T")


class Color(str, Enum):
    red = "red"


class Item(BaseModel):
    name: constr(strip_whitespace=True, min_length=1, regex="^[a-zü ]+$")
    price: Decimal = Field(..., gt=0, description="In euros.")
    color: Color = Color.red
    tags: List[str] = []

    @validator("tags", each_item=True)
    def lower(cls, value):
        return value.lower()


class Order(BaseModel):
    id: UUID
    when: datetime
    items: Dict[str, Item]
    kind: Literal["a", "b"] = "a"
    note: Optional[str] = Field(None, alias="Note")
    size: Union[int, str] = 0
    _seen: bool = PrivateAttr(default=False)

    class Config:
        extra = Extra.forbid
        allow_population_by_field_name = True
        json_encoders = {Decimal: str}

    @root_validator
    def total(cls, values):
        if sum(item.price for item in values.get("items", {}).values()) > 100:
            raise ValueError("too expensive")
        return values


class Page(GenericModel, Generic[T]):
    rows: List[T]
    next: Optional["Page[T]"]


@dataclass
class Point:
    x: conint(ge=0)
    y: float = 0


class Settings(BaseSettings):
    home: str
    missing: int = 5


@validate_arguments
def repeat(text: str, count: conint(lt=4)):
    return text * count


def refused(function, *args, **values):
    try:
        return str(function(*args, **values))
    except ValidationError as error:
        return json.loads(error.json())


def main(args, context):
    data = {"id": "12345678123456781234567812345678", "when": "2024-02-29T12:00:00Z", "items": {"x": {"name": " apple ", "price": "1.50", "tags": ["A"]}}, "Note": "n", "size": "12"}
    order = Order.parse_obj(data)
    return [
        json.loads(order.json(by_alias=True)), order.copy(update={"kind": "b"}).dict(include={"kind", "size"}), refused(Order, **{**data, "id": "x", "kind": "c", "other": 1}),
        refused(Order.parse_obj, {**data, "items": {"x": {"name": "a", "price": 101}}}), refused(Item, name="A!", price=-1, color="green"), Order.schema()["definitions"]["Item"],
        Page[int](rows=["1"], next=None).dict(), refused(Page[int], rows=["x"]), Point("3").x, refused(Point, -1), Settings().missing, repeat("a", "3"), refused(repeat, "a", 4),
        parse_obj_as(List[Optional[int]], ["1", None]), order == Order(**data), refused(Order.parse_raw, b"{"), sorted(Item.__fields__),
    ]
