"""Documents that are not HTML pages: navigated to, they fetch nothing held; feeds stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consent_mw import ConsentMiddleware
from tests.browser.harness.bytes import Response
from tests.browser.harness.bytes import get

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

Ask = Callable[..., Response]

TAG = "https://www.google-analytics.com/analytics.js"
DRAWING = f'<svg xmlns="http://www.w3.org/2000/svg"><script href="{TAG}"/><path d="M0 0"/></svg>'
XHTML = f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><script src="{TAG}"/></body></html>'
FEED = '<?xml version="1.0"?><rss version="2.0"><channel><title>News</title></channel></rss>'
NAVIGATES = {"HTTP_SEC_FETCH_DEST": "document", "HTTP_ACCEPT": "text/html,*/*"}


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Return what asks a wrapped site for a body of a type, without saying who asks or as a browser does."""

    def ask(body: str, kind: str | None, **asked: str) -> Response:
        def app(environ: dict[str, object], start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [] if kind is None else [("Content-Type", kind)])
            return [body.encode()]

        return get(
            ConsentMiddleware(app, {"site": {"records": f"sqlite:///{tmp_path}/c.db"}}), "https://a.test/", **asked
        )

    return ask


@pytest.mark.parametrize(
    ("body", "kind"),
    [(DRAWING, "image/svg+xml"), (XHTML, "text/xml; charset=utf-8"), (XHTML, "application/xml"), (XHTML, "a/b+xml")],
)
def test_a_document_of_xml_is_held(ask: Ask, body: str, kind: str) -> None:
    """The tag is disarmed, all other bytes stay, and nothing of ours stands in a drawing."""
    found = ask(body, kind, **NAVIGATES)
    assert found.body.count(b"data-cmw-held") == 1
    assert b"data-cmw-src=" in found.body or b"data-cmw-href=" in found.body
    assert b"_cmw" not in found.body


def test_the_same_bytes_as_a_picture_pass(ask: Ask) -> None:
    """A picture runs no script, so a drawing that is asked for as one stays as it is."""
    assert ask(DRAWING, "image/svg+xml", HTTP_SEC_FETCH_DEST="image").body == DRAWING.encode()
    assert ask(DRAWING, "image/svg+xml", HTTP_ACCEPT="image/*").body == DRAWING.encode()


def test_no_cache_shows_a_picture_as_a_document(ask: Ask) -> None:
    """A browser that has loaded a drawing as a picture asks again if its visitor goes to it (RFC 9111, section 4.1)."""
    for destination, kept in (("image", True), ("empty", True), ("document", False), ("fencedframe", False)):
        found = ask(DRAWING, "image/svg+xml", HTTP_SEC_FETCH_DEST=destination)
        varies = "Sec-Fetch-Dest" in dict(found.headers).get("Vary", "")
        assert (found.body == DRAWING.encode(), varies) == (kept, kept), destination
    assert "Vary" not in dict(ask("p {}", "text/css", HTTP_SEC_FETCH_DEST="style").headers)


@pytest.mark.parametrize("asked", [{}, NAVIGATES], ids=["a reader", "a browser"])
def test_a_feed_keeps_its_bytes(ask: Ask, asked: dict[str, str]) -> None:
    """Whoever asks for a feed gets it byte for byte."""
    assert ask(FEED, "application/rss+xml", **asked).body == FEED.encode()


@pytest.mark.parametrize("body", [XHTML, DRAWING, FEED])
def test_xml_without_a_type_is_refused_as_a_document(ask: Ask, body: str) -> None:
    """What browsers take for XML by its first bytes is not passed by silence; the message names the header."""
    found = ask(body, None, **NAVIGATES)
    assert found.status.startswith("500")
    assert b"Content-Type" in found.body
    assert ask(body, None, HTTP_SEC_FETCH_DEST="empty").body == body.encode()


def test_a_page_without_a_type_is_held(ask: Ask) -> None:
    """What browsers take for HTML by its first bytes is rewritten like any page."""
    found = ask(f"<html><body><script src={TAG}></script>", None, **NAVIGATES)
    assert b"data-cmw-held" in found.body
