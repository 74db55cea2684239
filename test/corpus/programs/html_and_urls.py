"""Parses and builds HTML and URLs: links, queries, escapes, punycode, cookies, robots."""
import html
import http.cookies
import mimetypes
import urllib.parse as up
import urllib.robotparser
from html.parser import HTMLParser
from http import HTTPMethod, HTTPStatus

URLS = ["http://user:p%40ss@Example.COM:8080/a/b;x=1/../c?q=1&q=2&e=#frag", "//host/path", "mailto:a@b.c", "http://[::1]:80/", "file:///etc/x", "/rel?x=ä b", "http://bücher.example/ü", "data:text/plain;base64,SGk=", "http://h:99999/", "http://[bad/", "a:b:c", "", "HTTP://x?#", "http://a\nb/"]


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append([tag, attrs, self.getpos()])

    def handle_data(self, data):
        if data.strip():
            self.seen.append(data.strip())

    def handle_comment(self, data):
        self.seen.append("!" + data)


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def taken_apart(url):
    u = up.urlsplit(url)
    return [*u, u.username, u.password, u.hostname, u.port, u.geturl()]


def main(args, context):
    parser = Links()
    parser.feed('<!DOCTYPE html><p class=x data-y="a&amp;b">Hi &lt;b&gt; &eacute;&#x1F389;&nosuch; <br/><a href=\'/x?a=1&copy=2\'>go</a><!-- c --><script>if (a < b) "</p>"</script><IMG SRC=x>unclosed <a')
    parser.close()
    cookie = http.cookies.SimpleCookie('a=1; b="x\\073y"; c=ü')
    cookie["session"] = "id value"
    cookie["session"].update({"path": "/", "httponly": True, "max-age": 60, "samesite": "Lax"})
    robots = urllib.robotparser.RobotFileParser()
    robots.parse("User-agent: *\nDisallow: /private\nAllow: /private/ok\nCrawl-delay: 3\nSitemap: http://s/x\n".splitlines())
    return {
        "split": {u: attempt(taken_apart, u) for u in URLS}, "join": [up.urljoin("http://a/b/c/d;p?q", r) for r in ("g", "./g/", "/g", "//g", "?y", "#s", "../../../g", "g;x=1/../y", "", "http:g")], "query": [up.parse_qs("a=1&a=2&b=&c=%FF%20+", keep_blank_values=True), up.parse_qsl("a=1;b=2"), up.urlencode({"q": "ä b&c", "l": [1, 2]}, doseq=True), up.urlencode([("x", None), ("y", b"\xff")]), attempt(up.parse_qs, "a", strict_parsing=True), attempt(up.parse_qs, "&".join("a=1" for _ in range(9)), max_num_fields=5)],
        "quote": [up.quote("a/b c~ä€?", safe=""), up.quote_plus("a b+c"), up.unquote("%E4%C3%A4%"), up.unquote_plus("a+b%20"), up.quote("ä", encoding="latin-1"), up.unquote_to_bytes("%FFx").hex(), up.quote(b"\x00\xff"), up.unquote("%zz%41")], "rebuild": [up.urlunsplit(("http", "h", "p", "q", "f")), up.urlparse("http://h/p;a?b")._replace(params="z").geturl(), up.urldefrag("http://h/#x")[1], up.urlsplit(b"http://h/").netloc.decode()],
        "html": parser.seen, "escape": [html.escape("<a href=\"x\">'&'"), html.unescape("&lt;&#60;&#x3C;&amp;lt;&nbsp;&notit;&#128;&#0;&CounterClockwiseContourIntegral;")], "cookies": [sorted([k, m.value] for k, m in cookie.items()), cookie["session"].OutputString(), attempt(http.cookies.SimpleCookie().__setitem__, "bad key", "x")],
        "robots": [robots.can_fetch("x", p) for p in ("/", "/private/a", "/private/ok")] + [robots.crawl_delay("x"), robots.site_maps()], "mime": [mimetypes.guess_type(n) for n in ("a.html", "b.tar.gz", "c.PNG", "d.json", "e.webp", "f.js", "g.unknown", "h.csv", "i.svgz")] + [mimetypes.guess_extension("image/jpeg"), sorted(mimetypes.guess_all_extensions("text/html"))],
        "http": [HTTPStatus(404).phrase, HTTPStatus.OK == 200, HTTPStatus.IM_A_TEAPOT.description, HTTPMethod.PATCH.value, attempt(HTTPStatus, 999), HTTPStatus(301).is_redirection], "idna": [attempt("bücher.example".encode, "idna"), attempt(b"xn--bcher-kva.example".decode, "idna"), attempt(("ä" * 64 + ".x").encode, "idna")].__repr__(),
    }
