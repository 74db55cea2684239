"""Misspells a name, an attribute and a keyword."""
import collections


def total(prices, discount=0):
    return sum(pricse) - discount


def main(args, context):
    return total([1, 2], discount=collections.OrderedDict())
