# wheels: redis
"""The image has a client with an open connection: to a peer in the function, since there is no network."""

import socket

import redis
import redis.connection

import servers

client = redis.Redis(host="localhost", port=servers.redis, decode_responses=True, protocol=2, lib_name=None, lib_version=None)
peers, connected = [], []
connect = redis.connection.Connection._connect


def pair(_):
    ours, peer = socket.socketpair()
    peers.append(peer)
    return ours


redis.connection.Connection._connect = pair
connection = client.connection_pool.get_connection()
at_import = connection.is_connected
client.connection_pool.release(connection)


def counted(connection):
    connected.append(1)
    return connect(connection)


redis.connection.Connection._connect = counted


def main(args, context):
    for peer in peers:
        peer.close()  # in a function, both ends are dead
    client.set("kept", 1)
    return [at_import, client.incr("kept"), client.get("kept"), len(connected)]
