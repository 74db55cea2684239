import os
import tempfile

from mako import exceptions
from mako.lookup import TemplateLookup
from mako.template import Template

BASE = """<%def name="title()">none</%def>\\
<html><h1>${self.title()}</h1>${self.body()}</html>"""
PAGE = """<%inherit file="base.mako"/>\\
<%def name="title()">Page of ${name | h}</%def>\\
<%!
import math
def area(r): return round(math.pi * r ** 2, 2)
%>\\
% for item in items:
${loop.index}: ${item | u,trim} ${"last" if loop.last else ""}
% endfor
<%block name="foot" filter="trim"> ${area(2)} </%block>
## a comment
<%doc>not shown</%doc>"""


def main(args, context):
    folder = tempfile.mkdtemp()
    for name, text in {"base.mako": BASE, "page.mako": PAGE}.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    lookup = TemplateLookup([folder], module_directory=os.path.join(folder, "modules"), strict_undefined=True)
    page = lookup.get_template("/page.mako").render(name="<A & B>", items=["a b", "ü"])
    errors = []
    for text in ("${missing}", "% if x:\nno end", "${1/0}"):
        try:
            errors.append(Template(text, strict_undefined=True).render())
        except Exception as error:
            errors.append([type(error).__name__, str(error)[:80], "ZeroDivision" in exceptions.text_error_template().render()])
    cached = os.listdir(os.path.join(folder, "modules"))
    return [page, Template("${x}", default_filters=["h"]).render(x="<"), Template("<%def name='f(a)'>[${a}]</%def>").get_def("f").render(a=1), errors, sorted(n for n in cached if n.endswith(".py"))]
