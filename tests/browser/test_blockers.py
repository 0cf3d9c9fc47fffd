"""
A content blocker removes the banner or blocks all our requests: the page stays usable, and everything stays held.

The blocker is a real browser extension. It uses style sheets of user origin, which override those of a page, a script
that removes elements, and the browser's blocking of requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import BrowserContext
from playwright.sync_api import Page

from consent_mw import ConsentMiddleware
from tests.browser.harness import chromium as chromium_driver
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

LAYOUTS = ["bar", "corner", "dialog"]
TRACKERS = {"www.googletagmanager.com", "www.facebook.com"}

MANIFEST = {
    "manifest_version": 3,
    "name": "blocker",
    "version": "1",
    "permissions": ["scripting", "tabs", "declarativeNetRequest"],
    "host_permissions": ["<all_urls>"],
    "background": {"service_worker": "background.js"},
    "content_scripts": [
        {
            "matches": [
                "https://remove.bar.example/*",
                "https://remove.corner.example/*",
                "https://remove.dialog.example/*",
            ],
            "js": ["remove.js"],
            "run_at": "document_start",
        },
    ],
    "declarative_net_request": {"rule_resources": [{"id": "ours", "enabled": True, "path": "rules.json"}]},
}
RULES = [
    {
        "id": 1,
        "action": {"type": "block"},
        "condition": {
            "regexFilter": r"^https://block\.[a-z]+\.example/_cmw/",
            "resourceTypes": [
                "main_frame",
                "sub_frame",
                "stylesheet",
                "script",
                "image",
                "xmlhttprequest",
                "ping",
                "other",
            ],
        },
    }
]
HIDE = """chrome.tabs.onUpdated.addListener((tabId, info, tab) => {
  if (!/^https:..hide[.]/.test(tab.url)) return;
  const css = '[data-cmw-banner] { display: none !important }';
  chrome.scripting.insertCSS({ target: { tabId }, origin: 'USER', css });
});
"""
REMOVE = """const remove = () => document.querySelectorAll('[data-cmw-banner]').forEach(banner => banner.remove());
new MutationObserver(remove).observe(document, { childList: true, subtree: true });
"""

PAGE = b"""<!doctype html><html lang="en"><head><title>Shop</title>
<script src="https://www.googletagmanager.com/gtag/js?id=G-1"></script></head>
<body style="margin: 0"><h1>Shop</h1><a href="#end">to the end</a><div style="height: 3000px">long</div>
<button onclick="this.textContent = 'bought'">buy</button><p id="end" style="margin: 0">end</p>
<img alt="" src="https://www.facebook.com/tr?id=1">
"""

#: Obstacles to using the page: a scroll lock, a fixed element over it, or empty space below its end.
OBSTACLES = """() => {
  const found = [];
  for (const node of [document.documentElement, document.body]) {
    if (/hidden|clip/.test(getComputedStyle(node).overflowY)) found.push('locked: ' + node.localName);
  }
  for (const x of [0.1, 0.5, 0.9]) for (const y of [0.1, 0.5, 0.9]) {
    for (let node = document.elementFromPoint(innerWidth * x, innerHeight * y); node; node = node.parentElement) {
      if (/fixed|sticky/.test(getComputedStyle(node).position)) found.push('covered: ' + node.outerHTML.slice(0, 90));
    }
  }
  const end = document.querySelector('#end').getBoundingClientRect().bottom + scrollY;
  const hole = document.documentElement.scrollHeight - end;
  if (hole > innerHeight * 0.4) found.push('hole: ' + hole);
  return found;
}"""


def site(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the one page."""
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [PAGE]


