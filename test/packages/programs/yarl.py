from yarl import URL


def main(args, context):
    url = URL("https://user:p%40ss@bücher.example:8443/a b/../c/%7Ed;p?q=1&q=ä&e=#frag é")
    errors = []
    for action in (lambda: URL("http://h:99999"), lambda: URL("/rel").with_scheme("http"), lambda: URL.build(scheme="http", host="h", path="rel"), lambda: URL("http://[::1"), lambda: url / "/abs"):
        try:
            errors.append(str(action()))
        except (TypeError, ValueError) as error:
            errors.append(type(error).__name__)
    base = URL("http://h/x/y?z=1")
    return [
        str(url), url.human_repr(), [url.scheme, url.user, url.password, url.host, url.raw_host, url.port, url.path, url.raw_path, url.fragment], url.query.getall("q"), list(url.parts),
        str(base.join(URL("../w?k#f"))), str(base / "a b" / "c%2F"), str(base % {"z": 2, "n": ["a", "b"]}), str(base.update_query({"z": 2})), str(base.without_query_params("z")), str(base.with_host("::1")),
        str(URL.build(scheme="ws", host="h", port=80, path="/p", query={"a": "1+1 &"})), str(base.origin()), str(base.parent), base.name, str(base.with_suffix(".txt")), URL("HTTP://H:80/").is_default_port(),
        sorted(map(str, {URL("http://a/"), URL("http://a")})), URL("mailto:a@b").is_absolute(), errors,
    ]
