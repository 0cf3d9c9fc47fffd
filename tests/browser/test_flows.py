"""
A visitor's whole way through a site, with scripts and without, in Chromium and in Firefox.

What a step did is told by the proxy's log: which vendors were asked for something.
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

PAGE = f"""<!doctype html><html lang="en"><head><title>Lessons</title></head><body><h1>Lessons</h1>
<img src="https://{COUNTS}/collect?v=1" width="1" height="1" alt="">
<iframe id="film" title="A film" width="560" height="315" src="https://{FILMS}/embed/lesson-one"></iframe>
<p>More lessons</p></body></html>""".encode()

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
    """Does one step after the other, each of which has to reach some vendors and no other."""

    def __init__(self, session: Session, lane: Lane) -> None:
        self._session = session
        self._lane = lane
        self._mark = 0

    def open(self) -> None:
        """Open the page."""
        self._mark = self._lane.mark()
        self._session.open(ROOT)

    def click(self, *selectors: str) -> None:
        """Click one element after the other."""
        self._mark = self._lane.mark()
        for selector in selectors:
            self._session.click(selector)

    def press(self, button: str) -> None:
        """Press a button of what stands in the place of the film."""
        self._mark = self._lane.mark()
        self._session.click_inside("#film", f"button[value={button}]")

    def reaches(self, *vendors: str) -> None:
        """Claim which vendors the last step reached."""
        self._lane.wait_for(lambda hits: {hit.host for hit in hits}.issuperset(vendors), self._mark)
        self._lane.settle()
        assert {hit.host for hit in self._lane.hits(self._mark)} & {FILMS, COUNTS} == {*vendors}

    def has_loaded_the_page(self) -> bool:
        """Return whether the last step loaded the page anew."""
        return ROOT in self._lane.urls(self._mark)

    def is_asked(self, whether: bool) -> None:
        """Claim whether the banner stands in the page, once its scripts have had the time to take it away."""
        deadline = time.monotonic() + PATIENCE
        while (found := _BANNER_SHOWN.search(self._session.html()) is not None) != whether:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    def prefer(self, *selectors: str) -> None:
        """Open the preferences, and click one element after the other."""
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
    Every step reaches the vendors that it allows and no other.

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


def test_a_frame_that_may_not_send_forms_is_answered_by_script(
    chromium_engine: Engine, proxy: Proxy, tmp_path: Path
) -> None:
    """In a sandboxed frame both buttons work as well, and the page stays as it is."""
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
    """Where the page's policy leaves out held services, once is a new page that shows the film, and so is always."""
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
