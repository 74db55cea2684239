# differs: without an allow list, a connection raises what the package raises if it cannot connect
import io
import zlib

import urllib3
from urllib3.exceptions import DecodeError, LocationParseError, MaxRetryError, NewConnectionError
from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata
from urllib3.util import Retry, Timeout, make_headers, parse_url
from urllib3.util.ssl_ import create_urllib3_context


def response(body, **headers):
    return urllib3.HTTPResponse(io.BytesIO(body), headers, status=200, preload_content=False)


def main(args, context):
    errors = []
    pool = urllib3.PoolManager(headers={"X": "1"}, timeout=Timeout(connect=1, read=2))
    for url in ("http://h.invalid/", "https://h.invalid/"):
        try:
            pool.request("GET", url, retries=Retry(connect=1, backoff_factor=0))
        except MaxRetryError as error:
            errors.append([type(error).__name__, isinstance(error.reason, NewConnectionError)])
    try:
        parse_url("http://[::1")
    except LocationParseError as error:
        errors.append(str(error))
    deflated = response(zlib.compress(b"data" * 100), **{"content-encoding": "deflate"})
    try:
        response(b"no gzip", **{"content-encoding": "gzip"}).read()
    except DecodeError as error:
        errors.append(type(error).__name__)
    retry = Retry(3, status_forcelist=[503], allowed_methods=["GET"], backoff_factor=1, raise_on_status=False).increment("GET", "/", response(b""))
    body, kind = encode_multipart_formdata({"a": "1", "f": ("ü.txt", b"\x00", "text/plain")}, boundary="B")
    field = RequestField.from_tuples("n", ("x.bin", b"1"))
    url = parse_url("HTTPS://user:p@ex%41mple.org:443/a/../b?q=ä#f")
    headers = urllib3.HTTPHeaderDict({"Set-Cookie": "a"})
    headers.add("set-cookie", "b")
    return [
        errors, deflated.read(6).decode(), len(deflated.read()), retry.total, len(retry.history), retry.is_retry("GET", 503), body.decode(), kind, field.headers["Content-Disposition"],
        [url.url, url.host, url.auth], headers.getlist("SET-COOKIE"), make_headers(basic_auth="a:b", keep_alive=True, user_agent="u"),
        [line.decode() for line in response(b"x\ny\n").stream(2)], create_urllib3_context().verify_mode.name,
    ]
