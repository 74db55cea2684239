from charset_normalizer import detect, from_bytes, is_binary
from charset_normalizer.utils import any_specified_encoding

TEXTS = {
    "utf_8": "Příliš žluťoučký kůň úpěl ďábelské ódy. Nechť již hříšné saxofony ďáblů rozezvučí síň.",
    "cp1251": "Съешь же ещё этих мягких французских булок, да выпей чаю. В чащах юга жил бы цитрус.",
    "utf_16": "The quick brown fox jumps over the lazy dog, and so on.",
    "big5": "我能吞下玻璃而不傷身體。這是一個測試文件,用來檢查編碼。",
    "shift_jis": "いろはにほへと ちりぬるを わかよたれそ つねならむ うゐのおくやま けふこえて",
}


def main(args, context):
    found = {}
    for name, text in TEXTS.items():
        best = from_bytes(text.encode(name)).best()
        found[name] = [best.encoding, best.language, str(best) == text or str(best).lstrip("\ufeff") == text]
    return [
        found, is_binary(bytes(range(256)) * 4), is_binary(b"plain text"), any_specified_encoding(b"<meta charset=latin-1>"),
        detect("déjà vu, à bientôt; où êtes-vous? C'était très agréable".encode("latin-1"))["encoding"],
        from_bytes(b"").best().encoding,
    ]
