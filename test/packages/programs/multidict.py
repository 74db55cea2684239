from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiDictProxy, istr


def main(args, context):
    values = MultiDict([("a", 1), ("b", 2), ("a", 3)], c=4)
    values.add("a", 5)
    headers = CIMultiDict({"Content-Type": "text/plain", "X-Id": "1"})
    headers.extend([("x-id", "2"), ("Set-Cookie", "s")])
    proxy = MultiDictProxy(values)
    errors = []
    for action in (lambda: proxy.add("x", 1), lambda: values.getone("zz"), lambda: values.popone("zz"), lambda: MultiDict([(1, 2)]).add(3, 4)):
        try:
            action()
        except (AttributeError, KeyError, TypeError) as error:
            errors.append(type(error).__name__)
    copy = proxy.copy()
    popped = [copy.popone("a"), copy.popall("a"), copy.setdefault("n", 9), copy.popitem()]
    copy.update(b=7)
    return [
        list(values.items()), values.getall("a"), values["a"], values.get("zz"), list(headers.items()), headers.getall("X-ID"), "CONTENT-type" in headers, errors, popped, list(copy.items()),
        values == MultiDict(values), dict(proxy.keys() & {"a"} and {"k": True}), str(istr("a-B").title()), repr(CIMultiDictProxy(headers)), len(values), headers.pop("x-id"), [*headers],
    ]
