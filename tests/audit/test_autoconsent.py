"""``consent-mw audit --autoconsent``: the real package answers notices of real tools that hide their refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from flask import Flask
from flask import send_from_directory

from consent_mw import config
from consent_mw.audit.autoconsent import Autoconsent
from consent_mw.audit.browser import LivePlan
from consent_mw.audit.browser import LiveWalk
from consent_mw.audit.browser import walk_in
from consent_mw.audit.browser_findings import add_browser
from consent_mw.audit.browser_page import LiveBounds
from consent_mw.audit.browser_start import launched
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.pages import Reader
from consent_mw.audit.passes import REJECT
from consent_mw.audit.passes import UNTOUCHED
from consent_mw.audit.targets import APP_ORIGIN
from consent_mw.audit.targets import AppTarget
from consent_mw.audit.targets import Bounds
from consent_mw.cli import UNABLE
from consent_mw.cli import main
from tests import npm_packages
from tests.browser.harness import chromium

_PIXEL = "new Image().src = 'https://www.facebook.com/tr?id=1'"
#: Real tools, set up so that their first page has no button that refuses, and a pixel that a refusal sets off.
TOOLS: Mapping[str, str] = {
    "klaro": f"""<script>klaroConfig = {{acceptAll: true, hideDeclineAll: true, services: [
        {{name: 'stats', purposes: ['x'], callback: yes => {{
          if (!yes && document.cookie.includes('klaro=')) {_PIXEL} }}}}
      ]}}</script><script src=/npm/klaro/dist/klaro.js></script>""",
    "cookieconsent-3": f"""<script src=/npm/vanilla-cookieconsent/dist/cookieconsent.umd.js></script>
      <link rel=stylesheet href=/npm/vanilla-cookieconsent/dist/cookieconsent.css>
      <script>CookieConsent.run({{hideFromBots: false, categories: {{necessary: {{readOnly: true}}, analytics: {{}}}},
        onFirstConsent: () => {{ if (!CookieConsent.acceptedCategory('analytics')) {_PIXEL} }},
        language: {{default: 'en', translations: {{en: {{
          consentModal: {{title: 'Cookies', acceptAllBtn: 'Fine', showPreferencesBtn: 'More'}},
          preferencesModal: {{title: 'Cookies', acceptAllBtn: 'Fine', acceptNecessaryBtn: 'No',
            savePreferencesBtn: 'Save', sections: [{{title: 'x', linkedCategory: 'analytics'}}]}}}}}}}}}})</script>""",
}


def app() -> Flask:
    """Return a site with a page for each tool."""
    made = Flask("others", static_folder=None)
    for name, markup in TOOLS.items():
        made.add_url_rule(f"/{name}", name, lambda markup=markup: f"<!doctype html><title>x</title><h1>x</h1>{markup}")
    made.add_url_rule("/npm/<path:path>", "npm", lambda path: send_from_directory(npm_packages.FOLDER, path))
    return made


@pytest.fixture(scope="module")
def walks() -> dict[str, LiveWalk]:
    """The visits to each page, with autoconsent, and to the first without."""
    folder = npm_packages.file("@duckduckgo/autoconsent/rules/rules.json").parents[1]
    helper, target = Autoconsent(folder), AppTarget(app(), Bounds())
    plan = LivePlan(passes=(UNTOUCHED, REJECT), bounds=LiveBounds(silence=0.2, linger=0.1), helper=helper)
    bare = LivePlan(passes=(UNTOUCHED, REJECT), bounds=plan.bounds)

    async def look() -> list[LiveWalk]:
        async with launched(APP_ORIGIN, (), chromium.find()) as browser:
            return await asyncio.gather(
                *(walk_in(browser, target, [f"/{name}"], plan) for name in TOOLS),
                walk_in(browser, target, ["/klaro"], bare),
            )

    with ThreadPoolExecutor(1) as thread:
        return dict(zip([*TOOLS, "without"], thread.submit(asyncio.run, look()).result(), strict=True))


@pytest.mark.browser
@pytest.mark.parametrize("name", TOOLS)
def test_a_refusal_behind_the_first_page_is_made(walks: Mapping[str, LiveWalk], name: str) -> None:
    """The tool keeps it, what loads after it is found, and it is said that the notice has no button for it."""
    report = AuditReport(name, date(2026, 11, 30).isoformat())
    add_browser(report, walks[name], Reader(config.load({})), APP_ORIGIN)
    assert [(one.kind, one.passes) for one in report.findings if one.service == "meta-pixel"] == [
        ("fires-after-reject", [REJECT])
    ]
    said = [one.what.partition(": ")[2] for one in report.findings if one.kind == "reject-is-less"]
    assert said == ["there is a button that accepts, and none beside it that refuses."]
    assert [why for what, why in report.unseen if what == REJECT] == []


@pytest.mark.browser
def test_without_it_the_report_says_that_nobody_refused(walks: Mapping[str, LiveWalk]) -> None:
    """The package is the owner's choice: without it, such a page is not seen after a refusal."""
    assert (REJECT, "no button was found that refuses") in walks["without"].unseen
    assert set(walks["without"].pages) == {UNTOUCHED}


def test_a_folder_without_the_package_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what to install; the audit fetches nothing by itself."""
    given = ["audit", "tests.audit.test_autoconsent:app()", "-q", "--autoconsent", str(tmp_path)]
    assert main([*given, "--browser"]) == UNABLE
    assert "npm install @duckduckgo/autoconsent" in capsys.readouterr().err
    assert main(given) == UNABLE
    assert "give --browser, too" in capsys.readouterr().err
