"""Visits to an engine: one page, as a visitor gets it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

from consent_mw import config
from consent_mw.core.choice import Action
from consent_mw.core.choice import Record
from consent_mw.core.model import Site
from consent_mw.engine import Engine
from consent_mw.http.request import RequestHead

KEYS = ("k" * 40,)
HTML = [("Content-Type", "text/html; charset=utf-8")]
ANALYTICS = b'<script src="https://www.google-analytics.com/analytics.js"></script>'
PIXEL = b"<script>fbq('init', '1')</script>"
BANNER = b"data-cmw-banner"
DAY = 20_000

Make = Callable[..., Engine]


def declared(*services: str) -> Site:
    """Return a site that declares these services of the catalogue."""
    return config.load({"services": [{"use": service} for service in services]})


def head(*headers: tuple[str, str], scheme: str = "https", host: str = "www.shop.example") -> RequestHead:
    """Return a visitor's request for a page."""
    return RequestHead("GET", scheme, host, "/a", "b=c", (("sec-fetch-dest", "document"), *headers))


def visit(
    engine: Engine, page: bytes, *headers: tuple[str, str], scheme: str = "https", sets: Sequence[str] = ("own=1",)
) -> tuple[bytes, list[tuple[str, str]]]:
    """Return what a visitor gets of a page whose response sets these cookies, and the headers."""
    exchange = engine.exchange(head(*headers, scheme=scheme))
    exchange.start(200, "OK", [*HTML, *(("Set-Cookie", value) for value in sets)])
    body = exchange.feed(page) + exchange.finish()
    return body, exchange.headers


def choice(engine: Engine, *services: str, day: int = DAY, purposes: tuple[str, ...] = (), gpc: bool = False) -> str:
    """Return the Cookie header of a visitor who granted these services on this site."""
    now = engine.now()
    action = Action.PARTIAL if services or purposes else Action.REJECT
    receipt = "r" * 22 if services or purposes else ""
    record = Record(action, day, now.site.revision, frozenset(purposes), frozenset(services), receipt, gpc)
    return now.cookies.set_cookie(record, head()).partition(";")[0]
