"""
Vendors' tags are told the choice through their own interfaces, before they run and whenever it changes.

Our small libraries read the vendors' queues as the real ones do; a proxy serves them for the vendors. Each records the
signals that it gets, across page loads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import BrowserContext
from playwright.sync_api import Page

from consent_mw import ConsentMiddleware
from tests.browser.harness.answers import Answer
from tests.browser.harness.answers import fitting
from tests.browser.harness.proxy import Hit
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.site import FIRST_PARTY
from tests.browser.harness.site import ROOT
from tests.browser.harness.site import PageSite

pytestmark = pytest.mark.browser

TELL = """
const tell = (who, what) => {
  sessionStorage.told = JSON.stringify([...JSON.parse(sessionStorage.told || '[]'), [who, ...what]]);
};
"""
#: The readers of the queue accept only ``arguments`` objects as commands.
GOOGLE = """(() => {%s
  const consent = {};
  const flag = name => (consent[name] === 'denied' ? '0' : '1');
  const take = one => {
    if (Object.prototype.toString.call(one) !== '[object Arguments]') return;
    tell('google', one);
    if (one[0] === 'consent') Object.assign(consent, one[2]);
    const gcs = 'G1' + flag('ad_storage') + flag('analytics_storage');
    if (one[0] === 'config') new Image().src = 'https://www.google-analytics.com/g/collect?v=2&gcs=' + gcs;
  };
  dataLayer.forEach(take);
  const push = dataLayer.push;
  dataLayer.push = (...all) => { push.apply(dataLayer, all); all.forEach(take); };
})()"""
META = """(() => {%s
  const held = [];
  let revoked;
  const send = name => { new Image().src = 'https://www.facebook.com/tr/?ev=' + name; };
  fbq.callMethod = (...all) => {
    tell('meta', all);
    if (all[0] === 'consent') revoked = all[1] === 'revoke';
    if (all[0] === 'track') held.push(all[1]);
    if (!revoked) held.splice(0).forEach(send);
  };
  fbq.queue.forEach(one => fbq.callMethod(...one));
})()"""
MICROSOFT = """function UET(options) {%s
  this.push = (...all) => tell('microsoft', all);
  if (options.q.length) this.push(...options.q);
}"""
CLARITY = """(() => {%s
  const queue = clarity.q || [];
  clarity = (...all) => tell('clarity', all);
  queue.forEach(one => clarity(...one));
})()"""
#: A tag manager with a pixel.
MANAGER = (
    GOOGLE
    + """;
(() => {
  const tag = document.createElement('script');
  tag.textContent = document.getElementById('pixel').textContent;
  document.head.append(tag);
})()"""
)
LIBRARIES = {
    "www.googletagmanager.com/gtag/js": GOOGLE,
    "www.googletagmanager.com/gtm.js": MANAGER,
    "connect.facebook.net/en_US/fbevents.js": META,
    "bat.bing.com/bat.js": MICROSOFT,
    "www.clarity.ms/tag/abc": CLARITY,
}

#: Reduced versions of the code that owners paste: each vendor's queue, created if missing, and its library.
PIXEL = """
(() => {
  if (window.fbq) return;
  let queue;
  queue = window.fbq = function () {
    if (queue.callMethod) queue.callMethod.apply(queue, arguments);
    else queue.queue.push(arguments);
  };
  queue.push = queue;
  queue.queue = [];
  document.head.append(Object.assign(document.createElement('script'), {
    src: 'https://connect.facebook.net/en_US/fbevents.js',
  }));
})();
fbq('init', '1');
fbq('track', 'PageView');
"""
TAGS = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<script async src="https://www.googletagmanager.com/gtag/js?id=G-AAAA11111"></script>
<script>window.dataLayer = window.dataLayer || []; function gtag() {{ dataLayer.push(arguments); }}
gtag('js', new Date(0)); gtag('config', 'G-AAAA11111');</script>
<script>window.uetq = window.uetq || [];
document.head.append(Object.assign(document.createElement('script'), {{
  src: 'https://bat.bing.com/bat.js',
  onload() {{ uetq = new UET({{ ti: '1', q: uetq }}); uetq.push('pageLoad'); }},
}}));</script>
<script>window.clarity = window.clarity || function () {{ (clarity.q = clarity.q || []).push(arguments); }};
document.head.append(Object.assign(document.createElement('script'), {{ src: 'https://www.clarity.ms/tag/abc' }}));
</script>
<script>{PIXEL}</script></head><body><h1>Shop</h1></body></html>"""
MANAGED = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<script>window.dataLayer = window.dataLayer || [];
dataLayer.push({{ 'gtm.start': 1, event: 'gtm.js' }});
document.head.append(Object.assign(document.createElement('script'), {{
  src: 'https://www.googletagmanager.com/gtm.js?id=GTM-AAAA111',
}}));</script>
<script type="text/template" id="pixel">{PIXEL}</script></head><body><h1>Shop</h1></body></html>"""

STATISTICS = {
    "ad_storage": "denied",
    "ad_user_data": "denied",
    "ad_personalization": "denied",
    "analytics_storage": "granted",
    "functionality_storage": "denied",
    "personalization_storage": "denied",
    "security_storage": "granted",
}
ALL = dict.fromkeys(STATISTICS, "granted")
NONE = dict.fromkeys(STATISTICS, "denied") | {"security_storage": "granted"}


def library(hit: Hit) -> Answer:
    """Return a vendor's small library."""
    code = LIBRARIES.get(hit.host + hit.path.partition("?")[0])
    return Answer(200, "text/javascript", (code % TELL).encode()) if code else fitting(hit)


