"""Indexes documents for search: stemming, ranking, fuzzy matches, highlighting."""
# args: {"queries": ["running shoes", "Straßenbahn", "cafe", "shose", "\"red shoes\"", "-red shoes"]}
import math
import re
import unicodedata
from collections import Counter, defaultdict
from difflib import get_close_matches

DOCUMENTS = {"d1": "Red running shoes for runners who run.", "d2": "Blue shoes, café and the Strassenbahn.", "d3": "The runner ran to the Café; red red wine.", "d4": "Nothing here: 42 items & more…"}
STOP = set("the and for to who".split())


def fold(text):
    text = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in text if not unicodedata.combining(c))


def terms(text):
    for word in re.findall(r"\w+", fold(text)):
        if word not in STOP:
            yield re.sub(r"(?:nn)?(?:ing|ers?|s)$", "", word) if len(word) > 4 else word


class Index:
    def __init__(self, documents):
        self.postings, self.lengths = defaultdict(Counter), {}
        for name, text in documents.items():
            words = list(terms(text))
            self.lengths[name] = len(words)
            for word in words:
                self.postings[word][name] += 1
        self.average = sum(self.lengths.values()) / len(self.lengths)

    def score(self, words):
        scores = Counter()
        for word in words:
            found = self.postings.get(word) or {}
            idf = math.log(1 + (len(self.lengths) - len(found) + 0.5) / (len(found) + 0.5))
            for name, n in found.items():
                scores[name] += idf * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * self.lengths[name] / self.average))
        return scores

    def search(self, query):
        phrases, without = re.findall(r'"([^"]+)"', query), set(terms(" ".join(re.findall(r"-(\w+)", query))))
        words = [w for w in terms(re.sub(r"-\w+", "", query))]
        fixed = [w if w in self.postings else (get_close_matches(w, self.postings, 1, 0.6) or [w])[0] for w in words]
        hits = [(n, s) for n, s in self.score(fixed).items() if all(fold(p) in fold(DOCUMENTS[n]) for p in phrases) and not any(n in self.postings[w] for w in without & self.postings.keys())]
        return [fixed, [[n, round(s, 9)] for n, s in sorted(hits, key=lambda h: (-h[1], h[0]))]]


def main(args, context):
    index = Index(DOCUMENTS)
    return {"terms": {n: list(terms(t)) for n, t in DOCUMENTS.items()}, "results": {q: index.search(q) for q in args["queries"]}, "vocabulary": sorted(index.postings), "marked": re.sub(r"(?i)\b(red|shoes?)\b", r"**\1**", DOCUMENTS["d1"])}
