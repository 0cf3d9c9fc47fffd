"""What a visitor is told who has chosen before and is asked again: what changed, with its day, and nothing made up."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.core.choice import Action
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.core.model import Change
from consent_mw.core.model import Site
from consent_mw.engine import Engine
from consent_mw.http.caching import CLASS_HEADER
from consent_mw.http.caching import UNDECIDED_CLASS
from consent_mw.http.request import RequestHead
from consent_mw.notice.assets import texts
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.reasked import news
from consent_mw.records import open_records
from tests.web.doubles import ASSETS
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor
from tests.web.doubles import decision

#: 3 May 2026.
MAY = 20_576


def told(found: Record | NoRecord, *, site: Site = SITE, lang: str = "en", today: int = TODAY) -> str:
    """Return the line for a visitor with that cookie."""
    return news(site, decide(site, found, Signals(), today), found, lang, today)


def record(day: int, revision: str = "0" * 12) -> Record:
    """Return a choice of that day, about the site as it was."""
    return Record(Action.REJECT, day, revision)


def changed(*days: int) -> Site:
    """Return a site that tells of a change on each of the days."""
    return replace(SITE, changes=tuple(Change(day, {"en": f"Text {day}.", "de": "Auf Deutsch."}) for day in days))


def test_without_an_entry_it_is_said_plainly() -> None:
    """That something changed, and since which day: that of the visitor's own choice."""
    assert told(record(MAY)) == "Our use of cookies has changed since you chose on 3 May 2026."
    assert told(record(MAY), lang="de") == (
        "Unser Einsatz von Cookies hat sich geändert, seit Sie am 3. Mai 2026 gewählt haben."
    )


def test_an_entry_says_what_changed_and_when() -> None:
    """The owner's own line, in the visitor's language, with its day."""
    assert told(record(MAY), site=changed(MAY + 1)) == f"Changed on 4 May 2026: Text {MAY + 1}."
    assert told(record(MAY), site=changed(MAY + 1), lang="de") == "Geändert am 4. Mai 2026: Auf Deutsch."


def test_only_changes_since_the_choice_are_told() -> None:
    """Not those that the visitor has answered to, nor those announced for later; one of the very day counts."""
    site = changed(MAY - 1, MAY, MAY + 9, TODAY + 1)
    expected = f"Changed on 12 May 2026: Text {MAY + 9}. Changed on 3 May 2026: Text {MAY}."
    assert told(record(MAY), site=site) == expected
    assert "has changed since" in told(record(MAY), site=changed(MAY - 1, TODAY + 1))


def test_a_long_history_stays_short() -> None:
    """The three latest changes are told of, however many there were."""
    line = told(record(MAY), site=changed(*range(MAY, MAY + 20)))
    assert [f"Text {day}." in line for day in (MAY + 16, MAY + 17, MAY + 18, MAY + 19)] == [False, True, True, True]


def test_an_expired_choice_is_told_as_such() -> None:
    """Nothing changed then, and nothing is said to have."""
    old = record(TODAY - SITE.choice_days - 1, SITE.revision)
    assert told(old) == "Your choice of 25 May 2026 has expired, so you are asked again."


@pytest.mark.parametrize(
    "found",
    [
        *NoRecord,
        record(TODAY, SITE.revision),
        record(TODAY + 9, SITE.revision),
    ],
    ids=repr,
)
def test_nobody_else_is_told_anything(found: Record | NoRecord) -> None:
    """Neither who never chose, nor whose cookie cannot be believed, nor whose choice counts."""
    assert told(found, site=changed(TODAY) if isinstance(found, NoRecord) else SITE) == ""


@pytest.mark.parametrize("lang", sorted(texts()))
def test_every_language_fills_its_places(lang: str) -> None:
    """In no language does a place for a value stay open."""
    lines = [told(record(MAY), site=site, lang=lang) for site in (SITE, changed(MAY + 1))]
    lines.append(told(record(TODAY - 400, SITE.revision), lang=lang))
    assert [line for line in lines if "{" in line or not line] == []


