"""One page view decides once and chooses its language once, and decides nothing for what passes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.engine import Engine
from consent_mw.engine import page_view
from consent_mw.http.request import RequestHead
from consent_mw.records import open_records

HTML = [("Content-Type", "text/html; charset=utf-8")]
POLICY = ("Content-Security-Policy", "script-src 'self' 'nonce-abc'")
PAGE = b"<!doctype html><html lang=de><head><title>x</title></head><body><script>fbq('init')</script><p>x</body></html>"
TAGGED = [*HTML, ("ETag", '"a"'), ("Set-Cookie", "_ga=1"), POLICY]

Counted = dict[str, int]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Make engines of a site in two languages."""
    made: list[Engine] = []

    def make(**site: object) -> Engine:
        own = {"records": f"sqlite:///{tmp_path}/consent.db", "languages": ["en", "de"], **site}
        loaded = config.load({"site": own, "services": [{"use": "google-analytics"}, {"use": "meta-pixel"}]})
        made.append(Engine(loaded, open_records(loaded.records), ("k" * 40,)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Count the calls of what should happen once."""
    calls = {"decide": 0, "choose_language": 0}

    def counting(name: str) -> None:
        inner = getattr(page_view, name)

        def call(*args: object) -> object:
            calls[name] += 1
            return inner(*args)

        monkeypatch.setattr(page_view, name, call)

    for name in calls:
        counting(name)
    return calls


def head(*headers: tuple[str, str]) -> RequestHead:
    """Return a visitor's request for a page."""
    told = (("sec-fetch-dest", "document"), ("accept-language", "fr, de;q=0.5"), ("cookie", "_ga=1; own=2"))
    return RequestHead("GET", "https", "shop.example", "/", "", (*told, *headers))


@pytest.mark.parametrize("caching", ["private", "shared", "class"])
@pytest.mark.parametrize("answer", [HTML, TAGGED], ids=["plain", "tagged"])
def test_a_page_is_decided_once(
    engine: Callable[..., Engine], counted: Counted, caching: str, answer: list[tuple[str, str]]
) -> None:
    """Banner, guard, policies, cookies, entity tag and conditions all go by one decision and one language."""
    site = engine(caching=caching)
    exchange = site.exchange(head(("if-none-match", '"a~cmw.s123456789abc"')))
    exchange.request_changes()
    assert exchange.decision.prompt
    exchange.start(200, "OK", answer)
    out = exchange.feed(PAGE) + exchange.finish()
    assert b'lang="de"' in out
    assert counted == {"decide": 1, "choose_language": 1}


@pytest.mark.parametrize("kind", ["application/json", "text/css", "image/png"])
def test_nothing_is_decided_for_what_passes(engine: Callable[..., Engine], counted: Counted, kind: str) -> None:
    """A response without a page, a link or a cookie costs no decision."""
    exchange = engine().exchange(head(("if-none-match", '"a"')))
    exchange.request_changes()
    exchange.start(200, "OK", [("Content-Type", kind), ("Cache-Control", "public")])
    assert counted["decide"] == 0
    assert "_read" not in vars(exchange.view)


def test_a_view_that_asks_gets_the_one_decision(engine: Callable[..., Engine], counted: Counted) -> None:
    """However often a view of the application asks, it is decided once."""
    exchange = engine().exchange(head())
    assert [exchange.decision.allows(name) for name in ("necessary", "analytics")] == [True, False]
    assert counted["decide"] == 1
