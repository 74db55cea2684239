"""Reads pages of several sources lazily, merges them by time, and resumes from a cursor."""
# args: {"limit": 7}
import base64
import heapq
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

START = datetime(2024, 12, 31, 23, 58, tzinfo=UTC)


class Source:
    def __init__(self, name, step, size, count):
        self.name, self.step, self.size, self.count, self.calls = name, step, size, count, 0

    def page(self, after=0):
        self.calls += 1
        items = [{"id": n, "source": self.name, "at": START + timedelta(seconds=self.step * n)} for n in range(after, min(after + self.size, self.count))]
        if self.name == "c" and after >= 4:
            raise ConnectionError(f"{self.name} lost at {after}")
        return {"items": items, "next": after + self.size if after + self.size < self.count else None}

    def __iter__(self) -> Iterator[dict]:
        cursor = 0
        while cursor is not None:
            page = self.page(cursor)
            yield from page["items"]
            cursor = page["next"]

    def from_item(self, n):
        return itertools.dropwhile(lambda item: item["id"] < n, self)


def safe(items, errors):
    try:
        yield from items
    except ConnectionError as error:
        errors.append(str(error))


def encode(positions):
    return base64.urlsafe_b64encode(json.dumps(positions, sort_keys=True).encode()).decode()


def read(sources, limit, cursor=None):
    positions = json.loads(base64.urlsafe_b64decode(cursor)) if cursor else {s.name: 0 for s in sources}
    errors = []
    merged = heapq.merge(*(safe(s.from_item(positions[s.name]), errors) for s in sources), key=lambda i: (i["at"], i["source"]))
    items = list(itertools.islice(merged, limit))
    for item in items:
        positions[item["source"]] = item["id"] + 1
    return [f"{i['source']}{i['id']}@{i['at']:%H:%M:%S}" for i in items], encode(positions) if len(items) == limit else None, errors


def main(args, context):
    sources = [Source("a", 10, 3, 8), Source("b", 25, 2, 5), Source("c", 7, 4, 9)]
    pages, cursor = [], None
    for _ in range(10):
        items, cursor, errors = read(sources, args["limit"], cursor)
        pages.append([items, errors, cursor])
        if cursor is None:
            break
    unique = list(dict.fromkeys(i for page in pages for i in page[0]))
    return {"pages": pages, "unique": len(unique) == sum(len(p[0]) for p in pages), "calls": {s.name: s.calls for s in sources}, "lazy": next(iter(Source("z", 1, 2, 10**9)))["at"].isoformat(), "last": max(i.partition("@")[2] for i in unique)}
