"""A recursion without an end."""


def descend(tree, depth):
    if depth < 0:
        return tree
    return descend({"child": tree}, depth + 1)


def main(args, context):
    return descend({}, 0)
