# differs: without an allow list, a connection raises what the package raises if it cannot connect
import httpcore

ANSWER = [
    b"HTTP/1.1 200 OK\r\n", b"Content-Type: text/plain\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n",
    b"6\r\nHello,\r\n", b"7\r\n world!\r\n0\r\n\r\n",
]  # fmt: skip


def pooled():
    with httpcore.ConnectionPool(network_backend=httpcore.MockBackend(ANSWER), max_connections=2) as pool:
        response = pool.request("POST", "https://example.org/a?b=1", headers={"X": "1"}, content=b"data")
        states = [connection.info() for connection in pool.connections]
        with pool.stream("GET", "http://other.example/") as stream:
            parts = [part.decode() for part in stream.iter_stream()]
    return [response.status, response.content.decode(), sorted(k.decode() for k, _ in response.headers), states, parts]


def main(args, context):
    errors = []
    for url, backend in (("http://h.invalid/", None), ("ftp://h/", None), ("http://h/", httpcore.MockBackend([b"nonsense\r\n\r\n"]))):
        try:
            with httpcore.ConnectionPool(network_backend=backend) as pool:
                pool.request("GET", url)
        except (httpcore.ConnectError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            errors.append(type(error).__name__)
    return [pooled(), errors, bytes(httpcore.URL("https://u:p@h:8443/p?q")).decode()]