@pytest.fixture(scope="module")
def lane(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """A lane with the site in each layout, once for each way of blocking."""
    hosts = {}
    for layout in LAYOUTS:
        records = f"sqlite:///{tmp_path_factory.mktemp('records') / 'consent.db'}"
        services = [{"use": "google-analytics"}, {"use": "meta-pixel"}]
        app = ConsentMiddleware(site, {"site": {"layout": layout, "records": records}, "services": services})
        hosts.update({f"{way}.{layout}.example": app for way in ("hide", "remove", "block")})
    with proxy.lane(hosts) as opened:
        yield opened


@pytest.fixture(scope="module")
def window(chromium: Browser, lane: Lane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser with the blocker."""
    folder = tmp_path_factory.mktemp("blocker")
    for name, text in {
        "manifest.json": json.dumps(MANIFEST),
        "rules.json": json.dumps(RULES),
        "background.js": HIDE,
        "remove.js": REMOVE,
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    context = chromium.browser_type.launch_persistent_context(
        tmp_path_factory.mktemp("profile"),
        executable_path=chromium_driver.find(whole=True),
        args=[*chromium_driver.flags(), f"--disable-extensions-except={folder}", f"--load-extension={folder}"],
        ignore_default_args=["--disable-extensions"],
        proxy={"server": lane.address},
        ignore_https_errors=True,
    )
    if not context.service_workers:
        context.wait_for_event("serviceworker")
    yield context
    context.close()


def opened(window: BrowserContext, way: str, layout: str) -> Page:
    """Visit the site in a new tab, and wait for the blocker if it changes the page."""
    page = window.new_page()
    page.goto(f"https://{way}.{layout}.example/")
    if way != "block":
        page.wait_for_function("!document.querySelector('[data-cmw-banner]')?.offsetHeight")
    return page


def leaks(lane: Lane) -> list[str]:
    """Return the requests to trackers."""
    lane.settle()
    return [str(hit) for hit in lane.hits() if hit.host in TRACKERS]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("way", ["hide", "remove"])
def test_without_its_banner_a_page_is_usable_and_holds_everything(
    window: BrowserContext, lane: Lane, way: str, layout: str
) -> None:
    """It scrolls to its end, nothing covers it, its elements can be clicked, and the choices can be opened."""
    page = opened(window, way, layout)
    page.mouse.move(300, 300)
    page.mouse.wheel(0, 100_000)
    page.wait_for_function("scrollY + innerHeight > document.documentElement.scrollHeight - 2 && scrollY > 1000")
    obstacles = page.evaluate(OBSTACLES)
    # The control must not appear between the press and the release of the button.
    page.locator("[data-cmw-reopen]").wait_for()
    page.click("button:has-text('buy')")
    page.locator("text=bought").wait_for()
    assert (obstacles, leaks(lane)) == ([], [])
    page.close()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_with_all_that_is_ours_blocked_a_page_is_usable_and_holds_everything(
    window: BrowserContext, lane: Lane, layout: str
) -> None:
    """The banner is part of the page; with all our requests blocked, the page below it scrolls and works."""
    page = opened(window, "block", layout)
    lost = page.evaluate("fetch('/_cmw/state').then(() => false, () => true)")
    page.mouse.move(300, 100)
    page.mouse.wheel(0, 100_000)
    page.wait_for_function("scrollY > 1000")
    locked = [word for word in page.evaluate(OBSTACLES) if word.startswith("locked")]
    page.click("button:has-text('buy')")
    page.locator("text=bought").wait_for()
    assert (lost, locked, leaks(lane)) == (True, [], [])
    page.close()


def test_a_refusal_that_cannot_be_sent_loses_no_page(window: BrowserContext, lane: Lane) -> None:
    """With all our requests blocked, "Reject all" removes the banner and leaves the page as it is."""
    page = opened(window, "block", "bar")
    page.click("[data-cmw-banner] [data-cmw-action=reject-all]")
    page.wait_for_function("document.querySelector('[data-cmw-banner]').hidden")
    page.click("button:has-text('buy')")
    page.locator("text=bought").wait_for()
    assert (page.url, leaks(lane)) == ("https://block.bar.example/", [])
    page.close()
