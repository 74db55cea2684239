"""Calls generated code with too few arguments, and a call that unpacks."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    sku: str
    price: int


def main(args, context):
    rows = [{"sku": "a", "price": 1}, {"sku": "b"}]
    return [Item(**row).price for row in rows]
