"""Decides when a failed request is sent again."""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Retry:
    """How often a request is sent, and for how long.

    A request is retried after status 429 or 503, by which a server reports that it did nothing, and
    after a lost connection if sending it twice does no harm. The client waits for as long as the
    server asks in Retry-After, else for a delay that doubles from first_delay to longest_delay.
    Both vary at random, so that clients that failed together do not retry together.

    attempts       maximum number of requests, including the first; 1: never retry
    total          seconds after the first failure within which the last attempt starts; a delay
                   that would end later is not waited for
    first_delay    seconds, above 0
    longest_delay  seconds, at least first_delay; it does not bound Retry-After

    Raises ValueError if a value is out of bounds.
    """

    attempts: int = 16
    total: float = 60.0
    first_delay: float = 0.25
    longest_delay: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1: the first request counts")
        if not (self.total >= 0 and 0 < self.first_delay <= self.longest_delay):
            raise ValueError("total must not be negative, and first_delay not above longest_delay")

    def delay(self, attempt: int, retry_after: Optional[float], chance: float) -> float:
        """Seconds to wait after attempt number attempt, from 1. retry_after is the minimum that the
        server requests, in seconds; chance is a random number from 0 to 1."""
        # The exponent is bounded because attempts may be many and floats end at 2**1024.
        doubled = min(self.first_delay * 2.0 ** min(attempt - 1, 60), self.longest_delay)
        if retry_after is not None:
            return retry_after + self.first_delay * chance
        return doubled * (1 - chance / 2)


def parse_retry_after(value: Optional[str], now: Optional[float] = None) -> Optional[float]:
    """Seconds that a header Retry-After requests: a number, or a date as in RFC 9110. None if the
    header is absent or neither. now is in seconds since 1970."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Nine digits are 31 years; a float of thousands of digits does not exist.
        return float(value[:9])
    try:
        date = email.utils.parsedate_to_datetime(value)
        return max(0.0, date.timestamp() - (time.time() if now is None else now))
    except (TypeError, ValueError, OverflowError):
        return None
