"""Decodes and encodes text in many encodings, with every error handler, and by pieces."""
import base64
import binascii
import codecs
import io
import quopri
import unicodedata

SAMPLES = ["Grüße", "Привет", "こんにちは", "한국어", "€uro™", "العربية", "🎉", "naïve\r\n", "\ufeffbom", "\ud800", "①ﬁ"]
CODECS = "utf-8 utf-8-sig utf-16 utf-16-le utf-32-be utf-7 latin-1 iso8859-15 cp1252 cp437 cp1251 koi8-r shift_jis euc-jp iso2022_jp gb18030 gbk big5 euc-kr cp949 mac-roman ascii punycode idna unicode_escape raw_unicode_escape hz cp037 cp65001 mbcs".split()


def attempt(function, *args):
    try:
        result = function(*args)
        return result.hex() if isinstance(result, bytes) else ascii(result)
    except Exception as error:
        return type(error).__name__ + ": " + ascii(str(error))


def halves(name, data):
    decoder = codecs.getincrementaldecoder(name)("replace")
    return "".join(decoder.decode(data[i : i + 1]) for i in range(len(data))) + decoder.decode(b"", True)


@lambda function: codecs.register_error("corpus", function)
def handler(error):
    return "<%s>" % ",".join(hex(ord(c)) for c in error.object[error.start : error.end]) if isinstance(error, UnicodeEncodeError) else ("?", error.start + 1)


def main(args, context):
    broken = [b"\xff\xfe", b"a\x80b", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f\x8e", b"\xc0\x80", b"\x81\x00", b"\x1b$B"]
    return {
        "encoded": {c: [attempt(s.encode, c) for s in SAMPLES] for c in CODECS}, "broken": {c: [attempt(b.decode, c) for b in broken] for c in ("utf-8", "utf-16", "cp1252", "shift_jis", "gb18030", "ascii", "utf-7", "iso2022_jp")},
        "handlers": {h: [attempt("aä€🎉\ud800".encode, "ascii", h), attempt(b"a\xffb\xe2\x82".decode, "utf-8", h)] for h in ("strict", "ignore", "replace", "backslashreplace", "xmlcharrefreplace", "namereplace", "surrogateescape", "surrogatepass", "corpus", "none")},
        "pieces": [halves(c, "ä€🎉z".encode(c)) for c in ("utf-8", "utf-16", "gb18030", "utf-7")] + [halves("utf-8", b"\xe2\x28\xa1")],
        "lookup": [attempt(lambda n=n: codecs.lookup(n).name) for n in ("UTF8", "Latin 1", "l1", "windows-1252", "u8", "us-ascii", "sjis", "no", "UTF_16LE", "ISO-8859-1:1987", "\u00e9")],
        "transform": [attempt(codecs.encode, "hello", "rot13"), attempt(codecs.encode, b"x" * 9, "zlib"), attempt(codecs.decode, b"68656c6c6f", "hex"), attempt(codecs.encode, b"\xff", "base64"), attempt(codecs.encode, b"x", "uu"), attempt("x".encode, "hex"), attempt(codecs.encode, b"=", "quopri")],
        "forms": {f: [attempt(unicodedata.normalize, f, s) for s in ("é", "e\u0301", "ﬁ①Å", "가", "각")] for f in ("NFC", "NFD", "NFKC", "NFKD")},
        "chars": [[unicodedata.name(c, "-"), unicodedata.category(c), unicodedata.bidirectional(c), unicodedata.combining(c), unicodedata.east_asian_width(c), unicodedata.numeric(c, None), unicodedata.decomposition(c)] for c in "aß½Ⅷ٣漢\u0301\u200b🎉ﬁ\U0001fae8"],
        "casing": [s.casefold() + "|" + s.upper() + "|" + s.title() + "|" + s.swapcase() for s in ("straße", "ﬁn", "İI", "ŉ", "ΑΣ", "ǆ", "it's")], "is": [[m for m in ("isalpha", "isdigit", "isdecimal", "isnumeric", "isidentifier", "isprintable", "isspace", "islower", "istitle") if getattr(c, m)()] for c in "aß½٣²漢\u00a0\u200b_ǅ"],
        "base": [base64.b64encode(bytes(range(9))).decode(), base64.b85encode(b"hello").decode(), base64.a85encode(b"\0\0\0\0x", adobe=True).decode(), base64.b32hexencode(b"hi").decode(), base64.z85encode(b"12345678").decode(), attempt(base64.b64decode, "abc"), attempt(lambda: base64.b64decode("a b$c=", validate=True)), attempt(base64.b32decode, "aa"), attempt(base64.b16decode, b"0g")],
        "binascii": [binascii.crc32(b"hello"), binascii.crc_hqx(b"hello", 0), attempt(binascii.unhexlify, "abc"), binascii.hexlify(b"abcd", "-", 2).decode(), quopri.encodestring("é=\t x ".encode()).decode(), attempt(bytes.fromhex, "0 1")],
        "stream": [io.TextIOWrapper(io.BytesIO("a\r\nb\u2028c\x0bd".encode()), "utf-8").readlines(), "a\r\nb\u2028c\x0bd\x1ce\x85f".splitlines(), attempt(io.TextIOWrapper(io.BytesIO(b"\xff"), "utf-8").read)],
    }
