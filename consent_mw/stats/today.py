"""
How many visits were asked today so far: in round steps, each reported with a secret delay.

The day's exact number is published tomorrow. Someone who queried all day and saw a number rise at noon could subtract
it, and learn how many visits came after noon, which may be a small group. So only the steps 10, 20, 50, 100 and so on
are reported, and each only after the count has exceeded it by a pseudorandom part of its size, which depends on the
site's key, the day and the step. A rise at noon then only shows that the count passed a number that the observer cannot
know.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from consent_mw.core.counts import ASKED
from consent_mw.core.counts import TOTAL
from consent_mw.core.counts import Count
from consent_mw.core.counts import K

__all__ = ["so_far"]


def so_far(counts: Mapping[Count, int], today: int, key: str, site: str) -> int | None:
    """
    Return a lower bound of today's visits that were asked, or None if there are too few.

    Args:
        counts: The raw counters, today's included.
        today: Whole days since 1970-01-01 UTC.
        key: The site's newest key, which is the same in every process.
        site: The site's id.
    """
    asked = counts.get(Count(today, TOTAL, "", ASKED), 0)
    told, step = None, K
    while step <= asked:
        if asked >= step + _delay(step, today, key, site):
            told = step
        step = _next(step)
    return told


def _next(step: int) -> int:
    """Return the next step: 10, 20, 50, 100, 200, 500 and so on."""
    return step * 5 // 2 if str(step)[0] == "2" else step * 2


def _delay(step: int, today: int, key: str, site: str) -> int:
    """Return by how much the count must exceed the step: 0 to step - 1."""
    drawn = hmac.digest(key.encode(), f"consent_mw today {site} {today} {step}".encode(), sha256)
    return int.from_bytes(drawn, "big") % step