def test_the_preferences_say_it_too() -> None:
    """Beside the state of a choice that counts no more stands why."""
    visitor = Visitor(FakeContext())
    assert "has changed since" not in visitor.get("/").text
    visitor.post(("action", "accept-all"))
    visitor.context.own_site = replace(SITE, controller="Somebody else")
    assert "Our use of cookies has changed since you chose on 22 November 2026." in visitor.get("/").text


def page(news: str = "") -> NoticePage:
    """Return a page for a visitor who is asked."""
    return NoticePage(decision(prompt=True), "en", "", "/", "/_cmw", news=news)


def test_the_banner_says_it_as_text() -> None:
    """The line stands in the banner with the visitor's day, and an owner's text in it is no markup."""
    notice = Notice(SITE, ASSETS)
    inserted = notice.insertion(page(news="Changed: <b>a & b</b>")).decode()
    assert '<p class="cmw-text cmw-news">Changed: &lt;b&gt;a &amp; b&lt;/b&gt;</p>' in inserted
    assert "cmw-news" not in notice.insertion(page()).decode()


def test_lines_of_many_days_are_kept_once() -> None:
    """What is remembered of the banner does not grow with the days on which visitors chose."""
    notice = Notice(SITE, ASSETS)
    for day in range(200):
        notice.insertion(page(news=f"Day {day}."))
    assert len(notice._kept) == 1


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[[str], Engine]]:
    """Make sites of a later revision than the choices of their visitors, by what caches may keep."""
    engines = []

    def make(caching: str) -> Engine:
        site = config.load({"site": {"caching": caching}, "services": [{"use": "matomo"}]})
        records = open_records(f"sqlite:///{tmp_path}/consent.db")
        engines.append(Engine(site, records, ("k" * 32,), clock=lambda: TODAY * 86_400.0))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def answered(engine: Engine, *told: tuple[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return the page that a visitor with these headers gets, and its own."""
    head = RequestHead("GET", "https", "shop.example", "/", "", (("sec-fetch-dest", "document"), *told))
    exchange = engine.exchange(head)
    exchange.start(200, "OK", [("Content-Type", "text/html; charset=utf-8"), ("ETag", '"1"')])
    body = exchange.feed(b"<!doctype html><title>t</title><body><p>text") + exchange.finish()
    return body, {name.lower(): value for name, value in exchange.headers}


def kept(engine: Engine, day: int) -> tuple[str, str]:
    """Return the cookie of a refusal of that day, about the site as it was."""
    head = RequestHead("GET", "https", "shop.example", "/", "", ())
    return "cookie", engine.now().cookies.set_cookie(record(day), head).partition(";")[0]


def test_pages_say_it_to_whom_it_concerns(made: Callable[[str], Engine]) -> None:
    """A visitor who chose before reads since when; one who never chose reads nothing of it; their marks differ."""
    engine = made("private")
    pages = [answered(engine), answered(engine, kept(engine, MAY)), answered(engine, kept(engine, MAY + 1))]
    assert [b"you chose on 3 May 2026." in body for body, _ in pages] == [False, True, False]
    assert [b"you chose on 4 May 2026." in body for body, _ in pages] == [False, False, True]
    assert len({headers["etag"] for _, headers in pages}) == 3


@pytest.mark.parametrize("caching", ["shared", "class"])
def test_a_page_that_caches_keep_says_nothing_of_one_visitor(made: Callable[[str], Engine], caching: str) -> None:
    """Where a cache may give the page to others, the day of one visitor's choice does not stand in it."""
    engine = made(caching)
    body, headers = answered(engine, kept(engine, MAY), (CLASS_HEADER, UNDECIDED_CLASS))
    assert "no-store" not in headers.get("cache-control", "")
    assert b"data-cmw-banner" in body
    assert b"cmw-news" not in body
