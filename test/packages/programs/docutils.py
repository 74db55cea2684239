from docutils import nodes
from docutils.core import publish_doctree, publish_parts
from docutils.parsers.rst import Directive, directives

TEXT = """
Title
=====

A *paragraph* with ``code``, a `link <https://h/>`_, and a footnote [1]_.

.. shout:: hello
   :times: 2

=====  =====
A      B
=====  =====
1      two
=====  =====

1. one

   - nested

::

   literal

.. [1] The note.
"""


class Shout(Directive):
    required_arguments = 1
    option_spec = {"times": directives.nonnegative_int}

    def run(self):
        return [nodes.paragraph(text=self.arguments[0].upper() * self.options.get("times", 1))]


directives.register_directive("shout", Shout)
SETTINGS = {"report_level": 5, "file_insertion_enabled": False, "raw_enabled": False}


def main(args, context):
    html = publish_parts(TEXT, writer="html5", settings_overrides=SETTINGS)
    latex = publish_parts(TEXT, writer="latex", settings_overrides=SETTINGS)["body"]
    tree = publish_doctree(TEXT + "\n*open", settings_overrides=SETTINGS)
    problems = [node.astext() for node in tree.findall(nodes.system_message)]
    return [html["title"], html["body"], latex, [node.astext() for node in tree.findall(nodes.reference)], problems]
