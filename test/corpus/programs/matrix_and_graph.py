"""Shortest paths, topological order, matrices, primes and other numerics without packages."""
import graphlib
import heapq
import math
from collections import defaultdict, deque
from fractions import Fraction
from functools import reduce

EDGES = [("a", "b", 4), ("a", "c", 1.5), ("c", "b", 2), ("b", "d", 5), ("c", "d", 8.25), ("d", "e", 3)]


def dijkstra(graph, start):
    distance, heap = {start: 0}, [(0, start)]
    while heap:
        d, node = heapq.heappop(heap)
        for other, weight in graph[node]:
            if d + weight < distance.get(other, math.inf):
                distance[other] = d + weight
                heapq.heappush(heap, (d + weight, other))
    return distance


def multiply(a, b):
    return [[math.sumprod(row, column) for column in zip(*b)] for row in a]


def solve(matrix, vector):
    rows = [[Fraction(x) for x in row] + [Fraction(v)] for row, v in zip(matrix, vector)]
    for i in range(len(rows)):
        pivot = next(r for r in range(i, len(rows)) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for r in range(len(rows)):
            if r != i:
                rows[r] = [x - rows[r][i] * y for x, y in zip(rows[r], rows[i])]
    return [str(row[-1]) for row in rows]


def sieve(n):
    flags = bytearray([1]) * (n + 1)
    flags[:2] = b"\0\0"
    for i in range(2, math.isqrt(n) + 1):
        if flags[i]:
            flags[i * i :: i] = bytes(len(range(i * i, n + 1, i)))
    return [i for i, f in enumerate(flags) if f]


def haversine(lat1, lon1, lat2, lon2):
    p1, p2 = math.radians(lat1), math.radians(lat2)
    a = math.sin((p2 - p1) / 2) ** 2 + math.cos(p1) * math.cos(p2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * 6371 * math.asin(math.sqrt(a))


def main(args, context):
    graph = defaultdict(list)
    for a, b, w in EDGES:
        graph[a].append((b, w))
    order = graphlib.TopologicalSorter({"d": {"b", "c"}, "b": {"a"}, "c": {"a"}})
    try:
        list(graphlib.TopologicalSorter({1: [2], 2: [1]}).static_order())
    except graphlib.CycleError as error:
        cycle = [str(error), sorted(set(error.args[1]))]
    fib = reduce(lambda m, _: multiply(m, [[1, 1], [1, 0]]), range(90), [[1, 0], [0, 1]])
    spectrum = [sum(v * complex(math.cos(-2 * math.pi * k * n / 8), math.sin(-2 * math.pi * k * n / 8)) for n, v in enumerate([1, 2, 3, 4, 0, 0, 1, 9])) for k in range(8)]
    queue, seen = deque(["a"]), ["a"]
    while queue:
        for other, _ in graph.get(queue.popleft(), []):
            if other not in seen:
                seen.append(other)
                queue.append(other)
    return {"distance": dijkstra(graph, "a"), "order": list(order.static_order())[::3], "cycle": cycle, "fib": fib, "solve": solve([[2, 1, -1], [-3, -1, 2], [-2, 1, 2]], [8, -11, -3]), "primes": [len(sieve(10000)), sieve(100)[-3:]], "geo": [haversine(52.52, 13.405, 48.8566, 2.3522), haversine(-33.86, 151.2, 37.77, -122.42)], "spectrum": [[s.real, s.imag, abs(s)] for s in spectrum], "bfs": seen, "sums": [math.fsum([1e16, 1, -1e16]), sum([1e16, 1, -1e16]), sum([0.1] * 10), math.prod(range(1, 21)), math.sumprod([0.1] * 3, [3, 4, 5])]}
