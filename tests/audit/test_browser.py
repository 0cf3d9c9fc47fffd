"""``consent-mw audit --browser``: what only a browser sees is found with its cause, and nothing in the clean twin."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from threading import Event
from typing import Any
from typing import cast

import pytest
from playwright.async_api import Browser
from playwright.async_api import BrowserContext
from playwright.async_api import Error
from playwright.async_api import Page
from playwright.async_api import Request

from consent_mw import config
from consent_mw.audit.browser import NO_SCRIPTS
from consent_mw.audit.browser import LivePlan
from consent_mw.audit.browser import LiveWalk
from consent_mw.audit.browser import walk_in
from consent_mw.audit.browser_findings import about_notice
from consent_mw.audit.browser_findings import add_browser
from consent_mw.audit.browser_page import LiveBounds
from consent_mw.audit.browser_start import launched
from consent_mw.audit.findings import AuditFinding
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import report_of
from consent_mw.audit.notices import find_notice
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
from tests.audit.live_sites import C15T
from tests.audit.live_sites import DECLARED
from tests.audit.live_sites import FAULTS
from tests.audit.live_sites import HOSTILE
from tests.audit.live_sites import NOTICES
from tests.audit.live_sites import clean
from tests.audit.live_sites import faulty
from tests.audit.live_sites import holed
from tests.audit.live_sites import hostile
from tests.browser.harness import chromium

pytestmark = pytest.mark.browser
TODAY = date(2026, 11, 29)
#: Visits side by side.
VISITS = 3
#: The passes that a site is there for; empty for all.
PASSES_OF: Mapping[str, tuple[str, ...]] = {
    "faulty": (UNTOUCHED, GPC, REJECT, ACCEPT),
    "holed": (UNTOUCHED, ACCEPT),
    "clean": (),
}


def plan(name: str) -> LivePlan:
    """Return how far the visits to a site go."""
    return LivePlan(accept=True, passes=PASSES_OF[name], bounds=LiveBounds(seconds=60, linger=0.1))


def short(name: str) -> LivePlan:
    """Return how far a visit to a hostile page goes: what never ends is waited for a second, all else to its end."""
    bounds = LiveBounds(HOSTILE[name].seconds, size=100_000, requests=40, linger=0)
    return LivePlan(passes=(UNTOUCHED,), bounds=bounds)


class Crashing:
    """A browser whose tabs crash once they have asked for a picture that never comes."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def __getattr__(self, name: str) -> Any:
        return getattr(self._browser, name)

    async def new_context(self, **options: Any) -> BrowserContext:
        """Return a profile, each of whose tabs crashes."""
        context = await self._browser.new_context(**options)

        def crash(request: Request) -> None:
            if request.url.endswith("/slow"):
                crashes.add(asyncio.ensure_future(self._crash(context, request.frame.page)))

        crashes: set[asyncio.Future[None]] = set()
        context.on("request", crash)
        return context

    @staticmethod
    async def _crash(context: BrowserContext, page: Page) -> None:
        with suppress(Error):  # the answer never comes
            await (await context.new_cdp_session(page)).send("Page.crash")


async def said_of_notices(browser: Browser) -> dict[str, str]:
    """Return what is said of each notice, and which tool made the last one."""
    page, said = await browser.new_page(), {}
    for name, (markup, _) in NOTICES.items():
        await page.set_content(markup)
        notice = await find_notice(page)
        assert notice is not None
        said[name] = " ".join(finding.what for finding in about_notice(notice))
    await page.set_content(C15T)
    notice = await find_notice(page)
    said["c15t"] = notice.tool if notice is not None and notice.reject is not None else ""
    return said


@pytest.fixture(scope="module")
def reader() -> Reader:
    """Reads pages by the configuration of the planted sites."""
    return Reader(config.load({"site": {"name": "Live"}, "services": DECLARED}))


@pytest.fixture(scope="module")
def seen(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, AuditReport], dict[str, str]]:
    """The reports on the faulty site, the one with holes, and the clean one, and on notices, from one browser."""
    holed_inner, holed_app = holed(tmp_path_factory.mktemp("holed"))
    twin = clean(tmp_path_factory.mktemp("clean"))
    apps: Mapping[str, object] = {"faulty": faulty(), "holed": holed_app, "clean": twin}
    targets = {name: AppTarget(app, Bounds()) for name, app in apps.items()}

    end = Event()
    taking = AppTarget(hostile(end), Bounds(2))
    names = [*targets, *HOSTILE, "crash"]

    room = asyncio.Semaphore(VISITS)

    async def one(visit: Coroutine[None, None, LiveWalk]) -> LiveWalk:
        async with room:
            return await visit

    async def look() -> tuple[list[LiveWalk], dict[str, str]]:
        async with launched(APP_ORIGIN, (), chromium.find()) as browser:
            walks = asyncio.gather(
                *(one(walk_in(browser, target, ["/"], plan(name))) for name, target in targets.items()),
                *(one(walk_in(browser, taking, [f"/{name}"], short(name))) for name in HOSTILE),
                one(walk_in(cast(Browser, Crashing(browser)), taking, ["/never", "/download"], short("loop"))),
            )
            said = await said_of_notices(browser)
            return await walks, said

    try:
        # In a thread: the browser of other tests may keep a loop running in this one.
        with ThreadPoolExecutor(1) as thread:
            walks, said = thread.submit(asyncio.run, look()).result()
        live = dict(zip(names, walks, strict=True))
        found = {name: report_of(name, Walk(), reader, TODAY) for name in HOSTILE}
        found["crash"] = report_of("crash", Walk(), reader, TODAY)
        for name in (*HOSTILE, "crash"):
            add_browser(found[name], live[name], reader, APP_ORIGIN)
        for name, target in targets.items():
            read = walk(target, reader, ["/"], Limits())
            found[name] = report_of(name, read, reader, TODAY)
            add_browser(found[name], live[name], reader, APP_ORIGIN)
        return found, said
    finally:
        end.set()
        holed_inner.engine.close()
        twin.engine.close()


