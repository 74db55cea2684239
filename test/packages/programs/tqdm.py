import io
import re

from tqdm import tqdm, trange
from tqdm.auto import tqdm as auto
from tqdm.contrib import tenumerate, tzip
from tqdm.contrib.concurrent import thread_map


def shown(text):
    """Return the last line of a bar without what depends on the clock."""
    last = text.getvalue().split("\r")[-1]
    return re.sub(r"\|.*\|", "||", re.sub(r"\[.*", "", last)).rstrip()


def main(args, context):
    lines = []
    text = io.StringIO()
    total = sum(tqdm(range(50), desc="sum", file=text, ncols=60, ascii=True, mininterval=0))
    lines.append(shown(text))
    text = io.StringIO()
    with tqdm(total=2048, unit="B", unit_scale=True, unit_divisor=1024, file=text, ncols=50) as bar:
        bar.update(1024)
        bar.set_postfix(part="a")
        bar.write("between", file=text)
        bar.update(512)
    lines += [shown(text), "between" in text.getvalue(), bar.n]
    quiet = io.StringIO()
    pairs = [[i, a, b] for (i, a), b in tzip(tenumerate("ab", file=quiet), "xy", file=quiet)]
    doubled = thread_map(lambda n: 2 * n, range(5), file=quiet, max_workers=2)
    return [
        total, lines, pairs, doubled, list(auto(range(2), disable=True)), len(list(trange(3, file=quiet, leave=False))), tqdm.format_sizeof(123456, "B"), tqdm.format_interval(3725),
        tqdm.format_meter(3, 10, 6, ncols=70, ascii=" #", prefix="p"), tqdm.format_num(1234567),
    ]
