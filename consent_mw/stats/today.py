"""
How many visits were asked today so far: told in round steps, and late by an amount that nobody can compute.

The day's exact number is published tomorrow. Whoever asked all day and saw a number rise at noon could subtract, and
learn how many came after noon: a small group. So only the steps 10, 20, 50, 100 and so on are told, and each only once
the count has passed it by a part of its size that the site's key draws anew for every day and step. What is seen to
happen at noon is then that the count passed a number which the onlooker does not know.
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
    Return a number that at least so many visits of today reach, or None while there are too few to tell.

    Args:
        counts: The raw counters, today's included.
        today: Whole days since 1970-01-01 UTC.
        key: The site's newest key; the same in every process.
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
    """Return the step after this one: 10, 20, 50, 100, 200, 500 and so on."""
    return step * 5 // 2 if str(step)[0] == "2" else step * 2


def _delay(step: int, today: int, key: str, site: str) -> int:
    """Return from 0 to step - 1: by how much the count must have passed the step."""
    drawn = hmac.digest(key.encode(), f"consent_mw today {site} {today} {step}".encode(), sha256)
    return int.from_bytes(drawn, "big") % step
