"""Validates documents against a schema, with paths, unions, patterns and conditions."""
# args: {"schema": {"type": "object", "required": ["id", "email"], "additional": false, "properties": {"id": {"type": "integer", "minimum": 1}, "email": {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$"}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "unique": true}, "score": {"type": ["number", "null"]}, "kind": {"enum": ["a", "b", 3]}, "born": {"type": "string", "format": "date"}}}, "documents": [{"id": 1, "email": "ü@exämple.org", "tags": ["x", "yy"], "score": null, "born": "2024-02-29"}, {"id": true, "email": "no"}, {"email": "a@b.cd", "extra": 1, "tags": ["long tag", "x", "x", 5]}, [], {"id": 1.0, "email": "a@b.cd", "kind": "c", "score": "1", "born": "2023-02-29"}, {"id": 0, "email": "a@b.cd", "kind": 3.0}]}
import re
from collections.abc import Mapping, Sequence
from datetime import date
from numbers import Number

TYPES = {"object": lambda v: isinstance(v, Mapping), "array": lambda v: isinstance(v, Sequence) and not isinstance(v, str), "string": lambda v: isinstance(v, str), "integer": lambda v: isinstance(v, int) and not isinstance(v, bool), "number": lambda v: isinstance(v, Number) and not isinstance(v, bool), "null": lambda v: v is None, "boolean": lambda v: isinstance(v, bool)}


def check(schema, value, path="$"):
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(TYPES[k](value) for k in kinds):
        yield path, f"is {type(value).__name__}, not {' or '.join(kinds)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield path, f"{value!r} is not one of {schema['enum']}"
    match value:
        case str():
            if not re.search(schema.get("pattern", ""), value):
                yield path, f"{value!r} does not match {schema['pattern']!r}"
            if len(value) > schema.get("maxLength", 10**9):
                yield path, f"has {len(value)} characters"
            if schema.get("format") == "date":
                try:
                    date.fromisoformat(value)
                except ValueError as error:
                    yield path, str(error)
        case bool() | None:
            pass
        case int() | float() if value < schema.get("minimum", float("-inf")):
            yield path, f"{value} is less than {schema['minimum']}"
        case list():
            if schema.get("unique") and len({repr(v) for v in value}) < len(value):
                yield path, "has duplicates"
            for i, item in enumerate(value):
                yield from check(schema.get("items", {}), item, f"{path}[{i}]")
        case dict():
            for name in schema.get("required", ()):
                if name not in value:
                    yield path, f"lacks {name}"
            for name, item in value.items():
                if name in schema.get("properties", {}):
                    yield from check(schema["properties"][name], item, f"{path}.{name}")
                elif not schema.get("additional", True):
                    yield path, f"has no property {name}"


def main(args, context):
    return [dict(errors=[": ".join(e) for e in check(args["schema"], document)], ok=not any(True for _ in check(args["schema"], document))) for document in args["documents"]]
