"""LZW, Huffman, run lengths, Base58, Levenshtein, Luhn and roman numerals, by hand."""
# args: {"text": "TOBEORNOTTOBEORTOBEORNOT ää"}
import heapq
import itertools
from collections import Counter

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def lzw(data):
    table, word, out = {bytes([i]): i for i in range(256)}, b"", []
    for byte in data:
        both = word + bytes([byte])
        if both in table:
            word = both
        else:
            out.append(table[word])
            table[both] = len(table)
            word = bytes([byte])
    return out + [table[word]] if word else out


def huffman(text):
    order = itertools.count()
    heap = [(n, next(order), c) for c, n in sorted(Counter(text).items())]
    heapq.heapify(heap)
    while len(heap) > 1:
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (a[0] + b[0], next(order), (a[2], b[2])))
    codes = {}
    def walk(node, prefix):
        if isinstance(node, tuple):
            walk(node[0], prefix + "0")
            walk(node[1], prefix + "1")
        else:
            codes[node] = prefix or "0"
    walk(heap[0][2], "")
    return codes


def base58(data):
    n, out = int.from_bytes(data), ""
    while n:
        n, r = divmod(n, 58)
        out = ALPHABET[r] + out
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + out


def levenshtein(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def luhn(number):
    digits = [int(d) for d in number if d.isdigit()][::-1]
    return sum(d if i % 2 == 0 else sum(divmod(d * 2, 10)) for i, d in enumerate(digits)) % 10 == 0


def roman(n):
    pairs = zip((1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1), "M CM D CD C XC L XL X IX V IV I".split())
    return "".join(s * (c := n // v, n := n - c * v)[0] for v, s in pairs)


def iban(text):
    moved = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in moved[4:] + moved[:4])) % 97 == 1


def main(args, context):
    text = args["text"]
    codes = huffman(text)
    bits = "".join(codes[c] for c in text)
    return {"lzw": lzw(text.encode()), "huffman": codes, "packed": int("1" + bits, 2).to_bytes((len(bits) + 8) // 8).hex(), "rle": [[k, len(list(g))] for k, g in itertools.groupby("aaabccd")], "base58": [base58(b"\0\0hello"), base58(text.encode())], "levenshtein": [levenshtein("kitten", "sitting"), levenshtein("", "äö")], "luhn": [luhn("4539 1488 0343 6467"), luhn("1234")], "roman": [roman(n) for n in (4, 1994, 3999)], "iban": [iban("DE89 3704 0044 0532 0130 00"), iban("GB00 X")], "gray": [f"{n ^ n >> 1:04b}" for n in range(8)], "collatz": max(range(1, 500), key=lambda n: collatz(n)), "big": str(3**500)[-30:], "perfect": [n for n in range(2, 500) if sum(d for d in range(1, n) if n % d == 0) == n]}


def collatz(n):
    steps = 0
    while n != 1:
        n, steps = (n // 2 if n % 2 == 0 else 3 * n + 1), steps + 1
    return steps
