"""
Visitors with different choices behind real caches: pages served to the wrong visitor, and the hit rate of the cache.

Several threads request random pages as random visitors, over shared connections. Each page is checked: services that
the visitor did not grant must be held in it, and granted ones must not.
"""

from __future__ import annotations

import random
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from benchmarks import caches
from benchmarks import report
from benchmarks.caches import Client
from benchmarks.caching_site import PAGES
from benchmarks.caching_site import TAGS

#: The site behind the cache, and the setup of the cache for it.
WAYS = {"bare": "default", "private": "default", "shared": "shared", "class": "class"}
_NAMES = {
    "bare": "the site alone",
    "private": '`caching = "private"`',
    "shared": '`caching = "shared"`',
    "class": '`caching = "class"`',
}
_THREADS = 4
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
_PAGE = {"Accept": "text/html", "Sec-Fetch-Dest": "document"}


@dataclass(frozen=True, slots=True)
class Visitor:
    """A visitor with a choice: the headers of each request, and the granted services."""

    name: str
    headers: Mapping[str, str]
    granted: frozenset[str]
    state: str

    def fits(self, body: bytes) -> bool:
        """Return whether a page is right for this visitor."""
        held = all((TAGS[id_] in body) == (id_ in self.granted) for id_ in TAGS)
        if self.state == "none":
            return held and b'data-cmw-state="' not in body
        return held and f'data-cmw-state="{self.state}"'.encode() in body


@dataclass(frozen=True, slots=True)
class Result:
    """The result of the requests to one cache in one mode."""

    cache: str
    way: str
    requests: int
    #: The number of pages that the site served.
    asked: int
    #: The number of pages for another visitor.
    crossed: int
    seconds: float

    @property
    def hits(self) -> float:
        """The share of requests that the cache answered itself."""
        return 1 - self.asked / self.requests


def choose(port: int, fields: Sequence[tuple[str, str]], more: Mapping[str, str] | None = None) -> str:
    """Make a choice with the banner's form, and return the Cookie header that stores it."""
    client = Client(port)
    headers = {**_FORM, **(more or {})}
    answer = client.get("/_cmw/choice", headers, "POST", urlencode([*fields, ("back", "/")]).encode())
    client.close()
    assert answer.status == 303, f"{fields}: {answer.status} {answer.body[:500]!r}"
    return "; ".join(line.partition(";")[0] for line in answer.headers["set-cookie"].split("\n"))


def visitors(port: int, way: str) -> list[Visitor]:
    """Return visitors with different choices, made through the cache."""
    if way == "bare":
        return [Visitor("anybody", _PAGE, frozenset(TAGS), "")]
    choices: dict[str, tuple[list[tuple[str, str]], set[str], str]] = {
        "refused": ([("action", "reject-all")], set(), "reject"),
        "accepted": ([("action", "accept-all")], set(TAGS), "accept"),
        "accepted too": ([("action", "accept-all")], set(TAGS), "accept"),
        "statistics": ([("action", "save"), ("purpose", "analytics")], {"google-analytics", "hotjar"}, "partial"),
        "marketing": ([("action", "save"), ("purpose", "marketing")], {"meta-pixel"}, "partial"),
        "one service": ([("action", "save"), ("service", "hotjar")], {"hotjar"}, "partial"),
    }
    found = [Visitor("undecided", _PAGE, frozenset(), "none")]
    found.append(Visitor("opted out", {**_PAGE, "Sec-GPC": "1"}, frozenset(), "none"))
    for name, (fields, granted, state) in choices.items():
        found.append(Visitor(name, {**_PAGE, "Cookie": choose(port, fields)}, frozenset(granted), state))
    signal = {"Sec-GPC": "1"}
    cookie = choose(port, [("action", "accept-all")], signal)
    without_marketing = frozenset({"google-analytics", "hotjar"})
    found.append(Visitor("accepted, opted out", {**_PAGE, **signal, "Cookie": cookie}, without_marketing, "partial"))
    if way == "shared":
        # Everybody gets the page for undecided visitors, and the runtime does the rest.
        found = [Visitor(one.name, one.headers, frozenset(), "none") for one in found]
    return found


