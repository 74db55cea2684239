import jsonpatch
from jsonpointer import JsonPointer, JsonPointerException, resolve_pointer


def main(args, context):
    old = {"a": 1, "b": {"c": [1, 2, 3]}, "d": "x", "e~/f": 0}
    new = {"a": 2, "b": {"c": [0, 1, 3], "n": None}, "e~/f": [True]}
    patch = jsonpatch.make_patch(old, new)
    errors = []
    for text in ('[{"op": "test", "path": "/a", "value": 5}]', '[{"op": "remove", "path": "/none"}]', '[{"op": "fly", "path": ""}]', '[{"op": "add", "path": "/b/c/9", "value": 1}]'):
        try:
            jsonpatch.apply_patch(old, text)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
            errors.append(type(error).__name__)
    moved = jsonpatch.JsonPatch([{"op": "move", "from": "/b/c/0", "path": "/first"}, {"op": "copy", "from": "/d", "path": "/b/d"}, {"op": "add", "path": "/b/c/-", "value": 9}])
    try:
        resolve_pointer(old, "/b/c/x")
    except JsonPointerException as error:
        errors.append(str(error))
    return [
        sorted(str(sorted(step.items())) for step in patch), patch.apply(old) == new, jsonpatch.JsonPatch.from_string(patch.to_string()) == patch, moved.apply(old),
        errors, resolve_pointer(old, "/e~0~1f"), JsonPointer.from_parts(["a/b", "~"]).path, resolve_pointer(old, "/zz", None), old["a"],
    ]
