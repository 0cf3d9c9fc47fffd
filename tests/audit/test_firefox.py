"""``consent-mw audit --browser firefox``: it finds what Chromium finds, and the report says what it cannot see."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from consent_mw import config
from consent_mw.audit.browser import NO_SCRIPTS
from consent_mw.audit.browser import LivePlan
from consent_mw.audit.browser import LiveWalk
from consent_mw.audit.browser import walk_in
from consent_mw.audit.browser_findings import add_browser
from consent_mw.audit.browser_page import LiveBounds
from consent_mw.audit.browser_start import FIREFOX
from consent_mw.audit.browser_start import launched
from consent_mw.audit.browser_views import Cause
from consent_mw.audit.browser_views import cause_in_stack
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import report_of
from consent_mw.audit.firefox import BLIND_SPOTS
from consent_mw.audit.pages import Reader
from consent_mw.audit.passes import ACCEPT
from consent_mw.audit.passes import GPC
from consent_mw.audit.passes import PASSES
from consent_mw.audit.passes import REJECT
from consent_mw.audit.passes import UNTOUCHED
from consent_mw.audit.passes import Limits
from consent_mw.audit.passes import Walk
from consent_mw.audit.passes import walk
from consent_mw.audit.targets import APP_ORIGIN
from consent_mw.audit.targets import AppTarget
from consent_mw.audit.targets import Bounds
from tests.audit.live_sites import DECLARED
from tests.audit.live_sites import FAULTS
from tests.audit.live_sites import HOSTILE
from tests.audit.live_sites import clean
from tests.audit.live_sites import faulty
from tests.audit.live_sites import hostile
from tests.audit.test_browser import TODAY
from tests.audit.test_browser import short
from tests.browser.harness import firefox

pytestmark = pytest.mark.browser
#: Visits side by side.
VISITS = 3
#: What ends a visit in a way of its own: a script, a dialog, a limit, and a download.
HOSTILE_HERE = ("loop", "dialogs", "requests", "download")


def plan(*passes: str) -> LivePlan:
    """Return how far the visits to a site go."""
    return LivePlan(accept=True, passes=passes, bounds=LiveBounds(seconds=60, silence=0.2, linger=0.05))


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, AuditReport]:
    """The reports on the faulty site and the clean one, and on hostile pages, from one Firefox."""
    reader = Reader(config.load({"site": {"name": "Live"}, "services": DECLARED}))
    twin, end = clean(tmp_path_factory.mktemp("clean")), Event()
    sites = {"faulty": AppTarget(faulty(), Bounds()), "clean": AppTarget(twin, Bounds())}
    plans = {"faulty": plan(UNTOUCHED, GPC, REJECT, ACCEPT), "clean": plan()}
    taking = AppTarget(hostile(end), Bounds(2))
    room = asyncio.Semaphore(VISITS)

    async def one(visit: Coroutine[None, None, LiveWalk]) -> LiveWalk:
        async with room:
            return await visit

    async def look() -> list[LiveWalk]:
        async with launched(APP_ORIGIN, (), firefox.find(), FIREFOX) as browser:
            return await asyncio.gather(
                *(one(walk_in(browser, target, ["/"], plans[name])) for name, target in sites.items()),
                *(one(walk_in(browser, taking, [f"/{name}"], short(name))) for name in HOSTILE_HERE),
            )

    try:
        # In a thread: the browser of other tests may keep a loop running in this one.
        with ThreadPoolExecutor(1) as thread:
            seen = thread.submit(asyncio.run, look()).result()
        found = {}
        for name, live in zip([*sites, *HOSTILE_HERE], seen, strict=True):
            read = walk(sites[name], reader, ["/"], Limits()) if name in sites else Walk()
            found[name] = report_of(name, read, reader, TODAY)
            add_browser(found[name], live, reader, APP_ORIGIN)
        return found
    finally:
        end.set()
        twin.engine.close()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_script_is_found(reports: Mapping[str, AuditReport], name: str) -> None:
    """It is named with its kind, its service, and what set it off, as in Chromium."""
    fault = FAULTS[name]
    found = [one for one in reports["faulty"].findings if (one.kind, one.service) == (fault.kind, fault.service)]
    markup = [place.markup for one in found for place in one.places]
    assert any(fault.evidence in one for one in markup), markup


def test_a_notice_that_favours_yes_is_found(reports: Mapping[str, AuditReport]) -> None:
    """The button that refuses is smaller, fainter, and out of the keyboard's reach; each is said."""
    said = " ".join(one.what for one in reports["faulty"].findings if one.kind == "reject-is-less")
    assert [word for word in ("is smaller", "thinner", "fainter", "like text", "keyboard") if word not in said] == []


def test_the_clean_twin_has_nothing(reports: Mapping[str, AuditReport]) -> None:
    """All visitors with scripts came, and nothing was wrong; what Firefox does not show is said."""
    report = reports["clean"]
    assert [(one.kind, one.service) for one in report.open] == []
    assert {view.name for view in report.browser} == set(PASSES)
    assert [why for _, why in report.unseen] == list(BLIND_SPOTS)
    assert not any(NO_SCRIPTS in view.name for view in report.browser)


@pytest.mark.parametrize("name", HOSTILE_HERE)
def test_a_hostile_page_ends_in_time(reports: Mapping[str, AuditReport], name: str) -> None:
    """It is looked at once, what it did is told, and what could not be seen."""
    report = reports[name]
    assert [(view.path, bool(view.requests)) for view in report.browser] == [(f"/{name}", True)]
    said = " ".join(why for _, why in report.unseen)
    assert re.search(HOSTILE[name].said, said), said


@pytest.mark.parametrize(
    ("stack", "place"),
    [
        ("said@https://x.example/:1:2\nset@https://x.example/:3:4\nload@https://x.example/a.js:5:6\n", "a.js:5:6"),
        ("Error\n    at said (<anonymous>:1:2)\n    at load (https://x.example/a.js:5:6)", "a.js:5:6"),
        ("said@https://x.example/:1:2\nset@https://x.example/:3:4\n", ""),
        ("", ""),
    ],
)
def test_a_stack_names_the_script_that_called(stack: str, place: str) -> None:
    """In the form of both browsers, without the frames of the wrapper that took it."""
    expected = Cause("script", "https://x.example/a.js", 5, 6) if place else None
    assert cause_in_stack(stack) == expected
