import h11


def exchange(client, server, *parts):
    """Send events from one side, and return the events of the other."""
    for part in parts:
        server.receive_data(client.send(part) or b"")
    events = []
    while (event := server.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        events.append(event)
        if isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            break
    return events


def text(event):
    if isinstance(event, h11.Data):
        return bytes(event.data).decode()
    return [type(event).__name__, [[k.decode(), v.decode()] for k, v in getattr(event, "headers", [])]]


def main(args, context):
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    request = h11.Request(method="POST", target="/a", headers=[("Host", "h"), ("Transfer-Encoding", "chunked")])
    got = exchange(client, server, request, h11.Data(b"one"), h11.Data(b"two"), h11.EndOfMessage())
    response = h11.Response(status_code=200, headers=[("Content-Length", "4")], reason=b"OK")
    answer = exchange(server, client, response, h11.Data(b"body"), h11.EndOfMessage())
    client.start_next_cycle()
    server.start_next_cycle()
    again = exchange(client, server, h11.Request(method="GET", target="/b", headers={"Host": "h", "Connection": "close"}.items()), h11.EndOfMessage())
    refused = []
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01\r\n\r\n"):
        other = h11.Connection(h11.SERVER)
        other.receive_data(data)
        try:
            other.next_event()
        except h11.RemoteProtocolError as error:
            refused.append([str(error), error.error_status_hint])
    try:
        h11.Request(method="GET", target="/\r\nX: 1", headers=[("Host", "h")])
    except h11.LocalProtocolError as error:
        refused.append(str(error))
    return [[text(e) for e in got], [text(e) for e in answer], [text(e) for e in again], refused, str(server.our_state)]
