"""
The cost of counting per page view, compared with the time of the page itself in this process.

The cost is the CPU time of the thread that serves the page, as counted by the kernel. Visitors never wait for name
servers, so these are replaced by immediate answers.
"""

from __future__ import annotations

import random
import secrets
import tempfile
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.pages import make_page
from consent_mw.config import load
from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import BannerShown
from consent_mw.core.counts import Count
from consent_mw.core.model import Site
from consent_mw.counting.ptr import PtrLookup
from consent_mw.counting.tally import Tally
from consent_mw.engine import Engine
from consent_mw.http.request import RequestHead
from consent_mw.records import open_records

#: The goal for a page view without a new user agent, in microseconds.
GOAL = 20.0
HEAD = ("event", "time, us", "share of a page of 50 KB")
#: Fewer than the queue of lookups can hold, so that none is rejected.
BATCH = 200
PAGE = 50_000
REMOTE = "73.22.11.5"

_CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131 Safari/537.36"
#: A first visit as Chrome sends it through one proxy.
VISIT = RequestHead(
    "GET",
    "https",
    "shop.example",
    "/",
    "",
    (
        ("host", "shop.example"),
        ("cache-control", "max-age=0"),
        ("sec-ch-ua", '"Google Chrome";v="131", "Chromium";v="131", "Not_A Brand";v="24"'),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", '"Windows"'),
        ("upgrade-insecure-requests", "1"),
        ("user-agent", _CHROME),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-user", "?1"),
        ("sec-fetch-dest", "document"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-GB,en;q=0.9"),
        ("cookie", "session=5bd1c1f0a7e34f0f; theme=dark"),
        ("x-forwarded-for", REMOTE),
    ),
)


@dataclass(frozen=True, slots=True)
class Added:
    """The cost of one kind of event, in microseconds; ``goal`` says whether the goal applies to it."""

    event: str
    microseconds: float
    page: float
    goal: bool


class _Sink:
    """A store that discards everything, since writing is not part of a page view."""

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Discard the counts."""


class _AtOnce(PtrLookup):
    """Lookups that go through the queue and its threads, but are answered without a query."""

    def _resolve(self, address: str) -> str:
        return "isp.example"


def changed(**headers: str) -> RequestHead:
    """Return the visit with other values for some headers; ``_`` in a name means a hyphen."""
    values = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(VISIT, headers=tuple((name, values.get(name, value)) for name, value in VISIT.headers))


def _timed(act: Callable[[int], object], rounds: int, rest: Callable[[], object]) -> float:
    """Return the median microseconds of ``act``, in rounds of one batch with a rest after each."""
    found = []
    for number in range(rounds):
        begun = time.thread_time()
        for place in range(BATCH):
            act(number * BATCH + place)
        found.append((time.thread_time() - begun) / BATCH * 1e6)
        rest()
    return median(found)


def _show(tally: Tally, heads: Sequence[RequestHead]) -> Callable[[int], object]:
    def act(number: int) -> None:
        tally.shown(heads[number % len(heads)], REMOTE, BannerShown("en", "bar", False))

    return act


def _page(rounds: int) -> float:
    """Return the microseconds for a page through the whole middleware, without counting."""
    page = make_page(PAGE)
    with tempfile.TemporaryDirectory() as folder:
        settings = {"records": f"sqlite:///{Path(folder)}/bench.db", "counters": "off"}
        site = load({"site": settings})
        engine = Engine(site, open_records(site.records), (secrets.token_urlsafe(32),))

        def act(number: int) -> None:
            exchange = engine.exchange(VISIT)
            exchange.start(200, "OK", [("Content-Type", "text/html; charset=utf-8")])
            exchange.feed(page)
            exchange.finish()

        try:
            return _timed(act, rounds, lambda: None)
        finally:
            engine.close()


def measure(rounds: int = 25, *, chance: int = 7) -> list[Added]:
    """Measure every kind of event; ``chance`` is the seed for new user agents."""
    page = _page(max(3, rounds // 8))
    return [Added(event, value, page, goal) for event, value, goal in _events(rounds, random.Random(chance))]


def _events(rounds: int, chance: random.Random) -> list[tuple[str, float, bool]]:
    lookup = _AtOnce()
    site = Site(trusted_proxies=1)
    plain, looking = Tally(_Sink(), site), Tally(_Sink(), site, lookup)
    bot = changed(user_agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
    new = [changed(user_agent=f"{_CHROME} {chance.random()}") for _ in range(rounds * BATCH)]
    strange = [changed(user_agent=f"Mozilla/5.0 (QNX; 7.1) StrangeKit/1.2 Own/{chance.random()}") for _ in range(BATCH)]

    def rest() -> None:
        # Start the next batch with an empty queue, as on a site that is not overloaded.
        lookup.drain(60.0)

    def answer(number: int) -> None:
        looking.answered(VISIT, REMOTE, ACCEPT, _PURPOSES, BannerShown("en", "bar", False))

    def nothing() -> None:
        pass

    further = [changed(sec_fetch_site="same-origin")]
    found = [
        ("page view, from the site itself", _timed(_show(looking, further), rounds, rest), True),
        ("page view, first of a visit, isp off", _timed(_show(plain, [VISIT]), rounds, nothing), True),
        ("page view, first of a visit, isp ptr", _timed(_show(looking, [VISIT]), rounds, rest), True),
        ("page view of a known crawler", _timed(_show(looking, [bot]), rounds, nothing), True),
        ("answer, isp ptr", _timed(answer, rounds, rest), False),
        ("page view with a new user-agent", _timed(_show(plain, new), rounds, nothing), False),
        ("page view with one that only the library knows", _timed(_show(plain, strange), 1, nothing), False),
    ]
    lookup.close()
    return found


_PURPOSES = frozenset({"analytics", "embeds", "marketing", "preferences"})


def rows(results: Sequence[Added]) -> list[list[str]]:
    """Return the rows of the table."""
    return [
        [result.event, f"{result.microseconds:.1f}", f"{result.microseconds / result.page:.2%}"] for result in results
    ]


def goals(results: Sequence[Added]) -> str:
    """Return whether the goal is reached, as text."""
    worst = max(result.microseconds for result in results if result.goal)
    verdict = "reached" if worst < GOAL else "NOT reached"
    return f"a page view without a new user-agent: at most {worst:.1f} us (goal: under {GOAL:.0f} us, {verdict})"
