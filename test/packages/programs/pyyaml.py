import yaml


def main(args, context):
    text = "a: &x [1, 2.5, true, null, 2026-01-02]\nb: *x\nc: |\n  two\n  lines\nd: {k: 'v'}\n"
    value = yaml.safe_load(text)
    value["a"][4] = value["a"][4].isoformat()
    try:
        yaml.safe_load("a: [1, 2")
    except yaml.YAMLError as error:
        wrong = str(error)
    return [value, wrong, yaml.safe_dump({"k": [1, "two", None], "ü": {"x": 1.5}}, allow_unicode=True, sort_keys=True), list(yaml.safe_load_all("---\n1\n---\n2\n"))]
