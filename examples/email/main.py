"""Render an order confirmation as a complete e-mail, in plain text and HTML.

The result holds the message in the form that SMTP transmits. Functions have no network, so the
caller sends it. The same order renders to the same bytes.
"""

import hashlib
from decimal import Decimal
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from string import Template
from typing import Any

TEXT = Template("""\
Dear $name,

thank you for your order $order.

$lines
Total: $total $currency

$shop
""")
TEXT_LINE = Template("$quantity x $title: $price $currency\n")

HTML = Template("""\
<!doctype html>
<html lang="en">
<body>
<p>Dear $name,</p>
<p>thank you for your order <b>$order</b>.</p>
<table>
$lines<tr><td colspan="2">Total</td><td>$total $currency</td></tr>
</table>
<p>$shop</p>
</body>
</html>
""")
HTML_LINE = Template("<tr><td>$quantity</td><td>$title</td><td>$price $currency</td></tr>\n")


def render(
    page: Template, line: Template, order: dict[str, Any], items: list[dict[str, Any]]
) -> str:
    """Fill in the items, then the page. A missing value raises KeyError and leaves no blank."""
    lines = "".join(line.substitute(item, currency=order["currency"]) for item in items)
    return page.substitute(order, lines=lines)


def escaped(values: dict[str, Any]) -> dict[str, str]:
    """Return the values as text without HTML: callers choose the names and titles."""
    return {key: escape(str(value)) for key, value in values.items()}


def main(args: dict[str, Any], context: dict[str, Any]) -> dict[str, str]:
    """Return the subject and the message of the confirmation.

    args has "order", "name", "email", "currency" and "items"; each item has "title", "quantity" and
    "price", a decimal in a string. context has "shop" and "from", an address.
    """
    items = args["items"]
    total = sum((Decimal(item["price"]) * item["quantity"] for item in items), Decimal())
    order = {key: args[key] for key in ("order", "name", "currency")} | {
        "total": total,
        "shop": context["shop"],
    }

    message = EmailMessage(policy=SMTP)
    message["Subject"] = f"Your order {args['order']}"
    message["From"] = Address(context["shop"], addr_spec=context["from"])
    message["To"] = Address(args["name"], addr_spec=args["email"])
    message.set_content(render(TEXT, TEXT_LINE, order, items), cte="quoted-printable")
    html = render(HTML, HTML_LINE, escaped(order), [escaped(item) for item in items])
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    # Without this, the boundary between the parts is drawn at random.
    message.set_boundary(hashlib.sha256(args["order"].encode()).hexdigest())
    return {"subject": message["Subject"], "message": message.as_string()}
