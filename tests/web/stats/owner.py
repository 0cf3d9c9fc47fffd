"""The owner of a made-up site in front of its pages, and what a page is built of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlencode

from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from consent_mw import stats
from consent_mw.core.counts import Figures
from consent_mw.core.model import StatsAccess
from tests.web.doubles import FORM
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor
from tests.web.stats.figures import YESTERDAY

PASSWORD = "correct horse battery staple"
TOKEN = "token-of-a-machine"
ACCESS = StatsAccess(
    password=generate_password_hash(PASSWORD, "pbkdf2:sha256:1"),
    token=hashlib.sha256(TOKEN.encode()).hexdigest(),
)
LABELS = {"analytics": "statistics", "marketing": "marketing"}


def owner(
    figures: Sequence[Figures] = (), *, access: StatsAccess = ACCESS, scheme: str = "https", host: str = "shop.example"
) -> Visitor:
    """Return a browser in front of a site with these figures."""
    context = FakeContext(replace(SITE, stats=access))
    if figures:
        assert context.records.publish(list(figures), {})
    return Visitor(context, scheme=scheme, host=host)


def log_in(browser: Visitor, password: str = PASSWORD, **headers: str) -> TestResponse:
    """Send the login form as the page does."""
    told = headers or {"Sec_Fetch_Site": "same-origin"}
    spelled = {name.replace("_", "-"): value for name, value in told.items()}
    body = urlencode({"password": password})
    return browser.send("POST", "/stats/login", body=body, headers=spelled, content_type=FORM)


def inside(figures: Sequence[Figures] = ()) -> Visitor:
    """Return a browser that is logged in."""
    browser = owner(figures)
    assert log_in(browser).status_code == 303
    return browser


def show(figures: Sequence[Figures], query: str = "") -> str:
    """Return the page as an owner sees it."""
    answer = inside(figures).get(f"/stats{query}")
    assert answer.status_code == 200
    return answer.text


def machine(browser: Visitor, path: str, token: str = TOKEN) -> TestResponse:
    """Ask with a bearer token."""
    return browser.get(path, Authorization=f"Bearer {token}")


def reported(figures: Sequence[Figures], days: int = 28) -> stats.Report:
    """Return what the pages are made of."""
    return stats.report(figures, first=TODAY - days, last=YESTERDAY)


class Outline(HTMLParser):
    """What a page is built of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of each such element."""
        return [attributes for name, attributes in self.elements if name == tag]