def config(folder: Path, *services: str) -> dict[str, object]:
    """Return the configuration of a site with these services."""
    return {
        "site": {"records": f"sqlite:///{folder / 'consent.db'}"},
        "signals": {"url_passthrough": True, "ads_data_redaction": True},
        "purposes": {"preferences": {"label": "Preferences"}},
        "services": [{"use": service} for service in services],
    }


@pytest.fixture
def lane(proxy: Proxy) -> Iterator[Lane]:
    """A lane in which our libraries answer."""
    with proxy.lane({}, library) as lane:
        yield lane


@pytest.fixture
def context(chromium: Browser, lane: Lane) -> Iterator[BrowserContext]:
    """A visitor that uses the lane."""
    context = chromium.new_context(proxy={"server": lane.address}, ignore_https_errors=True)
    context.set_default_timeout(30_000)
    yield context
    context.close()


def answer(context: BrowserContext, *fields: tuple[str, str]) -> None:
    """Post a choice."""
    headers = {"Origin": ROOT.rstrip("/"), "Content-Type": "application/x-www-form-urlencoded"}
    context.request.post(f"{ROOT}_cmw/choice", data=urlencode(fields), headers=headers, max_redirects=0)


def told(page: Page, who: str, count: int) -> list[Any]:
    """Return the signals that the vendor got, once there are ``count``."""
    found = "([who, count]) => JSON.parse(sessionStorage.told || '[]').filter(one => one[0] === who).length >= count"
    page.wait_for_function(found, arg=[who, count])
    all_: list[list[Any]] = json.loads(page.evaluate("sessionStorage.told"))
    return [what for name, *what in all_ if name == who]


def queues(page: Page) -> list[str]:
    """Return the vendors' queues in the page, except placeholders."""
    names = ["dataLayer", "uetq", "clarity", "fbq"]
    found: list[str] = page.evaluate(
        """names => names.filter(name => {
            const now = window[name];
            return typeof now === 'function' ? !now.cmw : now && now.length !== 0;
        })""",
        names,
    )
    return found


def settled(lane: Lane, page: Page) -> None:
    """Wait until the network is idle."""
    page.wait_for_load_state("load")
    lane.settle()


