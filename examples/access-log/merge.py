"""Add up the counts of all chunks."""

from collections import Counter
from typing import Any


def main(args: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Return the sums, and the share of requests that failed on the server.

    args has "chunks", the results of main.py.
    """
    statuses: Counter[str] = Counter()
    slow: Counter[str] = Counter()
    for chunk in args["chunks"]:
        statuses.update(chunk["statuses"])
        slow.update(chunk["slow"])
    requests = statuses.total()
    return {
        "lines": sum(chunk["lines"] for chunk in args["chunks"]),
        "unreadable": sum(chunk["unreadable"] for chunk in args["chunks"]),
        "statuses": dict(sorted(statuses.items())),
        "error_rate": round(statuses["5xx"] / requests, 4) if requests else 0,
        "slowest": slow.most_common(3),
    }
