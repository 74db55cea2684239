"""Aggregates a ledger in SQL: joins, windows, recursion, JSON, upserts, full text, transactions."""
import datetime
import sqlite3
import tempfile
from contextlib import closing


class Median:
    def __init__(self):
        self.values = []

    def step(self, value):
        self.values.append(value)

    def finalize(self):
        return sorted(self.values)[len(self.values) // 2]


def attempt(db, sql, *args):
    try:
        return [list(r) if isinstance(r, (tuple, sqlite3.Row)) else r for r in db.execute(sql, *args).fetchall()]
    except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as error:
        return [type(error).__name__, str(error), getattr(error, "sqlite_errorname", None)]


QUERIES = {
    "join": "SELECT a.name, count(e.id), total(e.amount), group_concat(e.amount, '|' ORDER BY e.id) FROM account a LEFT JOIN entry e ON e.account = a.id GROUP BY a.id ORDER BY 1",
    "window": "SELECT id, sum(amount) OVER (PARTITION BY account ORDER BY id), rank() OVER (ORDER BY amount DESC), lag(amount, 1, 0) OVER (ORDER BY id), ntile(2) OVER (ORDER BY id) FROM entry ORDER BY id",
    "recursive": "WITH RECURSIVE f(n, a, b) AS (VALUES (1, 0, 1) UNION ALL SELECT n + 1, b, a + b FROM f WHERE n < 90) SELECT n, b FROM f WHERE n % 30 = 0",
    "json": "SELECT json_extract('{\"a\": [1, {\"b\": \"ü\"}]}', '$.a[1].b'), json_group_array(id), '{\"x\":2}' ->> 'x', json_patch('{\"a\":1}', '{\"b\":2}'), json('{ \"k\" : 1 }') FROM entry",
    "each": "SELECT key, value, type FROM json_each('[1, \"a\", null, 2.5, true, {}]')",
    "math": "SELECT sqrt(2), round(pi(), 6), pow(2, 10), ceil(1.2), mod(7, 3), log(100), exp(1), degrees(pi()), 7 / 2, 7.0 / 2, -7 % 3",
    "text": "SELECT upper('äb'), length('🎉é'), substr('hello', -3, 2), instr('abc', 'c'), printf('%05.2f|%-5s|%,d', 3.14159, 'ab', 1234567), hex('é'), quote('it''s'), unicode('é'), char(233, 8364), trim('  x '), 'abc' LIKE 'A_C', 'abc' GLOB 'A*', format('%q', 'a''b')",
    "time": "SELECT date('2024-02-29', '+1 year'), strftime('%Y-%W %j %s', '2024-12-31'), julianday('2000-01-01'), time(3661, 'unixepoch'), datetime('2024-01-31', '+1 month', 'start of month', '-1 day'), unixepoch('1960-01-01'), timediff('2024-03-01', '2023-02-28')",
    "types": "SELECT typeof(1), typeof(1.0), typeof('1'), typeof(NULL), typeof(x'00'), typeof(9223372036854775807 + 1), CAST('12abc' AS INTEGER), '10' + 5, 1 = 1.0, '1' = 1, NULL IS NULL, 9223372036854775807",
    "floats": "SELECT 0.1 + 0.2, 1e15 + 0.3, 1.0 * 123456789012345678, 2.5e-7, 1/3.0, CAST(0.1 AS TEXT), 1e23, round(2.5), round(-0.5), CAST(1e22 AS INTEGER)",
    "upsert": "INSERT INTO account VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = name || '+' RETURNING *", "fts": "SELECT body, highlight(note, 0, '[', ']') FROM note WHERE note MATCH 'quick OR naive' ORDER BY rank", "median": "SELECT median(amount), double(21), regexp('^a', 'abc')",
    "syntax": "SELEC 1", "nothing": "SELECT * FROM missing", "unique": "INSERT INTO account VALUES (2, 'again'), (1, 'b')", "notnull": "INSERT INTO account VALUES (9, NULL)", "check": "INSERT INTO entry VALUES (99, 1, -1)", "foreign": "INSERT INTO entry VALUES (98, 77, 1)", "two": "SELECT 1; SELECT 2", "strict": "INSERT INTO typed VALUES ('x')", "collate": "SELECT name FROM account ORDER BY name COLLATE reverse",
}


def main(args, context):
    out = {}
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript("""PRAGMA foreign_keys = ON; CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL); CREATE TABLE entry (id INTEGER PRIMARY KEY, account REFERENCES account, amount NUMERIC CHECK (amount > 0));
            CREATE TABLE typed (n INTEGER) STRICT; CREATE VIRTUAL TABLE note USING fts5(body, tokenize = 'unicode61 remove_diacritics 2'); CREATE INDEX i ON entry (account, amount DESC) WHERE amount > 5;""")
        db.executemany("INSERT INTO account VALUES (?, ?)", [(1, "Zoë"), (2, "ada"), (3, "Bob")])
        db.executemany("INSERT INTO entry VALUES (:id, :account, :amount)", [{"id": i, "account": i % 2 + 1, "amount": i * 2.5} for i in range(1, 7)])
        db.executemany("INSERT INTO note VALUES (?)", [("The quick brown fox",), ("A naïve quick plan",), ("nothing",)])
        db.create_aggregate("median", 1, Median)
        db.create_function("double", 1, lambda x: x * 2, deterministic=True)
        db.create_function("regexp", 2, lambda p, s: bool(__import__("re").search(p, s)))
        db.create_collation("reverse", lambda a, b: (a < b) - (a > b))
        for name, sql in QUERIES.items():
            out[name] = attempt(db, sql)
        out["plan"] = attempt(db, "EXPLAIN QUERY PLAN SELECT * FROM entry WHERE account = 1 AND amount > 6")
        out["bind"] = [attempt(db, "SELECT ?, ?, ?, ?, typeof(?)", (2**63 - 1, -0.0, "\0", True, b"x")), attempt(db, "SELECT ?", (2**63,)), attempt(db, "SELECT ?", ()), attempt(db, "SELECT :a", {}), attempt(db, "SELECT ?", ({},)), attempt(db, "SELECT ?", (float("nan"),))]
        db.row_factory = sqlite3.Row
        row = db.execute("SELECT id AS n, name FROM account ORDER BY id DESC").fetchone()
        out["row"] = [row.keys(), tuple(row), row["NAME"], len(row), db.total_changes]
        db.execute("BEGIN")
        db.execute("DELETE FROM entry")
        out["rollback"] = [db.in_transaction, db.execute("SELECT count(*) FROM entry").fetchone()[0], db.rollback(), db.execute("SELECT count(*) FROM entry").fetchone()[0]]
        with closing(sqlite3.connect(tempfile.mktemp(".db"))) as disk:
            db.backup(disk)
            out["backup"] = [attempt(disk, "SELECT count(*) FROM note"), attempt(disk, "PRAGMA integrity_check"), attempt(disk, "PRAGMA journal_mode = DELETE"), attempt(disk, "PRAGMA page_size"), attempt(disk, "VACUUM"), attempt(disk, "PRAGMA encoding")]
            with disk:
                disk.execute("INSERT INTO account VALUES (50, 'committed')")
            try:
                with disk:
                    disk.execute("INSERT INTO account VALUES (51, 'no')")
                    raise RuntimeError
            except RuntimeError:
                out["context"] = attempt(disk, "SELECT max(id) FROM account")
        out["dump"] = list(db.iterdump())[:4]
        with db.blobopen("sqlite_schema", "sql", 1, readonly=True) if False else closing(db.cursor()) as cursor:
            cursor.execute("SELECT id, name FROM account")
            out["cursor"] = [[d[0] for d in cursor.description], len(cursor.fetchmany(2)), cursor.rowcount, cursor.arraysize]
    with closing(sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES)) as db:
        sqlite3.register_adapter(datetime.date, lambda d: d.isoformat())
        sqlite3.register_converter("day", lambda b: datetime.date.fromisoformat(b.decode()))
        db.execute("CREATE TABLE t (d day)")
        db.execute("INSERT INTO t VALUES (?)", (datetime.date(2024, 2, 29),))
        out["converted"] = repr(db.execute("SELECT d FROM t").fetchone())
        out["serialized"] = len(db.serialize())
    out["closed"] = attempt(db, "SELECT 1")
    out["version"] = [sqlite3.apilevel, sqlite3.paramstyle, sqlite3.complete_statement("SELECT 1;")]
    return out
