"""The type of a key is wrong deep inside a sort with a key function."""


def main(args, context):
    people = [{"name": "a", "age": 3}, {"name": "b", "age": None}]
    return sorted(people, key=lambda p: p["age"])
