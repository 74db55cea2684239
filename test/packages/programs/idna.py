import idna
import idna.codec

NAMES = ["bücher.example", "ドメイン.テスト", "правда.рф", "faß.de", "a..b", "-a.de", "x" * 64 + ".de", "☃.net", "Königsgäßchen", "xn--zckzah"]


def outcome(function, name, **options):
    try:
        return str(function(name, **options))
    except idna.IDNAError as error:
        return [type(error).__name__, str(error)]


def main(args, context):
    return [
        [outcome(idna.encode, name) for name in NAMES], [outcome(idna.encode, name, uts46=True, transitional=False) for name in NAMES],
        outcome(idna.decode, "xn--bcher-kva.example"), outcome(idna.decode, b"xn--a"), idna.alabel("テスト").decode(),
        idna.ulabel(b"xn--4gbwdl"), idna.uts46_remap("ＦＡＳＳ．de"), "tschüß.de".encode("idna2008").decode(),
    ]
