"""Composes a mail with alternatives and attachments, and takes it apart again."""
# args: {"name": "Jürgen Müller-Lüdenscheidt", "subject": "Ihre Rechnung Nr. 4711 über 1.234,50 € – fällig zum Monatsende"}
import email
from datetime import datetime, timedelta, timezone
from email import policy
from email.errors import HeaderParseError
from email.header import Header, decode_header
from email.headerregistry import Address, Group
from email.message import EmailMessage
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import (
    collapse_rfc2231_value, decode_rfc2231, encode_rfc2231, format_datetime, formataddr, formatdate, getaddresses,
    parseaddr, parsedate_to_datetime, parsedate_tz, unquote,
)


def compose(args):
    message = EmailMessage()
    message["Subject"] = args["subject"]
    message["From"] = Address("Buchhaltung", "rechnung", "example.com")
    message["To"] = [Address(args["name"], "jml", "example.org"), Group("team", (Address("", "a", "b.example"),))]
    message["Date"] = datetime(2024, 2, 29, 23, 59, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    message["Message-ID"] = "<1@example.com>"
    message.set_content("Guten Tag " + args["name"] + ",\n\nanbei die Rechnung.\n" + "x" * 200 + "\n")
    message.add_alternative("<html><body><p>Grüße</p></body></html>", subtype="html")
    message.add_attachment(b"%PDF-1.7\n" + bytes(range(256)), maintype="application", subtype="pdf", filename="Rechnung März.pdf")
    message.add_attachment("a;b\r\n1;2\r\n", subtype="csv", filename="daten.csv")
    message.add_attachment("text", filename="a very long name " * 6 + ".txt")
    for part in message.walk():
        if part.is_multipart():
            part.set_boundary("=-=" + part.get_content_subtype())
    return message


def main(args, context):
    message = compose(args)
    wire = message.as_bytes(policy=policy.SMTP)
    back = email.message_from_bytes(wire, policy=policy.default)
    old = MIMEMultipart("related", boundary="==B==")
    old["Subject"] = Header("Prüfung " * 12, "iso-8859-1")
    old.attach(MIMEText("naïve café", "plain", "iso-8859-15"))
    old.attach(MIMEImage(b"\x89PNG\r\n\x1a\n", _subtype="png"))
    defects = email.message_from_string("Subject: =?utf-8?b?4pyT?=\nContent-Type: multipart/mixed; boundary=x\n\n--y\nbroken", policy=policy.default)
    try:
        Address("x", addr_spec="not an address")
        bad = None
    except (HeaderParseError, ValueError, IndexError) as error:
        bad = [type(error).__name__, str(error)]
    return {
        "wire": wire.decode(), "walk": [[p.get_content_type(), p.get_filename(), p.get_content_disposition()] for p in back.walk()],
        "subject": back["subject"], "to": str(back["to"]), "addresses": [[a.display_name, a.addr_spec] for a in back["to"].addresses],
        "date": back["date"].datetime.isoformat(), "body": back.get_body(("html",)).get_content(), "old": old.as_string(),
        "sizes": [len(a.get_content()) for a in back.iter_attachments()], "decoded": [[str(t), c] for t, c in decode_header(old["Subject"].encode())],
        "defects": [type(d).__name__ for d in defects.defects], "bad": bad,
        "dates": [formatdate(0), format_datetime(datetime(2000, 1, 1)), parsedate_to_datetime("Fri, 31 Dec 1999 23:59:59 -0800").isoformat(), list(parsedate_tz("1 Jan 2020 00:00 EST"))],
        "names": [formataddr(("Doe, \"J\"", "j@x.org")), formataddr(("Ünal", "u@x.org")), parseaddr("J <j@x.org> (comment)"), getaddresses(["A B <a@b>, c@d, (x)"])],
        "rfc2231": [encode_rfc2231("é", "utf-8"), decode_rfc2231("utf-8''%C3%A9"), collapse_rfc2231_value(("utf-8", "", "x")), unquote('"a\\"b"')],
    }
