"""Keeps mails in mailboxes and objects in shelves and key-value files."""
import dbm
import dbm.dumb
import mailbox
import os
import shelve
import tempfile
from email.message import EmailMessage


def mail(n):
    message = EmailMessage()
    message["Subject"] = f"Nachricht {n} ü"
    message["From"] = "a@example.org"
    message.set_content(f"From the start\nline {n}\n")
    return message


def kept(folder):
    box = mailbox.mbox(os.path.join(folder, "box"))
    keys = [box.add(mail(n)) for n in range(3)]
    box.flush()
    box.remove(keys[1])
    box.flush()
    found = [m["subject"] for m in mailbox.mbox(os.path.join(folder, "box"))]
    payload = box[0].get_payload()
    box.close()
    return [keys, found, payload]


def attempt(function):
    try:
        return function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main(args, context):
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        out["mbox"] = attempt(lambda: kept(folder))
        directory = attempt(lambda: mailbox.Maildir(os.path.join(folder, "dir"), create=True))
        out["maildir"] = attempt(lambda: [len([directory.add(mail(5))]), sorted(os.listdir(os.path.join(folder, "dir"))), len(directory)])
        with shelve.open(os.path.join(folder, "shelf"), writeback=True) as shelf:
            shelf["a"] = {"list": [1]}
            shelf["a"]["list"].append(2)
            shelf["é"] = {3}
        with shelve.open(os.path.join(folder, "shelf")) as shelf:
            out["shelf"] = [sorted(shelf), shelf["a"], "x" in shelf, attempt(lambda: shelf["x"])]
        with dbm.dumb.open(os.path.join(folder, "dumb"), "c") as db:
            db["k"] = "v" * 10
            out["dumb"] = [db["k"].decode(), db.keys()[0].decode(), db.get("none"), sorted(n for n in os.listdir(folder) if n.startswith("dumb"))]
        out["kinds"] = [attempt(lambda: dbm.open(os.path.join(folder, "none"), "r")), dbm.whichdb(os.path.join(folder, "dumb")), attempt(lambda: dbm.sqlite3.open(os.path.join(folder, "sq"), "c").close())]
    return out
