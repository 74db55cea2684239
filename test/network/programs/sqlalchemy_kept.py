# wheels: sqlalchemy typing-extensions pg8000 scramp asn1crypto python-dateutil six
"""The image has an engine with an open connection: to a peer in the function, since there is no network."""

import socket

import pg8000.dbapi
from sqlalchemy import QueuePool, create_engine, text

import servers

peers, connected = [], []


def pair():
    ours, peer = socket.socketpair()
    peer.sendall(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")  # authenticated, and ready for a query
    peers.append(peer)
    return pg8000.dbapi.connect(user="user", sock=ours, ssl_context=False)


def connect():
    connected.append(1)
    return pg8000.dbapi.connect(user="user", host="localhost", port=servers.postgres, password="secret", database="postgres", ssl_context=False)


pool = QueuePool(lambda: connect() if peers else pair(), pre_ping=True)
pool.connect().close()
at_import = pool.checkedin()
engine = create_engine("postgresql+pg8000://", pool=pool)


def main(args, context):
    for peer in peers:
        peer.close()  # in a function, both ends are dead
    with engine.connect() as connection:
        one = connection.scalar(text("SELECT 1"))
    with engine.begin() as connection:
        two = connection.scalar(text("SELECT 2"))
    return [at_import, one, two, len(connected)]
