"""Finds duplicate customers by keys, phonetic codes and similarity, and merges them."""
# args: {"customers": [{"id": 1, "name": "Jürgen Müller", "mail": "J.Mueller@Example.com ", "phone": "+49 (30) 1234-567"}, {"id": 2, "name": "Juergen Mueller", "mail": "jmueller@example.com", "phone": "0301234567"}, {"id": 3, "name": "Ana María Lopez", "mail": null, "phone": ""}, {"id": 4, "name": "LÓPEZ, Ana Maria", "mail": "ana@lopez.es"}, {"id": 5, "name": "Robert Smith", "mail": "rob@x.org"}, {"id": 6, "name": "Rupert Smyth", "mail": "rob+news@x.org"}, {"id": 7, "name": "李小龍", "mail": "li@x.org"}]}
import re
import unicodedata
from collections import defaultdict
from difflib import SequenceMatcher
from itertools import combinations

CODES = {c: d for d, group in {"1": "bfpv", "2": "cgjkqsxz", "3": "dt", "4": "l", "5": "mn", "6": "r"}.items() for c in group}


def plain(text):
    text = re.sub("[äöüß]", lambda m: {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"}[m[0]], text.lower())
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


def words(name):
    last, comma, first = name.partition(",")
    return sorted(re.findall(r"\w+", plain(f"{first} {last}" if comma else name)))


def soundex(word):
    if not word.isascii():
        return word
    digits = re.sub(r"(\d)\1+", r"\1", "".join(CODES.get(c, "" if c in "hw" else "0") for c in word))
    return (word[0].upper() + digits[1 if word[0] in CODES else 0 :].replace("0", "") + "000")[:4]


def mail(text):
    user, _, host = (text or "").strip().lower().partition("@")
    return f"{user.partition('+')[0].replace('.', '')}@{host}" if host else None


def phone(text):
    digits = re.sub(r"\D", "", re.sub(r"^\+49\s*\(?0?", "0", text or ""))
    return digits or None


class Groups:
    def __init__(self):
        self.parent = {}

    def find(self, x):
        self.parent.setdefault(x, x)
        while self.parent[x] != x:
            self.parent[x] = x = self.parent[self.parent[x]]
        return x

    def join(self, a, b):
        self.parent[self.find(b)] = self.find(a)


def main(args, context):
    customers, groups, reasons = args["customers"], Groups(), []
    for a, b in combinations(customers, 2):
        x, y = words(a["name"]), words(b["name"])
        ratio = SequenceMatcher(None, " ".join(x), " ".join(y)).ratio()
        same = {"mail": mail(a.get("mail")) == mail(b.get("mail")) is not None, "phone": phone(a.get("phone")) == phone(b.get("phone")) is not None, "name": ratio > 0.9, "sound": list(map(soundex, x)) == list(map(soundex, y))}
        score = sum(w for k, w in {"mail": 3, "phone": 2, "name": 2, "sound": 1}.items() if same[k])
        if score >= 2:
            groups.join(a["id"], b["id"])
            reasons.append([a["id"], b["id"], score, round(ratio, 12), sorted(k for k in same if same[k])])
    merged = defaultdict(list)
    for c in customers:
        merged[groups.find(c["id"])].append(c)
    return {"reasons": reasons, "groups": [[c["id"] for c in g] for g in merged.values()], "best": [max(g, key=lambda c: (len(c["name"]), -c["id"]))["name"] for g in merged.values()], "keys": [[words(c["name"]), [soundex(w) for w in words(c["name"])], mail(c.get("mail")), phone(c.get("phone"))] for c in customers]}