@contextmanager
def behind(kind: str, way: str, *, setup: str = "", more: str = "", proxies: int = 0) -> Iterator[tuple[int, int]]:
    """Run the site behind a cache, with ``proxies`` trusted proxies; yield the ports of the cache and of the site."""
    with tempfile.TemporaryDirectory(prefix="cmw-") as folder:
        environment = {
            "CACHING": way,
            "CACHING_RECORDS": f"sqlite:///{folder}/consent.db",
            "CONSENT_KEYS": secrets.token_urlsafe(32),
            "CACHING_PROXIES": str(proxies),
        }
        with (
            caches.site("benchmarks.caching_site:make()", Path(folder), environment) as site,
            caches.cache(kind, setup or WAYS[way], site, more=more) as port,
        ):
            yield port, site


def run(kind: str, way: str, requests: int, *, setup: str = "", more: str = "", seed: int = 1) -> Result:
    """Send the requests of several visitors through a cache, interleaved."""
    with behind(kind, way, setup=setup, more=more) as (port, site):
        crowd = visitors(port, way)
        before = asked(site)
        crossed = [0] * _THREADS
        failed: list[BaseException] = []

        def work(number: int) -> None:
            chance = random.Random(f"{seed} {number}")  # noqa: S311 -- which page comes next is no secret
            client = Client(port)
            try:
                for _ in range(requests // _THREADS):
                    visitor = chance.choice(crowd)
                    answer = client.get(f"/{chance.randrange(PAGES)}", visitor.headers)
                    assert answer.status == 200, f"{answer.status} {answer.body[:300]!r}"
                    crossed[number] += way != "bare" and not visitor.fits(answer.body)
            except BaseException as error:
                failed.append(error)
            finally:
                client.close()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(_THREADS)]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begin
        if failed:
            raise failed[0]
        sent = requests // _THREADS * _THREADS
        return Result(kind, way, sent, asked(site) - before, sum(crossed), seconds)


def asked(site: int) -> int:
    """Return how many pages the site has served."""
    client = Client(site)
    answer = client.get("/asked", {})
    client.close()
    return int(answer.body)


def measure(requests: int, progress: Callable[[str], None] = lambda text: None) -> list[Result]:
    """Send ``requests`` requests through each cache in each mode."""
    found = []
    for kind in filter(lambda kind: not caches.missing(kind), caches.CACHES):
        for way in WAYS:
            progress(f"caching, {kind}, {way}, {requests} requests")
            found.append(run(kind, way, requests))
    return found


HEAD = ("cache", "behind it", "requests", "answered by the cache", "pages of somebody else", "requests a second")


def rows(found: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return the rows of the table, with the columns of :data:`HEAD`."""
    return [
        (
            "nginx" if one.cache == "nginx" else "Varnish",
            _NAMES[one.way],
            str(one.requests),
            f"{100 * one.hits:.1f} %",
            "–" if one.way == "bare" else str(one.crossed),
            f"{one.requests / one.seconds:.0f}",
        )
        for one in found
    ]


def text(requests: int, progress: Callable[[str], None] = lambda text: None) -> str:
    """Measure, and return the section with the table."""
    found = measure(requests, progress)
    crossed = sum(one.crossed for one in found)
    absent = "".join(f"- Not measured: {why}.\n" for why in filter(None, map(caches.missing, caches.CACHES)))
    return (
        "### Visitors of different choices behind a cache\n\n"
        f"{PAGES} pages that say `public, max-age=600`, {_THREADS} connections, nine visitors at random: undecided, "
        "opted out by the signal, refused, accepted (three, one of them opted out), and three selections, one of which "
        "is a single service and so of no class. Caches as [Caches](caching.md) sets them up; as they are by default "
        "where the site is alone or private.\n\n"
        f"{report.table(HEAD, rows(found))}\n\n"
        f"- Pages that reached somebody else: {crossed} "
        f"(goal: 0, {'reached' if not crossed else 'NOT reached'}).\n{absent}"
    )


if __name__ == "__main__":
    print(text(10_000))
