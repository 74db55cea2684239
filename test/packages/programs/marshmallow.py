import datetime

from marshmallow import Schema, ValidationError, fields, post_load, validate


class Item(Schema):
    name = fields.Str(required=True, validate=validate.Length(min=2))
    price = fields.Decimal(places=2, as_string=True)
    day = fields.Date()


class Order(Schema):
    items = fields.List(fields.Nested(Item))
    mail = fields.Email(load_default="none@example.com")

    @post_load
    def total(self, data, **kwargs):
        return data | {"total": str(sum(i["price"] for i in data["items"]))}


def main(args, context):
    order = Order().load({"items": [{"name": "ab", "price": "1.5", "day": "2026-01-02"}, {"name": "cd", "price": 2}]})
    try:
        Order().load({"items": [{"name": "a", "day": "x"}], "mail": "no", "more": 1})
    except ValidationError as error:
        wrong = error.messages
    return [order["total"], order["mail"], wrong, Item().dump({"name": "x", "price": 3, "day": datetime.date(2026, 1, 2)})]
