"""Every method of str on text of several scripts."""

SAMPLES = ["Hello World", "straße", "ǅungla", "ΣΊΣΥΦΟΣ", "İstanbul", "漢字 かな", "१२३", "a\tb\nc", "", " pad ", "ﬀ", "x1_y", "𝔘𝔫𝔦", "e\u0301", "👩‍💻", "\u00a0nbsp", "Ⅷ", "²", "ª"]
PLAIN = "capitalize casefold expandtabs isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper lower lstrip rstrip strip split splitlines swapcase title upper".split()


def attempt(function):
    try:
        return function()
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    text = "the cat sat on the mat, the end"
    return {
        "plain": {s: [getattr(s, m)() for m in PLAIN] for s in SAMPLES}, "find": [text.find("the"), text.rfind("the"), text.index("cat"), text.count("the"), text.count(""), text.find("the", 5, 10), text.startswith(("a", "the")), text.endswith("end", 5), "".find(""), "abc".find("", 4), "abc".rfind("")],
        "parts": [text.partition("sat"), text.rpartition("the"), text.split("the"), text.split(maxsplit=2), text.rsplit(" ", 1), "a,,b,".split(","), "".split(), "".split(","), "1<>2<>3".split("<>"), text.partition("zzz")], "pad": ["x".center(6, "*"), "x".ljust(4) + "|", "é".rjust(4, "·"), "-42".zfill(6), "+x".zfill(5), "👍".center(5, "-")], "replace": ["aaaa".replace("aa", "b"), "abc".replace("", "-"), "aaa".replace("a", "b", 2), "x".replace("y", "z")],
        "join": [", ".join(["a"]), "".join(map(chr, range(97, 102))), attempt(lambda: ",".join([1])), "-".join("ab"), " ".join({"k": 1})], "translate": ["hello".translate({104: "J", 108: None, ord("o"): "00"}), "abc".translate(str.maketrans("ab", "xy", "c")), attempt(lambda: str.maketrans("a", "bc"))], "slices": [text[::-1][:5], text[-3:], text[5:2], "abc"[-10:10], "héllo"[1], text[::7], "👩‍💻"[::-1] == "👩‍💻"], "compare": ["a" < "B", "a" < "á", "Z" < "a", "10" < "9", "" < "a", "é" == "e\u0301", "a" * 3, "ab" in text, min("hello"), sorted("Hello")],
        "prefix": ["foobar".removeprefix("foo"), "foobar".removesuffix("bar"), "x".removeprefix("xx"), "abcabc".strip("ac"), "www.example.com".lstrip("w."), "\u2003x\u2003".strip()], "lines": ["a\nb\r\nc\rd\x0be\x0cf\x1cg\x85h\u2028i".splitlines(), "a\n\nb\n".splitlines(True), "\n".splitlines()], "convert": [ord("é"), chr(0x1F389), ascii("é"), "é".encode().hex(), len("👩‍💻"), len("👩‍💻".encode("utf-16-le")), "%s" % "é", int("१२३"), float(" 1e3\n"), "ß".upper().lower(), "İ".lower().encode().hex()], "format_map": [attempt(lambda: "{a}".format_map({})), "{a}".format_map({"a": 1}), "{:{}}".format("x", ">3"), "{!s}".format(1)], "hash": hash("a") == hash("a"), "intern": ("a" "b") == "ab",
    }
