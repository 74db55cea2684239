"""A constraint of a table is violated inside a transaction."""
import sqlite3


def main(args, context):
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)")
        db.executemany("INSERT INTO t (b) VALUES (?)", [("x",), ("x",)])