@pytest.fixture
def reports(seen: tuple[dict[str, AuditReport], dict[str, str]]) -> dict[str, AuditReport]:
    """The reports by site."""
    return seen[0]


@pytest.fixture
def looks(seen: tuple[dict[str, AuditReport], dict[str, str]]) -> dict[str, str]:
    """What is said of each notice."""
    return seen[1]


def kinds(report: AuditReport) -> list[tuple[str, str]]:
    """Return kind and service of the findings that count."""
    return [(one.kind, one.service) for one in report.open]


def of(report: AuditReport, kind: str, service: str) -> list[AuditFinding]:
    """Return the findings of a kind on a service."""
    return [one for one in report.findings if (one.kind, one.service) == (kind, service)]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_script_is_found(reports: Mapping[str, AuditReport], name: str) -> None:
    """It is named with its kind, its service, and what set it off."""
    fault = FAULTS[name]
    found = of(reports["faulty"], fault.kind, fault.service)
    assert found, kinds(reports["faulty"])
    assert any(fault.evidence in place.markup for one in found for place in one.places)


def test_what_a_worker_may_open_is_told_as_unseen(reports: Mapping[str, AuditReport]) -> None:
    """The browser does not report its web sockets."""
    said = [why for _, why in reports["faulty"].unseen]
    assert any("web sockets of the worker /worker.js" in why for why in said), said


def test_a_notice_that_favours_yes_is_found(reports: Mapping[str, AuditReport]) -> None:
    """The button that refuses is smaller, fainter, and out of the keyboard's reach; each is said."""
    said = " ".join(one.what for one in reports["faulty"].findings if one.kind == "reject-is-less")
    assert [word for word in ("is smaller", "thinner", "fainter", "like text", "keyboard") if word not in said] == []
    assert any("contrast" in one.what for one in reports["faulty"].findings if one.kind == "notice-is-hard")


@pytest.mark.parametrize("name", NOTICES)
def test_a_refusal_that_is_hard_to_see_or_reach_is_told(looks: Mapping[str, str], name: str) -> None:
    """However it is hidden, and however a colour is written; of a notice without faults nothing is said."""
    said = NOTICES[name][1]
    assert said in looks[name]
    assert bool(said) == bool(looks[name])


def test_a_notice_that_react_renders_names_its_tool(looks: Mapping[str, str]) -> None:
    """Its buttons are found by their marks, whatever they say."""
    assert looks["c15t"] == "c15t"


def test_what_is_put_in_behind_is_told_apart(reports: Mapping[str, AuditReport]) -> None:
    """A tag in a page of ours that was held, had we seen it, was put in behind us; there is one finding on it."""
    assert of(reports["holed"], "put-in-behind", "meta-pixel")
    assert [kind for kind, service in kinds(reports["holed"]) if service == "meta-pixel"] == ["put-in-behind"]


def test_what_goes_on_after_withdrawal_is_found(reports: Mapping[str, AuditReport]) -> None:
    """A script that remembers an earlier yes is found after withdrawal, and in no pass before."""
    found = of(reports["holed"], "survives-withdrawal", "intercom")
    assert [one.passes for one in found] == [["after withdrawal"]]


def test_a_vendor_that_is_told_no_after_yes_is_found(reports: Mapping[str, AuditReport]) -> None:
    """Consent Mode that stays denied after acceptance is a finding, too."""
    found = of(reports["holed"], "consent-mode-differs", "analytics_storage")
    assert [one.passes for one in found] == [["after acceptance"]]


def test_the_clean_twin_has_nothing(reports: Mapping[str, AuditReport]) -> None:
    """All visitors came, with scripts and without, and nothing was wrong."""
    report = reports["clean"]
    assert (kinds(report), report.unseen) == ([], [])
    assert {view.name for view in report.browser} == {*PASSES, UNTOUCHED + NO_SCRIPTS, REJECT + NO_SCRIPTS}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_ends_in_time(reports: Mapping[str, AuditReport], name: str) -> None:
    """It is looked at once, what it did is told, and what could not be seen."""
    report = reports[name]
    assert [(view.path, bool(view.requests)) for view in report.browser] == [(f"/{name}", True)]
    said = " ".join(why for _, why in report.unseen)
    assert re.search(HOSTILE[name].said, said), said


def test_a_tab_that_crashes_costs_its_own_page_alone(reports: Mapping[str, AuditReport]) -> None:
    """It is told, and the next page is looked at."""
    report = reports["crash"]
    assert report.unseen[0] == ("/never before a choice, in a browser", "the tab crashed")
    # On a busy machine the next page may not have loaded within its second.
    assert {path for path, _ in report.unseen[1:]} <= {"/download before a choice, in a browser"}
    assert [(view.path, bool(view.requests)) for view in report.browser] == [("/never", True), ("/download", True)]


def test_a_report_has_names_and_no_values(reports: Mapping[str, AuditReport]) -> None:
    """Addresses in a report keep the names of their parameters alone."""
    urls = [request.url for view in reports["faulty"].browser for request in view.requests]
    assert "https://localhost/g/c?v=…&tid=…" in urls
    assert not any("ABCDEFG" in url for url in urls)
