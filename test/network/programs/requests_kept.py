# wheels: requests urllib3 idna certifi charset-normalizer
"""The image has a session with an open connection: to a peer in the function, since there is no network."""

import socket

import requests
from urllib3.connection import HTTPConnection

import servers

base = "http://localhost:%d" % servers.web
session = requests.Session()
peers, connected = [], []
connect = HTTPConnection._new_conn


def pair(_):
    ours, peer = socket.socketpair()
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfrom one")
    peers.append(peer)
    return ours


HTTPConnection._new_conn = pair
at_import = session.get(base + "/hello").text


def counted(connection):
    connected.append(1)
    return connect(connection)


HTTPConnection._new_conn = counted


def main(args, context):
    for peer in peers:
        peer.close()  # in a function, both ends are dead
    texts = [session.get(base + "/hello", params={"name": str(n)}).text for n in range(3)]
    posted = session.post(base + "/echo", data=b"x").json()["bytes"]
    return [at_import, texts, posted, len(connected)]
