# wheels: pg8000 scramp asn1crypto python-dateutil six
import datetime
import decimal
import ssl
import uuid

import pg8000.dbapi
import pg8000.native

import servers

context = ssl.create_default_context(cafile=servers.ca)


def typed(c):
    c.run("CREATE TEMPORARY TABLE t (id serial, name text, at timestamptz, raw bytea, price numeric, tags text[], data jsonb, u uuid)")
    for n in range(50):
        c.run("INSERT INTO t (name, raw, price) VALUES (:name, :raw, :price)", name="row %d" % n, raw=bytes([n]) * 5000, price=decimal.Decimal("1.50"))
    c.run("INSERT INTO t (at, tags, data, u) VALUES (:at, :tags, :data, :u)", tags=["a", "b"], data={"k": [1, None]},
          at=datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), u=uuid.UUID(int=1))
    return [
        c.run("SELECT count(*), max(name), sum(length(raw)), sum(price)::text FROM t")[0],
        [str(v) for v in c.run("SELECT at, tags, data, u FROM t WHERE name IS NULL")[0]],
        len(c.run("SELECT repeat('x', 1000000)")[0][0]), len(c.run("SELECT 1 FROM pg_sleep(0.05)")),
    ]


def transactions(options):
    with pg8000.dbapi.connect(**options) as c:
        cursor = c.cursor()
        cursor.execute("DROP TABLE IF EXISTS kept")
        cursor.execute("CREATE TABLE kept (n int)")
        c.commit()
        cursor.executemany("INSERT INTO kept VALUES (%s)", [(1,), (2,)])
        c.commit()
        cursor.execute("INSERT INTO kept VALUES (3)")
        c.rollback()
        cursor.execute("SELECT sum(n) FROM kept")
        return cursor.fetchone()[0]


def main(args, _):
    options = {"user": "user", "host": "localhost", "port": servers.postgres, "password": "secret", "database": "postgres"}
    options["ssl_context"] = context if args["tls"] else False
    with pg8000.native.Connection(**options) as c:
        answers = typed(c)
        answers.append(c.run("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")[0][0])
        try:
            c.run("SELECT nothing")
        except pg8000.native.DatabaseError as e:
            answers.append([e.args[0]["C"], e.args[0]["M"]])
        c.run("LISTEN channel")
        c.run("NOTIFY channel, 'hello'")
        answers.append([n[1:] for n in c.notifications])
    try:
        pg8000.native.Connection(**{**options, "password": "wrong"})
    except pg8000.native.DatabaseError as e:
        answers.append(e.args[0]["M"])
    return answers + [transactions(options)]
