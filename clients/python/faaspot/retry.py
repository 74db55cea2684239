"""When a request is sent again."""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Retry:
    """How often a request is sent, and for how long.

    A request is sent again after 429 and 503, with which a server says that it
    did nothing, and after a lost connection if doing it twice does no harm. In
    between is the time that the server asks for by Retry-After, else one that
    doubles from first_delay to longest_delay. Either varies at random, so that
    clients that failed together do not come again together.

    attempts       requests in all, the first one included; 1: never again
    total          seconds after the first failure within which the last request
                   is begun; a longer wait is not begun
    first_delay    seconds
    longest_delay  seconds; what the server asks for is not cut to it
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
        """Seconds to wait after the attempt of this number, from 1. chance is
        random, from 0 to 1. What the server asks for is a minimum."""
        # The exponent is bounded: attempts may be many, and floats end at 2**1024.
        doubled = min(self.first_delay * 2.0 ** min(attempt - 1, 60), self.longest_delay)
        if retry_after is not None:
            return retry_after + self.first_delay * chance
        return doubled * (1 - chance / 2)


NEVER = Retry(attempts=1)


def parse_retry_after(value: Optional[str], now: Optional[float] = None) -> Optional[float]:
    """Seconds that the header Retry-After asks for: a number, or a date as in
    RFC 9110. None if it is absent or neither. now is in seconds since 1970."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Longer numbers mean nothing, and floats of them do not exist.
        return float(value[:9])
    try:
        date = email.utils.parsedate_to_datetime(value)
        return max(0.0, date.timestamp() - (time.time() if now is None else now))
    except (TypeError, ValueError, OverflowError):
        return None
