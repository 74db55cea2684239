# wheels:
import hashlib
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP

import servers

context = ssl.create_default_context(cafile=servers.ca)


def message():
    m = EmailMessage()
    m["From"], m["To"], m["Cc"] = "a@example.com", "b@example.com", "Ünï <c@example.com>"
    m["Subject"] = "Größe"
    m.set_content("Text\n.\n..dots\n")
    m.add_attachment(b"\x00\xff" * 50_000, maintype="application", subtype="octet-stream", filename="data")
    m.set_boundary("boundary")
    return m


def send(s):
    s.login("user", "secret")
    text = message().as_bytes(policy=SMTP)
    s.mail("a@example.com")
    codes = [s.rcpt(to)[0] for to in ("b@example.com", "nobody@example.com")]
    answer = s.data(text)
    m = message()
    refused = s.send_message(m, to_addrs=["b@example.com", "nobody@example.com"])
    same = hashlib.sha256(text).hexdigest() in answer[1].decode()
    return [codes, answer[0], same, {k: v[0] for k, v in refused.items()}]


def main(args, _):
    answers = []
    with smtplib.SMTP("localhost", servers.smtp, local_hostname="client") as s:
        if args["tls"]:
            answers.append(s.starttls(context=context)[0])
        answers.append(s.ehlo()[0])
        try:
            s.login("user", "wrong")
        except smtplib.SMTPAuthenticationError as e:
            answers.append(e.smtp_code)
        answers.append(send(s))
        try:
            s.sendmail("a@example.com", ["nobody@example.com"], "text")
        except smtplib.SMTPRecipientsRefused as e:
            answers.append(sorted(e.recipients))
    if args["tls"]:
        with smtplib.SMTP_SSL("localhost", servers.smtp_tls, local_hostname="client", context=context) as s:
            answers.append(send(s))
        try:
            smtplib.SMTP("localhost", servers.smtp, local_hostname="client").starttls(context=ssl.create_default_context())
        except ssl.SSLCertVerificationError as e:
            answers.append(e.verify_message)
    return answers
