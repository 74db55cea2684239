"""Translates messages with gettext: compiled catalogues, plurals, contexts and fallbacks."""
import gettext
import os
import struct
import tempfile

CATALOG = {"": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=3; plural=n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2;\n", "Hello": "Привет", "menu\x04Open": "Открыть", "%d file\x00%d files": "%d файл\x00%d файла\x00%d файлов"}


def compiled(catalog):
    ids, strings, offsets = b"", b"", []
    for key in sorted(catalog):
        k, v = key.encode(), catalog[key].encode()
        offsets.append((len(ids), len(k), len(strings), len(v)))
        ids += k + b"\0"
        strings += v + b"\0"
    n = len(offsets)
    base = 28 + 16 * n
    keys = b"".join(struct.pack("<II", l, o + base) for o, l, _, _ in offsets)
    values = b"".join(struct.pack("<II", l, o + base + len(ids)) for _, _, o, l in offsets)
    return struct.pack("<7I", 0x950412DE, 0, n, 28, 28 + 8 * n, 0, 0) + keys + values + ids + strings


def main(args, context):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "ru", "LC_MESSAGES")
        os.makedirs(path)
        with open(os.path.join(path, "app.mo"), "wb") as f:
            f.write(compiled(CATALOG))
        t = gettext.translation("app", folder, ["ru_RU.UTF-8", "en"])
        try:
            gettext.translation("app", folder, ["fr"])
        except FileNotFoundError as error:
            missing = [error.strerror, error.filename]
        fallback = gettext.translation("none", folder, fallback=True)
        return {"plain": [t.gettext("Hello"), t.gettext("Bye"), t.pgettext("menu", "Open"), t.charset(), t.info()["content-type"]], "plural": [t.ngettext("%d file", "%d files", n) % n for n in (0, 1, 2, 5, 11, 21, 112)], "missing": missing, "fallback": [fallback.gettext("Hello"), fallback.ngettext("a", "b", 2)], "found": os.path.relpath(gettext.find("app", folder, ["ru"]), folder)}
