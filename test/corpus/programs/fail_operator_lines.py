"""Fails in an expression of several lines."""
def main(args, context):
    a = b = None
    return (a.x.y.z  # comment
            + b
            - 3)
