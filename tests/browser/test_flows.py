"""
A visitor's complete journey through a site, with and without scripts, in Chromium and Firefox.

The proxy's log tells which vendors each step reached.
"""

from __future__ import annotations

import re
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from tests.browser.harness.engines import PATIENCE
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.site import FIRST_PARTY
from tests.browser.harness.site import ROOT
from tests.browser.harness.site import PageSite
from tests.browser.harness.wrapped import Wrapped

FILMS = "www.youtube.com"
COUNTS = "www.google-analytics.com"
TAPES = "www.clarity.ms"

PAGE = f"""<!doctype html><html lang="en"><head><title>Lessons</title></head><body><h1>Lessons</h1>
<img src="https://{COUNTS}/collect?v=1" width="1" height="1" alt="">
<iframe id="film" title="A film" width="560" height="315" src="https://{FILMS}/embed/lesson-one"></iframe>
<p>More lessons</p></body></html>""".encode()

TAPED = PAGE.replace(b"</h1>", b"</h1><script src='https://%s/tag/1' async></script>" % TAPES.encode())

SERVICES = {"services": [{"use": "google-analytics"}, {"use": "youtube"}]}
BANNER = "data-cmw-banner"
_BANNER_SHOWN = re.compile(rf"<section(?![^>]*\bhidden\b)[^>]*{BANNER}")


class Session(Protocol):
    """One fresh profile with one page."""

    def open(self, url: str) -> None: ...

    def click(self, selector: str) -> None: ...

    def click_inside(self, frame: str, selector: str) -> None: ...

    def html(self) -> str: ...


class Engine(Protocol):
    """A browser that can be started."""

    def session(self, lane: Lane, scripts: bool) -> AbstractContextManager[Session]: ...


class Visitor:
    """Performs steps, each of which must reach certain vendors and no others."""

    def __init__(self, session: Session, lane: Lane) -> None:
        self._session = session
        self._lane = lane
        self._mark = 0

    def open(self) -> None:
        """Open the page."""
        self._mark = self._lane.mark()
        self._session.open(ROOT)

    def click(self, *selectors: str) -> None:
        """Click the elements one after the other."""
        self._mark = self._lane.mark()
        for selector in selectors:
            self._session.click(selector)

    def press(self, button: str) -> None:
        """Press a button of the film's placeholder."""
        self._mark = self._lane.mark()
        self._session.click_inside("#film", f"button[value={button}]")

    def reaches(self, *vendors: str) -> None:
        """Check which vendors the last step reached."""
        self._lane.wait_for(lambda hits: {hit.host for hit in hits}.issuperset(vendors), self._mark)
        self._lane.settle()
        assert {hit.host for hit in self._lane.hits(self._mark)} & {FILMS, COUNTS, TAPES} == {*vendors}

    def has_loaded_the_page(self) -> bool:
        """Return whether the last step reloaded the page."""
        return ROOT in self._lane.urls(self._mark)

    def is_asked(self, whether: bool) -> None:
        """Check whether the banner is in the page, after scripts have had time to remove it."""
        deadline = time.monotonic() + PATIENCE
        while (found := _BANNER_SHOWN.search(self._session.html()) is not None) != whether:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    def prefer(self, *selectors: str) -> None:
        """Open the preferences, and click the elements one after the other."""
        self._mark = self._lane.mark()
        self._session.open(f"{ROOT}_cmw/?back=/")
        for selector in selectors:
            self._session.click(selector)


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts-on", "scripts-off"])
@pytest.mark.parametrize("browser", ["chromium_engine", "firefox"])
def test_a_visitor_refuses_looks_chooses_and_withdraws(
    browser: str, scripts: bool, proxy: Proxy, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """
    Every step reaches the vendors that it allows and no others.

    Refusal, one film once, the next view without it, films always, one service by its own switch, withdrawal, and
    everything.
    """
    engine: Engine = request.getfixturevalue(browser)
    app = Wrapped(tmp_path, SERVICES).around(PageSite(PAGE))
    with proxy.lane({FIRST_PARTY: app}) as lane, engine.session(lane, scripts) as session:
        visitor = Visitor(session, lane)
        visitor.open()
        visitor.reaches()
        visitor.is_asked(True)
        visitor.click(f"[{BANNER}] [value=reject-all]")
        visitor.reaches()
        visitor.is_asked(False)
        visitor.press("once")
        visitor.reaches(FILMS)
        visitor.open()
        visitor.reaches()
        visitor.press("save")
        visitor.reaches(FILMS)
        visitor.open()
        visitor.reaches(FILMS)
        visitor.prefer("[name=service][value=google-analytics]", ".bar [value=save]")
        visitor.reaches(FILMS, COUNTS)
        visitor.prefer("[value=withdraw]")
        visitor.reaches()
        visitor.prefer(".bar [value=accept-all]")
        visitor.reaches(FILMS, COUNTS)
        visitor.is_asked(False)
        assert lane.errors == []


@pytest.mark.slow
@pytest.mark.parametrize("browser", ["chromium_engine", "firefox"])
def test_a_visitor_leaves_out_one_service(
    browser: str, proxy: Proxy, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In the notice a purpose unfolds to its services, and so it does when the notice is reopened."""
    engine: Engine = request.getfixturevalue(browser)
    services = {"services": [*SERVICES["services"], {"use": "clarity"}]}
    app = Wrapped(tmp_path, services).around(PageSite(TAPED))
    with proxy.lane({FIRST_PARTY: app}) as lane, engine.session(lane, True) as session:
        visitor = Visitor(session, lane)
        visitor.open()
        visitor.click("summary", "[href$='#p1']", "[value=analytics]", "[value=clarity]", "[value=save]")
        visitor.reaches(COUNTS)
        visitor.click("[data-cmw-action=open]", "[aria-labelledby='cmw-1s cmw-1']", "[value=clarity]", "[value=save]")
        visitor.reaches(TAPES)
        assert lane.errors == []


def test_a_frame_that_may_not_send_forms_is_answered_by_script(
    chromium_engine: Engine, proxy: Proxy, tmp_path: Path
) -> None:
    """In a sandboxed frame both buttons work too, without a reload of the page."""
    page = PAGE.replace(b' id="film"', b' id="film" sandbox="allow-scripts allow-same-origin"')
    app = Wrapped(tmp_path, SERVICES).around(PageSite(page))
    with proxy.lane({FIRST_PARTY: app}) as lane, chromium_engine.session(lane, True) as session:
        visitor = Visitor(session, lane)
        for button in ("once", "save"):
            visitor.open()
            visitor.reaches()
            visitor.press(button)
            visitor.reaches(FILMS)
            assert not visitor.has_loaded_the_page()


def test_a_policy_without_what_is_held_is_another_for_one_view(
    chromium_engine: Engine, proxy: Proxy, tmp_path: Path
) -> None:
    """If the page's policy excludes held services, "once" and "always" load a new page that shows the film."""
    config = {"site": {"csp": "enforce", "records": f"sqlite:///{tmp_path}/consent.db"}, **SERVICES}
    app = Wrapped(tmp_path, config).around(PageSite(PAGE))
    with proxy.lane({FIRST_PARTY: app}) as lane, chromium_engine.session(lane, True) as session:
        visitor = Visitor(session, lane)
        for button in ("once", "save"):
            visitor.open()
            visitor.reaches()
            visitor.press(button)
            visitor.reaches(FILMS)
            assert visitor.has_loaded_the_page()
