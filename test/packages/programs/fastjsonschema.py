import fastjsonschema

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["id", "email"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "email": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": {"$ref": "#/definitions/tag"}, "uniqueItems": True, "default": []},
        "when": {"type": "string", "format": "date-time"},
        "code": {"type": "string", "format": "upper"},
    },
    "definitions": {"tag": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5}},
}
validate = fastjsonschema.compile(SCHEMA, formats={"upper": str.isupper})


def check(value):
    try:
        return validate(value)
    except fastjsonschema.JsonSchemaValueException as error:
        return [error.message, error.path, error.rule]


def main(args, context):
    code = fastjsonschema.compile_to_code(SCHEMA, formats={"upper": "^[A-Z]+$"})
    space = {}
    exec(code, space)
    try:
        fastjsonschema.compile({"type": "unknown"})
        refused = ""
    except fastjsonschema.JsonSchemaDefinitionException as error:
        refused = str(error)
    return [
        check({"id": 1, "email": "a@b.c"}), check({"id": 0, "email": "a@b.c"}), check({"id": 1}), check({"id": 1, "email": "a@b.c", "x": 1}),
        check({"id": 1, "email": "a@b.c", "tags": ["a", "A"]}), check({"id": 1, "email": "a@b.c", "tags": ["a", "a"]}),
        check({"id": 1, "email": "a@b.c", "when": "2024-01-01T00:00:00Z", "code": "AB"}), check({"id": 1, "email": "a@b.c", "code": "a"}),
        space["validate"]({"id": 2, "email": "a@b.c"}), refused,
    ]
