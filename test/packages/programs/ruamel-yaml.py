import io
from datetime import date

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

TEXT = """# a comment
version: 1.10   # kept
list:
- &first {a: 1, b: [x, 'y']}
-   *first
text: |
  two
  lines
on: yes
octal: 0o17
date: 2024-01-02
"""


class Money:
    yaml_tag = "!money"

    def __init__(self, amount):
        self.amount = amount

    @classmethod
    def to_yaml(cls, representer, node):
        return representer.represent_scalar(cls.yaml_tag, str(node.amount))

    @classmethod
    def from_yaml(cls, constructor, node):
        return cls(int(node.value))


def main(args, context):
    yaml = YAML()
    yaml.register_class(Money)
    data = yaml.load(TEXT)
    data["list"].append(CommentedMap(new=Money(5)))
    data.insert(1, "added", ["ü", None], comment="new")
    data.yaml_set_comment_before_after_key("text", before="before")
    out = io.StringIO()
    yaml.dump(data, out)
    errors = []
    for text in ("a: [1", "a: 1\na: 2", "\tx: 1", "!!python/object/apply:os.system [id]"):
        try:
            errors.append(repr(YAML(typ="safe", pure=True).load(text)))
        except YAMLError as error:
            errors.append([type(error).__name__, str(error).splitlines()[0]])
    safe = YAML(typ="safe", pure=True)
    plain = io.StringIO()
    safe.default_flow_style = False
    safe.dump({"b": [1, 2.5, True], "a": {"d": date(2024, 1, 2)}}, plain)
    documents = list(safe.load_all("--- 1\n--- [2]\n...\n"))
    return [out.getvalue(), data["octal"], str(data["date"]), data["on"], data.ca.comment is not None, data.lc.key("text"), yaml.load("!money 7").amount, errors, plain.getvalue(), documents]
