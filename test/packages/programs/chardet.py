import chardet
from chardet.universaldetector import UniversalDetector

TEXTS = {
    "utf-8": "Nechť již hříšné saxofony ďáblů rozezvučí síň úděsnými tóny waltzu.",
    "euc-jp": "いろはにほへと ちりぬるを わかよたれそ つねならむ うゐのおくやま けふこえて",
    "koi8-r": "Съешь же ещё этих мягких французских булок, да выпей чаю. В чащах юга жил бы цитрус.",
    "utf-16": "The quick brown fox jumps over the lazy dog.",
}


def main(args, context):
    found = {name: chardet.detect(text.encode(name))["encoding"] for name, text in TEXTS.items()}
    detector = UniversalDetector()
    for line in TEXTS["euc-jp"].encode("euc-jp").split(b" "):
        detector.feed(line)
        if detector.done:
            break
    return [found, detector.close()["encoding"], chardet.detect(b"")["encoding"], chardet.detect(b"plain")["encoding"]]
