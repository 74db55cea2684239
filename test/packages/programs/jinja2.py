from jinja2 import DictLoader, Environment, UndefinedError, StrictUndefined, select_autoescape

env = Environment(loader=DictLoader({
    "base.html": "<h1>{% block title %}{% endblock %}</h1>{% macro li(x) %}<li>{{ x }}</li>{% endmacro %}{% block body %}{% endblock %}",
    "page.html": "{% extends 'base.html' %}{% block title %}{{ title|upper }}{% endblock %}"
    "{% block body %}{% for n in items if n is odd %}{{ loop.index }}:{{ n }} {% else %}none{% endfor %}{% endblock %}",
}), autoescape=select_autoescape(), undefined=StrictUndefined)
env.filters["twice"] = lambda v: v * 2


def main(args, context):
    page = env.get_template("page.html")
    text = page.render(title="a < b", items=range(6))
    try:
        page.render(items=[])
    except UndefinedError as error:
        absent = str(error)
    return [text, absent, env.from_string("{{ 'ab'|twice }} {{ '%05.2f'|format(3.14159) }} {{ [3, 1]|sort|join(',') }}").render()]
