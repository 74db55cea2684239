"""An inventory kept in the containers of collections, heapq, bisect and array."""
import bisect
import heapq
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, abc, defaultdict, deque, namedtuple


class LRU(OrderedDict):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def __getitem__(self, key):
        value = super().__getitem__(key)
        self.move_to_end(key)
        return value

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        if len(self) > self.size:
            self.popitem(last=False)


class Folded(UserDict):
    def __setitem__(self, key, value):
        super().__setitem__(key.casefold(), value)

    def __missing__(self, key):
        return self[key.casefold()] if key != key.casefold() else None


def attempt(function):
    try:
        return repr(function())
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def main(args, context):
    Item = namedtuple("Item", "name price tags", defaults=[()])
    cache = LRU(2)
    for key in "abac":
        cache[key] = key.upper() if key not in cache else cache[key]
    stock = Counter({"nut": 3, "bolt": 0, "cog": -2})
    stock.update(["nut", "gear"])
    folded = Folded(Straße=1)
    queue = deque(range(5), maxlen=3)
    queue.rotate(1)
    queue.extendleft([9])
    chain = ChainMap({"a": 1}, {"a": 2, "b": 3}).new_child({"c": 4})
    heap = [5, 1, 4]
    heapq.heapify(heap)
    grouped = defaultdict(lambda: defaultdict(list))
    grouped["x"]["y"].append(1)
    rows = [("b", 2), ("a", 2), ("c", 1)]
    mutated = {1: 1, 2: 2}
    return {
        "lru": list(cache.items()), "counter": [stock.most_common(2), repr(+stock), repr(-stock), repr(stock & Counter(nut=1)), repr(stock | Counter(cog=5)), stock.total(), sorted(Counter("abca").elements()), repr(stock - Counter("nut")), Counter(a=1) <= Counter(a=2)], "folded": [folded["STRASSE"], "strasse" in folded, repr(folded)],
        "deque": [repr(queue), queue.index(9), attempt(lambda: queue.remove(77)), attempt(lambda: deque([1]).insert(9, 9)), repr(deque("ab") + deque("c")), attempt(lambda: deque([1], maxlen=1).insert(0, 2)), attempt(deque().pop)], "chain": [dict(chain), chain["a"], list(chain), chain.maps[0], attempt(lambda: chain.pop("a")), attempt(lambda: chain["zz"])],
        "item": [repr(Item("x", 1)), Item("x", 1)._asdict(), repr(Item("x", 1)._replace(price=2)), Item._fields, attempt(lambda: Item()), attempt(lambda: Item("x", 1)._replace(no=1)), attempt(lambda: namedtuple("T", "a a")), repr(namedtuple("T", "class 1x ok", rename=True)(1, 2, 3))], "heap": [heapq.heappushpop(heap, 0), heapq.heapreplace(heap, 7), heapq.nsmallest(2, rows, key=lambda r: r[1]), heapq.nlargest(2, rows), list(heapq.merge([1, 4], [2, 3], reverse=False)), attempt(lambda: heapq.heappop([])), heap],
        "bisect": [bisect.bisect([1, 2, 2, 3], 2), bisect.bisect_left([1, 2, 2, 3], 2), bisect.bisect(rows[::-1], 1, key=lambda r: r[1]), attempt(lambda: bisect.insort([1], "a"))], "grouped": repr(dict(grouped["x"])), "sorted": [sorted(rows, key=lambda r: r[1]), sorted(rows, key=lambda r: r[1], reverse=True), sorted("bAc", key=str.lower), attempt(lambda: sorted([1, "a"])), sorted([3, 1, 2], key=lambda x: -x), min(rows, key=lambda r: r[1]), max([], default="none")],
        "dict": [list({3: 1, 1: 2, 2: 3}), {"a": 1} | {"b": 2}, attempt(lambda: [mutated.pop(k) for k in mutated]), list(reversed({"a": 1, "b": 2})), {1: "a", True: "b", 1.0: "c"}, attempt(lambda: {[]: 1}), dict.fromkeys("ab", 0), attempt(lambda: {}.popitem()), {"a": 1}.items() & {("a", 1)} == {("a", 1)}, attempt(lambda: dict([(1, 2, 3)]))].__repr__(),
        "sets": [sorted({1, 2} ^ {2, 3}), {1} < {1, 2}, attempt(lambda: {[1]}), attempt(lambda: {1}.remove(2)), sorted(frozenset("ab") | {"c"}), {1, 2}.isdisjoint([3]), attempt(lambda: set().pop())], "abc": [isinstance([], abc.MutableSequence), isinstance({}.keys(), abc.Set), issubclass(dict, abc.Mapping), isinstance(iter([]), abc.Iterator), isinstance(len, abc.Callable), isinstance("", abc.Sequence), isinstance(b"", abc.Buffer)], "user": [repr(UserList([3, 1]).copy()), UserString("abc").upper() == "ABC", repr(UserString("x") * 2)],
        "list": [[1, 2, 3].index(3), attempt(lambda: [].pop()), attempt(lambda: [1].remove(2)), [1, 2, 3, 4][::-2], attempt(lambda: [][0]), [0] * 3, attempt(lambda: [1, 2].__setitem__(slice(0, 4, 2), [1])), [*"ab", *range(2)], attempt(lambda: [1] + (2,))].__repr__(),
    }
