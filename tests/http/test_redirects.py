"""A redirect to a held host is not followed for a part of a page; a visit goes where it leads."""

from __future__ import annotations

import pytest

from consent_mw.core.model import Service
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.match import Matcher
from consent_mw.http.caching import Caching
from consent_mw.http.caching import Scope
from consent_mw.http.exchange import Exchange
from consent_mw.http.request import RequestHead
from consent_mw.http.view import View
from tests.http.fake_view import FakeView

TRACKER = Service("tracker", "T", "T", ("analytics",), hosts=("tracker.example",))
HELD = "https://tracker.example/x"
POLICY = HoldPolicy(Matcher([TRACKER]), frozenset())


class Undecided(FakeView):
    """The view of a visitor who granted nothing."""

    hold_policy = undecided_policy = POLICY


class Shared(Undecided):
    """The view of a page that caches keep for everybody."""

    caching = Caching(Scope.ALL)


def sent(
    location: str, *headers: tuple[str, str], kind: str = "text/plain", view: View | None = None
) -> dict[str, str]:
    """Return the headers of a redirect as they are sent."""
    head = RequestHead("GET", "https", "shop.example", "/go", "", headers)
    exchange = Exchange(head, view or Undecided())
    exchange.start(302, "Found", [("Content-Type", kind), ("Location", location), ("Cache-Control", "max-age=60")])
    return {name.lower(): value for name, value in exchange.outgoing()}


PARTS = {
    "a picture": ("sec-fetch-dest", "image"),
    "a script": ("sec-fetch-dest", "script"),
    "a frame": ("sec-fetch-dest", "iframe"),
    "a script's request": ("sec-fetch-dest", "empty"),
    "a worker": ("sec-fetch-dest", "serviceworker"),
}


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
@pytest.mark.parametrize("header", PARTS.values(), ids=PARTS)
def test_a_part_of_a_page_does_not_lead_to_a_held_host(header: tuple[str, str], kind: str) -> None:
    """Without Location a redirect is none, https://fetch.spec.whatwg.org/#concept-http-redirect-fetch"""
    assert "location" not in sent(HELD, header, kind=kind)
    assert "location" not in sent("//track%65r.example:8443/", header, kind=kind)
    assert sent("/a", header, kind=kind)["location"] == "/a"
    assert sent("https://other.example/", header, kind=kind)["location"] == "https://other.example/"


def test_a_page_that_is_fetched_before_a_visit_does_not_lead_there() -> None:
    """https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header"""
    assert "location" not in sent(HELD, ("sec-fetch-dest", "document"), ("sec-purpose", "prefetch;prerender"))


VISITS = {
    "a page": (("sec-fetch-dest", "document"),),
    "a link in a frame": (("sec-fetch-dest", "iframe"), ("sec-fetch-user", "?1")),
    "a browser that does not say": (),
}


@pytest.mark.parametrize("headers", VISITS.values(), ids=VISITS)
@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_a_visit_goes_where_the_redirect_leads(headers: tuple[tuple[str, str], ...], kind: str) -> None:
    """What a visitor chose to see is shown; but no cache may serve that redirect for a part of a page."""
    for view in (Undecided(), Shared()):
        out = sent(HELD, *headers, kind=kind, view=view)
        assert (out["location"], out["cache-control"]) == (HELD, "private, no-cache")
    assert sent("/a", *headers, kind=kind, view=Shared())["cache-control"] == "max-age=60"
