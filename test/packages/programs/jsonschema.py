from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validate

schema = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 2}, "age": {"$ref": "#/$defs/age"}, "mail": {"format": "email"}}, "$defs": {"age": {"type": "integer", "minimum": 0}}, "additionalProperties": False}


def main(args, context):
    validate({"name": "Ann", "age": 3}, schema)
    try:
        validate({"name": "A"}, schema)
    except ValidationError as error:
        first = [error.message, list(error.path), error.validator]
    checker = Draft202012Validator(schema, format_checker=FormatChecker())
    return [first, sorted(e.message for e in checker.iter_errors({"age": -1, "mail": "x", "z": 1}))]
