"""The two buttons of a placeholder, and what POST /once answers."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup
from werkzeug.test import TestResponse

from consent_mw.http.request import RequestHead
from tests.web.doubles import FORM
from tests.web.doubles import SITE
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor

SAME = {"Sec-Fetch-Site": "same-origin"}
COOKIE = "__Host-cmw-once"


def ask(visitor: Visitor, *, ids: str = "video", back: str = "/lessons?n=3", **headers: str) -> TestResponse:
    """Press "Load this once" in a placeholder."""
    told = {name.replace("_", "-"): value for name, value in headers.items()} or SAME
    body = urlencode({"once": ids, "back": back, "action": "once"})
    return visitor.send("POST", "/once", body=body, headers=told, content_type=FORM)


def shown(visitor: Visitor, path: str, query: str = "") -> frozenset[str]:
    """Return whose embeds the next view of a page shows."""
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.jar.items())
    head = RequestHead("GET", "https", "shop.example", path, query, (("cookie", cookies), ("accept", "text/html")))
    return visitor.context.once.read("__Host-cmw", head, f"{path}?{query}")


def buttons(context: FakeContext, ids: str = "video") -> list[tuple[str, str, bool]]:
    """Return value, address and visibility of the buttons in a placeholder."""
    page = BeautifulSoup(Visitor(context).get(f"/placeholder/{ids}").text, "html.parser")
    return [
        (str(one["value"]), str(one.get("formaction", "")), not one.has_attr("hidden")) for one in page.select("button")
    ]


def test_once_leads_back_to_a_page_that_shows_the_embed() -> None:
    """The answer is a redirect to the page with a cookie of one minute that names the service."""
    visitor = Visitor()
    answer = ask(visitor)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/lessons?n=3")
    attributes = answer.headers["Set-Cookie"].partition("; ")[2]
    assert attributes == "Path=/; Max-Age=60; SameSite=Lax; HttpOnly; Secure"
    assert shown(visitor, "/lessons", "n=3") == {"video"}


def test_once_is_no_choice() -> None:
    """Nothing is recorded or counted, and the visitor is as undecided as before."""
    visitor = Visitor()
    ask(visitor)
    assert visitor.context.records.calls == []
    assert visitor.context.counting.told == []
    assert list(visitor.jar) == [COOKIE]
    assert visitor.get("/state").json == {"state": "none", "granted": ["pay"], "purposes": ["necessary"]}


@pytest.mark.parametrize("told", [{"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example"}, {"X": "y"}])
def test_no_other_site_can_ask(told: dict[str, str]) -> None:
    """A form of another site, and one that does not tell where it is from, shows nothing."""
    visitor = Visitor()
    assert ask(visitor, **told).status_code == 403
    assert visitor.jar == {}


@pytest.mark.parametrize("ids", ["", "nobody", "video,nobody", "pay", "unknown", "video_", ",".join("abcdefghi")])
def test_only_what_visitors_are_asked_about_is_shown(ids: str) -> None:
    """Ids that the site does not offer get an error, and no cookie."""
    visitor = Visitor()
    assert ask(visitor, ids=ids).status_code == 400
    assert visitor.jar == {}


def test_no_cookie_over_plain_http() -> None:
    """Where no choice could be kept, no embed is shown once either."""
    visitor = Visitor(scheme="http")
    assert ask(visitor).status_code == 403
    assert visitor.jar == {}


def test_a_placeholder_offers_both() -> None:
    """Loading once and always are two buttons of one form."""
    assert buttons(FakeContext()) == [("once", "/_cmw/once", True), ("save", "", True)]


@pytest.mark.parametrize("caching", ["shared", "class"])
def test_a_page_that_caches_keep_shows_embeds_once_by_script_only(caching: str) -> None:
    """Where caches keep pages the button waits for the script, and the form's way is closed."""
    context = FakeContext(replace(SITE, caching=caching))
    assert buttons(context) == [("once", "/_cmw/once", False), ("save", "", True)]
    assert ask(Visitor(context)).status_code == 400
    context = FakeContext(replace(SITE, caching=caching, csp="enforce"))
    assert buttons(context) == [("save", "", True)]


def test_an_embed_that_an_author_marked_with_a_purpose_can_be_loaded() -> None:
    """The placeholder names the purpose; always allows the purpose, once shows what is held for it."""
    visitor = Visitor()
    page = BeautifulSoup(visitor.get("/placeholder/embeds").text, "html.parser")
    assert [field["value"] for field in page.select("input[name=purpose]")] == ["embeds"]
    assert ask(visitor, ids="embeds").status_code == 303
    assert shown(visitor, "/lessons", "n=3") == {"embeds"}


@pytest.mark.parametrize(
    ("asked_by", "offers", "framed_by"),
    [
        ("same-origin", True, ""),
        ("cross-site", False, ""),
        ("same-site", False, ""),
        ("none", True, "frame-ancestors 'self'"),
    ],
)
def test_a_panel_in_a_strangers_page_says_what_is_missing(asked_by: str, offers: bool, framed_by: str) -> None:
    """A sandboxed frame counts as another site: it gets words without buttons, and never a browser's error page."""
    answer = Visitor().get("/placeholder/video", **{"Sec-Fetch-Site": asked_by})
    page = BeautifulSoup(answer.text, "html.parser")
    assert "Video Player" in page.get_text()
    assert bool(page.select("form")) is bool(page.select("script")) is offers
    assert framed_by in answer.headers["Content-Security-Policy"]
    assert ("frame-ancestors" in answer.headers["Content-Security-Policy"]) is bool(framed_by)
    assert ("X-Frame-Options" in answer.headers) is bool(framed_by)
