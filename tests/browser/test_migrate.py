"""
Other consent tools: the cookie that each really sets is read, and its choice applies.

Six come from their packages. Of the hosted ones there are only the published snippet and a stand-in
(:mod:`tests.browser.hosted_tools`).
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import expect

from consent_mw import ConsentMiddleware
from consent_mw import config
from consent_mw.audit.first_config import Facts
from consent_mw.audit.first_config import first_config
from consent_mw.audit.notices import BUTTONS
from consent_mw.audit.other_tools import tools_in
from consent_mw.audit.pages import Reader
from consent_mw.audit.targets import Response
from consent_mw.cookies.migrating import TOOLS
from tests import npm_packages
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy
from tests.browser.hosted_tools import GTAG
from tests.browser.hosted_tools import HOSTED
from tests.browser.hosted_tools import USERCENTRICS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment


class Tool(NamedTuple):
    """A package: its script, the set-up before and after it, its cookie, and the buttons for yes and no."""

    script: str
    before: str
    after: str
    cookie: str
    accept: str
    reject: str
    #: The tool's function for an answer, if its buttons appear before they work.
    answer: str = ""
    #: The page of a hosted tool.
    page: str = ""


#: The core of c15t, which its components for React use, too, with a button for each answer.
C15T = """<!doctype html><title>x</title><script type=importmap>{"imports": {
"c15t": "/npm/c15t/dist/index.js", "@c15t/schema/types": "/npm/@c15t/schema/dist/types.js",
"@c15t/translations": "/npm/@c15t/translations/dist/index.js", "zustand/vanilla": "/npm/zustand/esm/vanilla.mjs"
}}</script><body><h1>x</h1><script type=module>
import { getOrCreateConsentRuntime } from 'c15t';
const consentCategories = ['necessary', 'measurement', 'marketing'];
const { consentStore } = getOrCreateConsentRuntime({ mode: 'offline', consentCategories });
for (const [id, what] of [['yes', 'all'], ['no', 'necessary']]) {
  const onclick = () => consentStore.getState().saveConsents(what);
  document.body.append(Object.assign(document.createElement('button'), { id, textContent: id, onclick }));
}
</script>"""

PACKAGES = {
    "cookieconsent-3": Tool(
        "vanilla-cookieconsent/dist/cookieconsent.umd.js",
        "",
        "CookieConsent.run({hideFromBots: false,"
        "categories: {necessary: {readOnly: true}, analytics: {}, marketing: {}}, language: {"
        "default: 'en', translations: {en: {consentModal: {title: 'x', acceptAllBtn: 'Yes', acceptNecessaryBtn: 'No'},"
        "preferencesModal: {sections: []}}}}})",
        "cc_cookie=",
        "#cc-main [data-role=all]",
        "#cc-main [data-role=necessary]",
    ),
    "cookieconsent-2": Tool(
        "vanilla-cookieconsent-2/dist/cookieconsent.js",
        # Without its style sheet its notice stays hidden.
        "document.head.append(Object.assign(document.createElement('link'),"
        "{rel: 'stylesheet', href: '/npm/vanilla-cookieconsent-2/dist/cookieconsent.css'}))",
        "initCookieConsent().run({hide_from_bots: false, current_lang: 'en', languages: {en: {"
        "consent_modal: {title: 'x', description: 'x',"
        "primary_btn: {text: 'Yes', role: 'accept_all'}, secondary_btn: {text: 'No', role: 'accept_necessary'}},"
        "settings_modal: {title: 'x', save_settings_btn: 'x', blocks: ["
        "{title: 'x', toggle: {value: 'necessary', enabled: true, readonly: true}},"
        "{title: 'x', toggle: {value: 'analytics', enabled: false, readonly: false}}]}}}})",
        "cc_cookie=",
        "#c-p-bn",
        "#c-s-bn",
    ),
    "klaro": Tool(
        "klaro/dist/klaro.js",
        "window.klaroConfig = {acceptAll: true, services: ["
        "{name: 'google-analytics', purposes: ['statistics']}, {name: 'session', purposes: ['x'], required: true}]}",
        "",
        "klaro=",
        ".klaro .cm-btn-success",
        ".klaro .cn-decline",
    ),
    "tarteaucitron": Tool(
        "tarteaucitronjs/tarteaucitron.min.js",
        "",
        "tarteaucitron.user.gtagUa = 'G-AAAAA1'; tarteaucitron.init({highPrivacy: true, AcceptAllCta: true,"
        "DenyAllCta: true, orientation: 'bottom', cookieName: 'tarteaucitron'});"
        "(tarteaucitron.job = tarteaucitron.job || []).push('gtag')",
        "gtag=(true|false)",
        "#tarteaucitronPersonalize2",
        "#tarteaucitronAllDenied2",
        "yes => tarteaucitron.userInterface.respondAll(yes)",
    ),
    "osano-cookieconsent": Tool(
        "cookieconsent/build/cookieconsent.min.js",
        "",
        "cookieconsent.initialise({type: 'opt-in'})",
        "cookieconsent_status=",
        ".cc-allow",
        ".cc-deny",
    ),
    "c15t": Tool("c15t/dist/index.js", "", "", "c15t=", "#yes", "#no", page=C15T),
}
TOOLS_HERE = {
    **PACKAGES,
    **{
        name: Tool(
            "", "", "", "(CookieConsent|OptanonConsent|cookieyes-consent|cmplz_marketing)=", *BUTTONS[name][1:]
        )._replace(page=hosted.page)
        for name, hosted in HOSTED.items()
    },
}
#: A yes in Osano's notice is not for particular purposes.
ANSWERS = [(name, yes) for name in TOOLS_HERE for yes in (False, True) if (name, yes) != ("osano-cookieconsent", True)]


def page_of(tool: Tool) -> str:
    """Return a page with the tool."""
    return tool.page or (
        f"<!doctype html><title>x</title><body><h1>x</h1><script>{tool.before}</script>"
        f"<script src='/npm/{tool.script}'></script><script>{tool.after}</script>"
    )


def site_of(tool: Tool) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """Return a site with the tool at ``/``, its files, and a page without it at ``/after``."""
    page = page_of(tool)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        kind, body = "text/html; charset=utf-8", page.encode()
        if path == "/after":
            body = f"<!doctype html><title>x</title><body><script src='{GTAG}'></script><h1>x</h1>".encode()
        elif path != "/":
            found = npm_packages.find(path.removeprefix("/npm/"))
            kind = mimetypes.guess_type(path)[0] or "text/plain"
            body = found.read_bytes() if found else b""
        start_response("200 OK", [("Content-Type", kind), ("Cache-Control", "no-store")])
        return [body]

    return app


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsentMiddleware]:
    """The pages after consent_mw has replaced the tool."""
    records = f"sqlite:///{tmp_path_factory.mktemp('records')}/consent.db"
    site = {"name": "x", "records": records, "migrate_from": list(TOOLS), "migrate_until": "2999-12-31"}
    any_tool = next(iter(PACKAGES.values()))
    made = ConsentMiddleware(site_of(any_tool), {"site": site, "services": [{"use": "google-analytics"}]})
    yield made
    made.close()


@pytest.fixture(scope="module")
def lane(proxy: Proxy) -> Iterator[Lane]:
    """One proxy for all visits."""
    with proxy.lane() as opened:
        yield opened


@pytest.mark.parametrize(("name", "yes"), ANSWERS)
def test_the_choice_made_with_the_real_tool_holds(
    chromium: Browser, lane: Lane, wrapped: ConsentMiddleware, name: str, yes: bool
) -> None:
    """A no applies without another question; a yes is recorded, and the granted services run at once."""
    tool = TOOLS_HERE[name]
    if tool.script:
        npm_packages.file(tool.script)
    host = f"{name}-{'yes' if yes else 'no'}.example"
    lane.serve(host, site_of(tool))
    context = chromium.new_context(proxy={"server": lane.address}, ignore_https_errors=True)
    try:
        page = context.new_page()
        page.goto(f"https://{host}/")
        button = page.locator(tool.accept if yes else tool.reject)
        button.wait_for()
        if tool.answer:  # the tool may not be listening for the click yet
            page.evaluate(tool.answer, yes)
        else:
            button.click()
        page.wait_for_function("cookie => RegExp(cookie).test(document.cookie)", arg=tool.cookie)
        lane.serve(host, wrapped)
        since = lane.mark()
        page.goto(f"https://{host}/after", wait_until="domcontentloaded")
        page.wait_for_selector("html[data-cmw-state]:not([data-cmw-state=none])", state="attached")
        assert page.evaluate("document.documentElement.dataset.cmwState") == ("accept" if yes else "reject")
        if yes:
            assert lane.wait_for(lambda hits: any(hit.host == "www.googletagmanager.com" for hit in hits), since)
        else:
            page.wait_for_load_state("load")
            assert [hit.host for hit in lane.hits(since) if hit.host == "www.googletagmanager.com"] == []
        expect(page.locator("[data-cmw-banner]")).to_be_hidden()
    finally:
        context.close()


@pytest.mark.parametrize("name", [*TOOLS_HERE, "usercentrics"])
def test_a_page_with_the_tool_is_recognised_and_mapped(name: str) -> None:
    """The audit names the tool alone; init declares the tag that it marks, and says which category is which purpose."""
    text = USERCENTRICS if name == "usercentrics" else page_of(TOOLS_HERE[name])
    assert [tool.id for tool in tools_in(text)] == [name]
    if name in PACKAGES:
        return
    reader = Reader(config.load({}))
    page = reader.read("https://x.example", "/", Response(200, (("Content-Type", "text/html"),), text.encode()))
    toml = first_config([page], reader, Facts("https://x.example/"))
    assert 'use = "google-analytics"' in toml
    (mapped,) = tools_in(text)
    assert [word for word in mapped.categories if word not in toml] == []
