"""Consent that was given with another tool is taken back in a browser, and what goes on after that is found."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask import Response

from consent_mw import config
from consent_mw.audit.browser import LivePlan
from consent_mw.audit.browser import LiveWalk
from consent_mw.audit.browser import walk_in
from consent_mw.audit.browser_findings import add_browser
from consent_mw.audit.browser_page import LiveBounds
from consent_mw.audit.browser_start import launched
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.pages import Reader
from consent_mw.audit.passes import ACCEPT
from consent_mw.audit.passes import UNTOUCHED
from consent_mw.audit.passes import WITHDRAW
from consent_mw.audit.targets import APP_ORIGIN
from consent_mw.audit.targets import AppTarget
from consent_mw.audit.targets import Bounds
from consent_mw.audit.withdrawing import take_back
from tests import npm_packages
from tests.browser.harness import chromium
from tests.browser.tool_pages import TOOLS_HERE
from tests.browser.tool_pages import page_of

if TYPE_CHECKING:
    from playwright.async_api import Browser

#: Real tools with a tag that each of them holds until its visitors agree.
HOLDING: Mapping[str, str] = {
    "klaro": """<script>klaroConfig = {acceptAll: true, services: [{name: 'stats', purposes: ['x']}]}</script>
      <script src=/npm/klaro/dist/klaro.js></script>
      <script type=text/plain data-type=application/javascript data-name=stats
        data-src=https://static.hotjar.com/c/h.js></script>""",
    "cookieconsent-3": """<script src=/npm/vanilla-cookieconsent/dist/cookieconsent.umd.js></script>
      <link rel=stylesheet href=/npm/vanilla-cookieconsent/dist/cookieconsent.css>
      <script type=text/plain data-category=analytics data-src=https://static.hotjar.com/c/h.js></script>
      <script>CookieConsent.run({hideFromBots: false, categories: {necessary: {readOnly: true}, analytics: {}},
        language: {default: 'en', translations: {en: {
          consentModal: {title: 'Cookies', acceptAllBtn: 'Yes', acceptNecessaryBtn: 'No'},
          preferencesModal: {sections: []}}}}})</script>""",
}
#: Remembers an earlier yes by itself, and goes on when the tool has forgotten it.
_SURVIVING = """<script>
  if (/klaro=|"analytics"|%22analytics%22/.test(document.cookie) && !localStorage.getItem('was')
      && !/false/.test(document.cookie)) localStorage.setItem('was', '1');
  if (localStorage.getItem('was')) new Image().src = 'https://www.facebook.com/tr?id=1'
</script>"""
#: A notice of nobody's, that can or cannot be opened again.
_NOTICE = """<div id=own hidden>We use cookies. <button onclick="said('1')">Accept all</button>
  <button onclick="said('0')">Reject all</button></div><script>
  const said = yes => { document.cookie = 'own=' + yes; own.hidden = true };
  own.hidden = document.cookie.includes('own=')</script>"""
_AGAIN = "<button onclick='own.hidden = false'>Cookie settings</button>"


def site(pages: Mapping[str, str]) -> Flask:
    """Return a site with these pages, and the files of packages."""
    made = Flask("tools", static_folder=None)
    for path, markup in pages.items():
        made.add_url_rule(path, path, lambda markup=markup: markup)

    def package(path: str) -> Response:
        found = npm_packages.find(path)
        kind = mimetypes.guess_type(path)[0] or "text/plain"
        return Response(found.read_bytes() if found else b"", mimetype=kind)

    made.add_url_rule("/npm/<path:path>", "npm", package)
    return made


#: Tools whose call is made once on a page, and what has to be there after it.
ONCE = {
    **{name: page_of(tool) for name, tool in TOOLS_HERE.items() if name not in HOLDING},
    "nobody's": f"<!doctype html><title>x</title><h1>x</h1>{_NOTICE}{_AGAIN}",
    "nobody's, once": f"<!doctype html><title>x</title><h1>x</h1>{_NOTICE}",
    "usercentrics": """<!doctype html><title>x</title><h1>x</h1><script>
      window.__ucCmp = { denyAllConsents: async () => { document.cookie = 'own=0' },
        saveConsents: async () => { document.cookie = 'saved=1' } }; document.cookie = 'own=1'</script>""",
    "onetrust, deaf": """<!doctype html><title>x</title><h1>x</h1><script>window.OneTrust = { RejectAll() {} };
      document.cookie = 'OptanonAlertBoxClosed=2026-01-01T00:00:00Z';
      document.cookie = 'OptanonConsent=groups=C0001:1%2CC0002:1'</script>""",
}
#: Patterns of the reason if it cannot be done, or of the cookies after it was done.
AFTER = {
    "cookieconsent-2": r'"level":\["necessary"\]',
    "tarteaucitron": "!gtag=false",
    "osano-cookieconsent": "cookieconsent_status=deny",
    "c15t": "c15t=(?!.*measurement:1)",
    "cookiebot": "statistics:false",
    "onetrust": "C0002:0",
    "cookieyes": "analytics:no",
    "complianz": "cmplz_statistics=deny",
    "usercentrics": "own=0; saved=1",
    "nobody's": "own=0",
    "nobody's, once": "no public call of the notice is known, and the page has no control that opens the notice again",
    "onetrust, deaf": "OneTrust still keeps what was granted: C0002",
}


