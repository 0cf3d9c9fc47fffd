"""A visitor's browser in a field case: it records the page's requests, and answers for every host but the site."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser
from playwright.sync_api import Request
from playwright.sync_api import Route

from tests.browser.harness.proxy import Lane
from tests.field.case import TYPES
from tests.field.case import Case
from tests.field.site import CHROME
from tests.field.site import FieldSite

_VENDORS = (Path(__file__).parent / "vendors.js").read_text(encoding="utf-8")
#: The stand-in of vendors.js for each kind of address.
_STAND_INS = (
    (r"/gtm\.js\?|[?&]id=GTM-", "layer('gtm', 'dataLayer')"),
    (r"/gtag/js|[?&]id=(?:G|AW|GT|DC)-", "layer('gtag', 'dataLayer')"),
    (r"fbevents\.js", "pixel('fbq')"),
    (r"analytics\.min\.js|cdn\.rudderlabs", "methods('analytics')"),
    (r"google-analytics\.com/analytics\.js", "calls('ga', 'q')"),
    (r"(?:matomo|piwik)\.js", "commands('_paq')"),
    (r"hotjar", "calls('hj', 'q')"),
    (r"analytics\.tiktok\.com", "methods('ttq')"),
    (r"s\.pinimg\.com", "calls('pintrk', 'queue')"),
    (r"posthog|/static/array\.js", "methods('posthog')"),
    (r"mxpnl|mixpanel", "methods('mixpanel')"),
    (r"clarity\.ms", "calls('clarity', 'q')"),
    (r"bat\.bing\.com", "words('uetq')"),
    (r"intercom(?:cdn)?\.(?:io|com)", "calls('Intercom', 'q')"),
    (r"plausible", "calls('plausible', 'q')"),
    (r"sc-static\.net", "calls('snaptr', 'queue')"),
    (r"static\.ads-twitter\.com", "calls('twq', 'queue')"),
    (r"redditstatic\.com", "calls('rdt', 'callQueue')"),
    (r"hs-scripts|hs-analytics", "commands('_hsq')"),
    (r"cdn\.heapanalytics|heap-api", "methods('heap')"),
    (r"static\.klaviyo", "commands('_learnq')"),
    (r"cdn\.amplitude", "methods('amplitude')"),
)
_PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_OPEN_TO_ALL = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
_OURS = re.compile(r"(?:__Host-|__Secure-)?cmw(?:-[0-9]+)?")

#: Timeout in milliseconds of a click or a page; long, since the machine may be busy.
PATIENCE = 15_000
#: Seconds without a request after which a page has settled.
_QUIET = 0.5
#: Seconds after which a request is no longer waited for: some get no answer in Playwright, such as a worker's.
_STUCK = 2.0


_PERSON = {
    "userAgent": CHROME,
    "userAgentMetadata": {
        "brands": [{"brand": "Chromium", "version": "156"}],
        "platform": "Linux",
        "platformVersion": "",
        "architecture": "x86",
        "model": "",
        "mobile": False,
    },
}


class Visitor:
    """
    One browser context with one page.

    Args:
        lane: The proxy's lane for this visitor; it also sees foreign requests that Playwright does not.
    """

    def __init__(self, browser: Browser, case: Case, site: FieldSite, lane: Lane) -> None:
        self.site = site
        self._case = case
        self._lane = lane
        width, height = case.told.get("viewport", [1280, 800])
        phone = bool(case.told.get("phone"))
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            java_script_enabled=case.told.get("scripts", True),
            ignore_https_errors=True,
            has_touch=phone,
            is_mobile=phone,
            user_agent=CHROME,
            proxy={"server": f"http://127.0.0.1:{lane.port}", "bypass": "localhost,127.0.0.1"},
        )
        self.context.set_default_timeout(PATIENCE)
        self.foreign: list[str] = []
        self.own: list[str] = []
        self.posts: list[str] = []
        self.errors: list[str] = []
        self._hits = 0
        #: The requests without an answer, by the time at which they began; and the time of the last one.
        self._open: dict[Request, float] = {}
        self._last = 0.0
        self.context.route(lambda url: not url.startswith(site.base), self._answer)
        self.context.on("request", self._note)
        self.context.on("requestfinished", self._end)
        self.context.on("requestfailed", self._end)
        self.page = self.context.new_page()
        # A headless browser says so in sec-ch-ua, and automated clients are not counted.
        self.context.new_cdp_session(self.page).send("Emulation.setUserAgentOverride", _PERSON)
        self.page.on("pageerror", lambda error: self.errors.append(str(error).partition("\n")[0]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.context.close()

    def begin(self) -> None:
        """Clear the records of earlier steps."""
        for noted in (self.foreign, self.own, self.posts, self.errors):
            noted.clear()

    def asked(self) -> list[str]:
        """Return the foreign addresses requested since the step began, including connections."""
        hits = self._lane.hits()
        for hit in hits[self._hits :]:
            known = any(urlsplit(url).hostname == hit.host for url in self.foreign)
            if hit.host in self._case.texts and not known:
                self.foreign.append(f"{hit.scheme or 'https'}://{hit.host}{hit.path}")
        self._hits = len(hits)
        return self.foreign

    def settle(self) -> None:
        """Wait until the page has settled: it is loaded, and made no request for half a second."""
        self.page.wait_for_load_state("load")
        began = time.monotonic()
        while (now := time.monotonic()) < began + PATIENCE / 1000:
            waits = [_STUCK - (now - start) for start in self._open.values()]
            if (left := max([*waits, _QUIET - (now - max(self._last, began))])) <= 0:
                return
            self.page.wait_for_timeout(1000 * min(left, 0.1))

    def answered(self) -> bool:
        """Return whether the choice is stored in a cookie."""
        return any(_OURS.fullmatch(cookie.get("name", "")) for cookie in self.context.cookies())

    def _note(self, request: Request) -> None:
        self._open[request] = self._last = time.monotonic()
        if request.url.startswith(self.site.base):
            if request.method == "POST":
                self.posts.append(urlsplit(request.url).path)
            self.own.append(request.url.removeprefix(self.site.base))
        elif request.url.startswith("http"):
            self.foreign.append(request.url)

    def _end(self, request: Request) -> None:
        self._open.pop(request, None)

    def _answer(self, route: Route) -> None:
        kind, url = route.request.resource_type, route.request.url
        for part, name in self._case.told.get("answers", {}).items():
            if part in url:
                body = (self._case.file(name) or b"").replace(b"%%BASE%%", self.site.base.encode())
                headers = {**_OPEN_TO_ALL, "content-type": TYPES.get(Path(name).suffix, "text/plain")}
                return route.fulfill(status=200, headers=headers, body=body)
        if kind == "document":
            return route.fulfill(content_type="text/html", body=f"<p>frame of {urlsplit(url).netloc}</p>")
        if kind == "script" or re.search(r"\.m?js(?:\?|$)", url):
            call = next((call for pattern, call in _STAND_INS if re.search(pattern, url)), "")
            address = json.dumps(re.sub(r"^https?://|[?#].*", "", url))
            body_text = _VENDORS.replace("__ADDRESS__", address).replace(
                "/*__VENDOR__*/", f"vendors.{call};" if call else ""
            )
            return route.fulfill(headers={**_OPEN_TO_ALL, "content-type": "text/javascript"}, body=body_text)
        if kind == "image":
            return route.fulfill(headers={**_OPEN_TO_ALL, "content-type": "image/gif"}, body=_PIXEL)
        content = "text/css" if kind == "stylesheet" else "text/plain"
        return route.fulfill(headers={**_OPEN_TO_ALL, "content-type": content}, body="")
