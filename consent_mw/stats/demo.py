"""
Synthetic visits for a demonstration, counted and published like real ones.

Visits vary by weekday, the site grows slightly, and phones answer differently from desktops. After the middle of the
period the notice changes, and fewer visitors accept.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice

from consent_mw.core import counts as c
from consent_mw.core.counts import Count

__all__ = ["in_batches", "visits"]

#: Browser, system, weight, and acceptance rate.
_DEVICES = (
    ("chrome", "windows", 210, 1.0),
    ("chrome", "android", 190, 1.15),
    ("safari", "ios", 200, 0.9),
    ("safari", "macos", 60, 0.85),
    ("chrome", "macos", 50, 0.95),
    ("edge", "windows", 70, 1.05),
    ("firefox", "windows", 40, 0.6),
    ("firefox", "linux", 22, 0.45),
    ("samsung-internet", "android", 40, 1.2),
    ("in-app", "ios", 45, 1.3),
    ("in-app", "android", 40, 1.3),
    ("chrome", "ios", 18, 1.0),
    ("chrome", "chromeos", 14, 1.1),
    ("opera", "windows", 10, 0.9),
    ("brave", "windows", 8, 0.3),
    ("duckduckgo", "android", 6, 0.4),
)
_PROVIDERS = {
    "comcast.net": 60,
    "t-ipconnect.de": 58,
    "virginm.net": 44,
    "btcentralplus.com": 42,
    "vodafone-ip.de": 36,
    "sky.com": 30,
    "orange.fr": 26,
    "proxad.net": 22,
    "verizon.net": 20,
    "telefonica.de": 18,
    "kpn.net": 12,
    "swisscom.ch": 8,
    "telenet.be": 7,
    "ziggo.nl": 7,
    "zen.co.uk": 3,
    c.UNKNOWN: 90,
}
#: The share of partial grants that include a purpose.
_LIKED = {"preferences": 0.75, "analytics": 0.55, "embeds": 0.5, "marketing": 0.2}
#: The share of those who accept or reject everything that open the choices before.
_CURIOUS = 0.06
#: From Monday to Sunday.
_WEEK = (1.08, 1.1, 1.06, 1.02, 0.95, 0.84, 0.95)


def visits(
    first: int,
    last: int,
    *,
    purposes: Sequence[str],
    languages: Sequence[str],
    daily: int = 1500,
    seed: int = 1,
) -> Iterator[dict[Count, int]]:
    """
    Yield the counts of each day.

    Args:
        first: The first day, as whole days since 1970-01-01 UTC.
        last: The last day.
        purposes: The ids of the purposes that the banner asks for.
        languages: Languages of the banner, most common first.
        daily: Approximate visits per day.
        seed: The same seed produces the same visits.
    """
    chance = random.Random(seed)  # noqa: S311  (nothing here is secret)
    days = last - first + 1
    changed = first + (days * 4) // 7
    for day in range(first, last + 1):
        growth = 1 - 0.4 * (last - day) / max(days, 365)
        number = int(daily * growth * _WEEK[(day + 3) % 7] * chance.uniform(0.92, 1.08))
        yield _day(day, number, day >= changed and days > 1, purposes, languages, chance)


def in_batches(made: Iterable[Mapping[Count, int]], days: int = 28) -> Iterator[dict[Count, int]]:
    """
    Combine the counts of several days, since a store waits for the disk once for each addition.

    Args:
        made: The counts of each day, as :func:`visits` yields them.
        days: How many days to combine: some 5,000 counters, which a store adds in about 50 ms.
    """
    each = iter(made)
    while several := list(islice(each, days)):
        found: Counter[Count] = Counter()
        for day in several:
            found.update(day)
        yield dict(found)


def _day(
    day: int, number: int, changed: bool, purposes: Sequence[str], languages: Sequence[str], chance: random.Random
) -> dict[Count, int]:
    # Plain tuples, since most of the time goes into their hashes.
    found: Counter[tuple[int, str, str, str]] = Counter()

    def add(table: str, values: Sequence[str], outcomes: Sequence[str], on: int = day) -> None:
        for (value, outcome), many in Counter(zip(values, outcomes, strict=True)).items():
            found[on, table, value, c.ASKED] += many
            if outcome:
                found[on, table, value, outcome] += many

    accept, partial = (0.26, 0.07) if changed else (0.34, 0.05)
    tongues = [1 / (1 + at) ** 1.7 for at in range(len(languages))]
    devices = Counter(chance.choices(_DEVICES, [weight for *_, weight, _ in _DEVICES], k=number))
    for (browser, system, _, ready), many in devices.items():
        ways = (accept * ready, partial, 0.22)
        outcomes = chance.choices((c.ACCEPT, c.PARTIAL, c.REJECT, ""), (*ways, 1 - sum(ways)), k=many)
        add(c.TOTAL, [""] * many, outcomes)
        add(c.BROWSER, [browser] * many, outcomes)
        add(c.OS, [system] * many, outcomes)
        add(c.VARIANT, ["bar"] * many, outcomes)
        add(c.LANGUAGE, chance.choices(languages, tongues, k=many), outcomes)
        add(c.SIGNAL, chance.choices(("gpc", "none"), (0.04, 0.96), k=many), outcomes)
        providers = chance.choices(list(_PROVIDERS), list(_PROVIDERS.values()), k=many)
        add(c.ISP, providers, outcomes, day - (day + 3) % 7)
        for outcome in outcomes:
            if outcome == c.PARTIAL or (outcome and chance.random() < _CURIOUS):
                found[day, c.TOTAL, "", c.OPENED] += 1
            if outcome == c.PARTIAL and len(purposes) > 1:
                found.update((day, c.PURPOSE, purpose, outcome) for purpose in _part(purposes, chance))
        for purpose in purposes:
            found[day, c.PURPOSE, purpose, c.ACCEPT] += outcomes.count(c.ACCEPT)
    # A placeholder that looks like the hash of a notice.
    revision = sha256(b"after" if changed else b"before").hexdigest()[:12]
    found[day, c.REVISION, revision, c.ASKED] += number
    found[day, c.TOTAL, "", c.SHOWN] += int(number * chance.uniform(2.1, 2.6))
    found[day, c.TOTAL, "", c.GPC] += int(number * chance.uniform(0.03, 0.05))
    found[day, c.TOTAL, "", c.WITHDRAW] += int(number * chance.uniform(0.004, 0.009))
    return {Count(*key): many for key, many in found.items() if many}


def _part(purposes: Sequence[str], chance: random.Random) -> Sequence[str]:
    """Return at least one purpose, but not all."""
    chosen = [purpose for purpose in purposes if chance.random() < _LIKED.get(purpose, 0.4)]
    if not chosen:
        return [chance.choice(purposes)]
    if len(chosen) == len(purposes):
        chosen.remove(chance.choice(chosen))
    return chosen
