"""Fails in groups within groups, more than are shown."""
def main(args, context):
    def nest(n):
        return ExceptionGroup("g%d" % n, [nest(n - 1)]) if n else ValueError("leaf")
    raise nest(12)
