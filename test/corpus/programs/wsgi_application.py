"""Runs a WSGI application on captured requests: routing, forms, cookies, ranges, errors."""
import io
import json
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, unquote
from wsgiref.handlers import SimpleHandler
from wsgiref.headers import Headers
from wsgiref.util import FileWrapper, application_uri, request_uri, setup_testing_defaults, shift_path_info
from wsgiref.validate import validator


def app(environ, start_response):
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    headers = Headers([("Content-Type", "application/json; charset=utf-8")])
    if path == "/boom":
        raise ZeroDivisionError("in the application")
    if path == "/file":
        start_response("206 Partial Content", [("Content-Type", "text/plain"), ("Content-Range", "bytes 0-9/20")])
        return FileWrapper(io.BytesIO(b"x" * 10), 4)
    size = int(environ.get("CONTENT_LENGTH") or 0)
    form = parse_qs(environ["wsgi.input"].read(size).decode()) if size else {}
    cookies = {k: m.value for k, m in SimpleCookie(environ.get("HTTP_COOKIE", "")).items()}
    headers.add_header("Content-Disposition", "attachment", filename="a b.json")
    headers["X-First"] = shift_path_info(environ) or ""
    start_response("200 OK" if method in ("GET", "POST") else "405 Method Not Allowed", headers.items())
    return [json.dumps({"path": unquote(path), "query": parse_qs(environ.get("QUERY_STRING", "")), "form": form, "cookies": cookies, "uri": request_uri(environ)}, ensure_ascii=False).encode()]


def call(method, path, body=b"", **extra):
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path.partition("?")[0], "QUERY_STRING": path.partition("?")[2], "CONTENT_LENGTH": str(len(body)), **extra}
    setup_testing_defaults(environ)
    out, errors = io.BytesIO(), io.StringIO()
    handler = SimpleHandler(io.BytesIO(body), out, errors, environ, multithread=False, multiprocess=False)
    handler.server_software = None
    handler.run(app)
    head, _, content = out.getvalue().decode().partition("\r\n\r\n")
    return [[line for line in head.split("\r\n") if not line.startswith("Date")], content, errors.getvalue().splitlines()[-1:]]


def main(args, context):
    started = []
    environ = {"REQUEST_METHOD": "GET", "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    checked = validator(app)(environ, lambda status, headers, info=None: started.append(status) or (lambda data: None))
    body = b"".join(checked)
    checked.close()
    return {"get": call("GET", "/a/b%20c?q=1&q=%C3%BC"), "post": call("POST", "/form", b"x=1&y=a+b&y=%E2%82%AC", CONTENT_TYPE="application/x-www-form-urlencoded", HTTP_COOKIE='sid="a\\054b"; t=1'), "delete": call("DELETE", "/x")[0][0], "file": call("GET", "/file"), "boom": call("GET", "/boom"), "validated": [started, len(body) > 10], "uri": application_uri({"wsgi.url_scheme": "https", "SERVER_NAME": "h", "SERVER_PORT": "8443", "SCRIPT_NAME": "/app"}), "headers": [str(Headers([("A", "1"), ("a", "2")])), Headers([("A", "1"), ("a", "2")]).get_all("a")]}
