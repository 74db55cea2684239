"""Count the requests in a chunk of a web server's access log: one task of a job.

The job calls main once per chunk, several chunks at once. merge.py adds up the results.
"""

import os
import re
from collections import Counter
from typing import Any

# The Common Log Format, followed by the time that the request took, in milliseconds.
LINE = re.compile(
    r'\S+ \S+ \S+ \[[^]]+\] "(?P<method>[A-Z]+) (?P<path>\S+) [^"]*"'
    r" (?P<status>\d{3}) \S+ (?P<ms>\d+)"
)


def main(args: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Return the counts of one chunk: lines, requests per class of status, slow paths.

    args has "lines", a list of strings. The job sets SLOW_MS: a request that took at least
    as many milliseconds counts as slow.
    """
    limit = int(os.environ.get("SLOW_MS", "1000"))
    statuses: Counter[str] = Counter()
    slow: Counter[str] = Counter()
    unreadable = 0
    for line in args["lines"]:
        match = LINE.fullmatch(line)
        if match is None:
            print("cannot read", repr(line))  # goes to the log of this task
            unreadable += 1
            continue
        statuses[match["status"][0] + "xx"] += 1
        if int(match["ms"]) >= limit:
            slow[match["path"].partition("?")[0]] += 1
    return {
        "lines": len(args["lines"]),
        "unreadable": unreadable,
        "statuses": statuses,
        "slow": slow,
    }
