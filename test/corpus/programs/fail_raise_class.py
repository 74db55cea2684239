"""Raises a class, bare, without a message, from a method of a nested class."""


class Outer:
    class Inner:
        class Failed(Exception):
            pass

        @property
        def value(self):
            raise self.Failed


def main(args, context):
    return Outer.Inner().value
