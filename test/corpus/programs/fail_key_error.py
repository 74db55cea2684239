"""An order without a price fails two calls below main."""
# args: {"orders": [{"id": 1, "price": 10}, {"id": 2}]}


class Ledger:
    def __init__(self, orders):
        self.orders = orders

    def price(self, order):
        return order["price"] * 2

    def total(self):
        return sum(self.price(order) for order in self.orders)


def main(args, context):
    return Ledger(args["orders"]).total()
