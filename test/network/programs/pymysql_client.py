# wheels: pymysql
import datetime

import pymysql
import pymysql.cursors

import servers


def connect(args, **options):
    tls = {"user": "encrypted", "ssl_ca": servers.ca, "ssl_verify_cert": True, "ssl_verify_identity": True}
    options = {**(tls if args["tls"] else {"user": "user", "ssl_disabled": True}), **options}
    return pymysql.connect(**{"host": "localhost", "port": servers.mariadb, "password": "secret", "database": "test", **options})


def main(args, context):
    with connect(args, cursorclass=pymysql.cursors.DictCursor) as c:
        with c.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS t")
            cursor.execute("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) UNIQUE, at DATETIME, raw LONGBLOB, price DECIMAL(5,2))")
            cursor.executemany("INSERT INTO t (name, raw) VALUES (%s, %s)", [("row %d" % n, bytes([n]) * 5000) for n in range(50)])
            cursor.execute("INSERT INTO t (name, at, price) VALUES (%s, %s, %s)", ("ä€😀", datetime.datetime(2026, 1, 2), 1.5))
        c.commit()
        with c.cursor() as cursor:
            cursor.execute("INSERT INTO t (name) VALUES ('rolled back')")
            c.rollback()
            cursor.execute("SELECT count(*) AS rows_, sum(length(raw)) AS bytes FROM t")
            counted = {k: int(v) for k, v in cursor.fetchone().items()}
            cursor.execute("SELECT name, at, price FROM t WHERE price IS NOT NULL")
            typed = [str(v) for v in cursor.fetchone().values()]
            try:
                cursor.execute("INSERT INTO t (name) VALUES ('row 1')")
            except pymysql.IntegrityError as e:
                duplicate = list(e.args)
            cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
            version = cursor.fetchone()["Value"]
            cursor.execute("SELECT repeat('x', 3000000) AS big")
            big = len(cursor.fetchone()["big"])
    with connect(args, cursorclass=pymysql.cursors.SSCursor) as c, c.cursor() as cursor:
        cursor.execute("SELECT seq FROM seq_1_to_1000")
        streamed = sum(row[0] for row in cursor)
    with connect(args) as c, connect(args) as killer, killer.cursor() as cursor:
        before = c.thread_id()
        cursor.execute("KILL %s", (before,))
        c.ping(reconnect=True)
        again = c.thread_id() != before
    failures = []
    for options in [{"password": "wrong"}] + ([{"ssl_disabled": True}] if args["tls"] else []):
        try:
            connect(args, **options)
        except pymysql.OperationalError as e:
            failures.append(e.args[0])
    return [again, counted, typed, duplicate, bool(version), big, streamed, failures]