async def once(browser: Browser, name: str) -> str:
    """Accept in a page and take it back; return why that failed, or the cookies after it."""
    from werkzeug.test import Client

    client, context = Client(site({"/": ONCE[name]})), await browser.new_context()

    async def answer(route: object) -> None:
        found = client.get(route.request.url.removeprefix(APP_ORIGIN))  # type: ignore[attr-defined]
        await route.fulfill(body=found.get_data(), content_type=found.headers["Content-Type"])  # type: ignore[attr-defined]

    await context.route(APP_ORIGIN + "/**", answer)
    page = await context.new_page()
    await page.goto(APP_ORIGIN + "/")
    if name in TOOLS_HERE:
        button = page.locator(TOOLS_HERE[name].accept).first
        await button.wait_for()
        if TOOLS_HERE[name].answer:  # its buttons appear before they work
            await page.evaluate(TOOLS_HERE[name].answer, True)
        else:
            await button.click()
    elif "nobody" in name:
        await page.locator("text=Accept all").click()
    await page.wait_for_function("document.cookie !== ''")
    tool = "" if "nobody" in name else name.partition(",")[0]
    why = await take_back(page, tool)
    said: str = why or await page.evaluate("decodeURIComponent(document.cookie)")
    await context.close()
    return said


@pytest.fixture(scope="module")
def seen() -> tuple[dict[str, LiveWalk], dict[str, str]]:
    """The visits to pages with one tag that is held and one that goes on, and what became of single pages."""
    for tool in ("klaro/dist/klaro.js", "tarteaucitronjs/tarteaucitron.min.js"):
        npm_packages.file(tool)
    plan = LivePlan(accept=True, passes=(UNTOUCHED, ACCEPT), bounds=LiveBounds(silence=0.2, linger=0.1))
    head = "<!doctype html><title>x</title><h1>x</h1>"

    async def look() -> tuple[list[LiveWalk], list[str]]:
        async with launched(APP_ORIGIN, (), chromium.find()) as browser:
            walks = asyncio.gather(
                *(
                    walk_in(browser, AppTarget(app, Bounds()), ["/"], plan)
                    for app in (site({"/": head + one + _SURVIVING}) for one in HOLDING.values())
                )
            )
            return await walks, await asyncio.gather(*(once(browser, name) for name in ONCE))

    with ThreadPoolExecutor(1) as thread:
        walks, pages = thread.submit(asyncio.run, look()).result()
    return dict(zip(HOLDING, walks, strict=True)), dict(zip(ONCE, pages, strict=True))


@pytest.mark.browser
@pytest.mark.parametrize("name", HOLDING)
def test_what_survives_another_tools_withdrawal_is_found(
    seen: tuple[dict[str, LiveWalk], dict[str, str]], name: str
) -> None:
    """The tracker that goes on is found, and nothing is said of the one that the tool holds again."""
    report = AuditReport(name, "2026-11-30")
    walk = seen[0][name]
    add_browser(report, walk, Reader(config.load({"services": [{"use": "hotjar"}]})), APP_ORIGIN)
    found = [one for one in report.findings if one.kind == "survives-withdrawal"]
    assert [(one.service, one.passes) for one in found] == [("meta-pixel", [WITHDRAW])]
    assert any("hotjar" in one.host for page in walk.pages[ACCEPT] for one in page.requests)
    assert [why for what, why in report.unseen if what == WITHDRAW] == []


@pytest.mark.browser
@pytest.mark.parametrize("name", AFTER)
def test_each_tool_is_asked_by_its_own_call(seen: tuple[dict[str, LiveWalk], dict[str, str]], name: str) -> None:
    """Its choice cookie says no after it; where there is no way, or the call does nothing, the report says why."""
    assert re.search(AFTER[name], seen[1][name])
