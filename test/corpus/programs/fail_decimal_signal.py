"""A trapped signal of decimal."""
from decimal import Decimal, Inexact, localcontext


def main(args, context):
    with localcontext() as settings:
        settings.traps[Inexact] = True
        return str(Decimal(1) / Decimal(3))