def test_tags_are_told_what_is_granted_before_they_run(lane: Lane, context: BrowserContext, tmp_path: Path) -> None:
    """
    There are no signals before a choice. Then this page and the next send the default first, each vendor in its form.

    After a grant of statistics Google's hit says so (``gcs=G101``). After a withdrawal elsewhere all vendors get
    "denied" before the page reloads, and then no signals are sent.
    """
    services = ("google-analytics", "bing-uet", "clarity", "meta-pixel")
    lane.serve(FIRST_PARTY, ConsentMiddleware(PageSite(TAGS.encode()), config(tmp_path, *services)))
    page = context.new_page()
    page.goto(ROOT)
    settled(lane, page)
    assert (queues(page), lane.foreign()) == ([], [])

    options = [["set", "url_passthrough", True], ["set", "ads_data_redaction", True]]
    page.click("summary")
    page.check("[data-cmw-banner] [value=analytics]")
    page.click("[data-cmw-banner] [value=save]")
    for _ in ("released in the page", "told in head"):
        google = told(page, "google", 5)
        assert google[:4] == [["consent", "default", STATISTICS], *options, ["js", google[3][1]]]
        assert google[4:] == [["config", "G-AAAA11111"]]
        assert told(page, "clarity", 1) == [["consentv2", {"ad_Storage": "denied", "analytics_Storage": "granted"}]]
        assert queues(page) == ["dataLayer", "clarity"]
        settled(lane, page)
        page.evaluate("sessionStorage.clear()")
        page.reload()
    collected = [url for url in lane.urls() if "collect" in url]
    assert set(collected) == {"https://www.google-analytics.com/g/collect?v=2&gcs=G101"}

    answer(context, ("action", "accept-all"))
    settled(lane, page)
    page.evaluate("sessionStorage.clear()")
    since = lane.mark()
    page.reload()
    assert told(page, "google", 5)[0] == ["consent", "default", ALL]
    assert told(page, "microsoft", 2) == [["consent", "default", {"ad_storage": "granted"}], ["pageLoad"]]
    assert told(page, "clarity", 1) == [["consentv2", {"ad_Storage": "granted", "analytics_Storage": "granted"}]]
    assert told(page, "meta", 3) == [["consent", "grant"], ["init", "1"], ["track", "PageView"]]
    settled(lane, page)
    assert {"https://www.google-analytics.com/g/collect?v=2&gcs=G111"} < set(lane.urls(since))
    assert "https://www.facebook.com/tr/?ev=PageView" in lane.urls(since)

    page.evaluate("sessionStorage.clear()")
    answer(context, ("action", "withdraw"))
    with page.expect_navigation():
        page.evaluate("new BroadcastChannel('cmw').postMessage('changed')")
    assert told(page, "google", 1) == [["consent", "update", NONE]]
    assert told(page, "microsoft", 1) == [["consent", "update", {"ad_storage": "denied"}]]
    assert told(page, "clarity", 1) == [["consentv2", {"ad_Storage": "denied", "analytics_Storage": "denied"}]]
    assert told(page, "meta", 1) == [["consent", "revoke"]]
    settled(lane, page)
    assert queues(page) == []


@pytest.mark.parametrize("guard", [True, False])
def test_a_tag_manager_runs_for_one_purpose_and_its_tags_know_which(
    lane: Lane, context: BrowserContext, tmp_path: Path, guard: bool
) -> None:
    """
    After a grant of statistics alone, the manager's pixel gets "revoke" before it starts, and sends nothing.

    The guard holds its undeclared library; without the guard the library loads, and respects the signal.
    """
    settings = config(tmp_path, "google-tag-manager", "google-analytics")
    settings["site"] = {"records": f"sqlite:///{tmp_path / 'consent.db'}", "guard": guard}
    lane.serve(FIRST_PARTY, ConsentMiddleware(PageSite(MANAGED.encode()), settings))
    page = context.new_page()
    page.goto(ROOT)
    settled(lane, page)
    assert lane.foreign() == []
    answer(context, ("action", "save"), ("purpose", "analytics"))
    page.reload()
    assert told(page, "google", 3)[0] == ["consent", "default", STATISTICS]
    settled(lane, page)
    begun = [["consent", "revoke"], ["init", "1"], ["track", "PageView"]]
    if guard:
        assert page.evaluate("fbq.queue.map(one => [...one])") == begun
    else:
        assert told(page, "meta", 3) == begun
    assert [hit.url for hit in lane.foreign() if "facebook" in hit.host and (guard or "/tr/" in hit.path)] == []
