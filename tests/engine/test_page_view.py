"""One page view decides once and chooses its language once, and decides nothing for what passes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from consent_mw import config
from consent_mw.core.choice import Action
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.engine import Engine
from consent_mw.engine import live_site
from consent_mw.engine import page_view
from consent_mw.http.request import RequestHead
from consent_mw.notice.banner import Notice
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

    def counting(module: ModuleType, name: str) -> None:
        inner = getattr(module, name)

        def call(*args: object) -> object:
            calls[name] += 1
            return inner(*args)

        monkeypatch.setattr(module, name, call)

    counting(live_site, "decide")
    counting(page_view, "choose_language")
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
    counted["decide"] = 0  # the notice was rendered at the start
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
    site = engine()
    counted["decide"] = 0  # the notice was rendered at the start
    exchange = site.exchange(head(("if-none-match", '"a"')))
    exchange.request_changes()
    exchange.start(200, "OK", [("Content-Type", kind), ("Cache-Control", "public")])
    assert counted["decide"] == 0
    assert "choice" not in vars(exchange.view)


def test_a_view_that_asks_gets_the_one_decision(engine: Callable[..., Engine], counted: Counted) -> None:
    """However often a view of the application asks, it is decided once."""
    site = engine()
    counted["decide"] = 0  # the notice was rendered at the start
    exchange = site.exchange(head())
    assert [exchange.decision.allows(name) for name in ("necessary", "analytics")] == [True, False]
    assert counted["decide"] == 1


def test_equal_choices_are_decided_once_for_all_visitors(engine: Callable[..., Engine]) -> None:
    """What follows from a choice is kept by the choice, and each visitor keeps a receipt of their own."""
    live = engine().now()
    made = [Record(Action.ACCEPT, 20_000, live.site.revision, receipt=f"receipt-{number}") for number in range(5)]
    found = [live.decide(one, Signals(), 20_000) for one in made]
    assert [decision.receipt for decision in found] == [one.receipt for one in made]
    assert found == [decide(live.site, one, Signals(), 20_000) for one in made]
    assert len(live._decisions) == 1


@pytest.mark.parametrize(("asks", "expected"), [(True, "private, no-cache"), (False, "public, max-age=60")])
def test_what_depends_on_the_answer_is_kept_from_shared_caches(
    engine: Callable[..., Engine], asks: bool, expected: str
) -> None:
    """JSON whose view asked for the decision is this visitor's alone; other JSON keeps its headers."""
    exchange = engine().exchange(head())
    if asks:
        exchange.view.ask()
    exchange.start(200, "OK", [("Content-Type", "application/json"), ("Cache-Control", "public, max-age=60")])
    headers = dict(exchange.headers)
    assert headers["Cache-Control"] == expected
    assert ("Cookie" in headers.get("Vary", "")) is asks


def test_what_everybody_gets_may_be_kept_although_a_view_asked(engine: Callable[..., Engine]) -> None:
    """With one page for all, the answer is that of nobody, and shared caches may keep what follows from it."""
    exchange = engine(caching="shared").exchange(head())
    assert not exchange.view.ask().allows("analytics")
    exchange.start(200, "OK", [*HTML, ("Cache-Control", "public, max-age=60")])
    assert dict(exchange.headers)["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("times", [1, 3])
def test_a_page_leaves_nothing_to_the_garbage_collector(engine: Callable[..., Engine], times: int) -> None:
    """Whether it is read or known from before: its view, with the page's bytes, is gone when the response is."""
    site = engine()
    gc.disable()
    try:
        for _ in range(times):
            exchange = site.exchange(head(("accept", "text/html")))
            page = b"<!doctype html><title>t</title><body><script>a()</script><h1>x</h1><svg><path d=''/></svg>"
            exchange.start(
                200, "OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))]
            )
            assert b"data-cmw" in (exchange.whole(page) or b"")
            view = weakref.ref(exchange.view)
            del exchange
            assert view() is None
    finally:
        gc.enable()


def test_the_first_page_of_a_process_finds_the_notice_rendered(
    engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visitor who has not chosen and reads the site's first language does not wait for the notice to be rendered."""
    started = engine()
    rendered: list[str] = []

    def counting(name: str) -> None:
        inner = getattr(Notice, name)

        def render(self: Notice, page: object) -> object:
            rendered.append(name)
            return inner(self, page)

        monkeypatch.setattr(Notice, name, render)

    counting("head")
    counting("insertion")
    first = RequestHead("GET", "https", "shop.example", "/", "", (("sec-fetch-dest", "document"),))
    exchange = started.exchange(first)
    exchange.start(200, "OK", HTML)
    assert b"data-cmw-banner" in exchange.feed(PAGE.replace(b" lang=de", b"")) + exchange.finish()
    assert rendered == []
