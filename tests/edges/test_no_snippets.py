"""Search engines quote the site and not our notice: all text that we write into a page is in data-nosnippet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pytest
from bs4 import BeautifulSoup
from werkzeug.test import Client

from consent_mw import ConsentMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

OWN = "Prints of the summer"
WIDGET = (
    '<div class="calendly-inline-widget" data-url="https://calendly.com/acme/30min"></div>'
    '<script src="https://assets.calendly.com/assets/external/widget.js" async></script>'
)
FILM = '<iframe src="https://www.youtube.com/embed/abc" width=400 height=300></iframe>'
PAGE = f"<!doctype html><html lang=en><head><title>t</title></head><body><p>{OWN}</p>{WIDGET}{FILM}</body></html>"
VISITOR = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
#: Elements whose content is not text of the page.
NO_TEXT = ["script", "style", "template", "title", "iframe"]

SITES: dict[str, dict[str, Any]] = {
    "bar": {"layout": "bar"},
    "corner": {"layout": "corner"},
    "dialog": {"layout": "dialog"},
    "shared": {"caching": "shared"},
    "a label": {"reopen_label": "always"},
    "long": {"controller": "Acme Ltd", "privacy_policy": "/privacy", "languages": ["de", "en"]},
}


def outside(markup: str) -> str:
    """Return the text of a page that search engines may quote."""
    soup = BeautifulSoup(markup, "html.parser")
    for element in [*soup.find_all(NO_TEXT), *soup.select("[data-nosnippet]")]:
        element.decompose()
    return " ".join(soup.get_text(" ").split())


@pytest.mark.parametrize("settings", SITES.values(), ids=SITES)
@pytest.mark.parametrize("signal", [False, True], ids=["", "gpc"])
def test_no_text_of_ours_is_quoted(settings: dict[str, Any], signal: bool, tmp_path: Path) -> None:
    """Undecided, refused and accepted, the text that may be quoted is the application's own."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [PAGE.encode()]

    services = [{"use": name} for name in ("google-analytics", "calendly", "youtube")]
    own = {"records": f"sqlite:///{tmp_path}/consent.db", "isp": "off", **settings}
    site = ConsentMiddleware(app, {"site": own, "services": services})
    headers = {**VISITOR, **({"Sec-GPC": "1"} if signal else {})}
    visitor = Client(site)
    try:
        texts = []
        for action in ("", "reject-all", "accept-all"):
            if action:
                sent = {**headers, "Sec-Fetch-Site": "same-origin"}
                form = {"action": action, "back": "/"}
                visitor.post("/_cmw/choice", base_url="https://shop.example", headers=sent, data=form)
            texts.append(visitor.get("/", base_url="https://shop.example", headers=headers).text)
    finally:
        site.close()
    assert [outside(text) for text in texts] == [OWN] * 3
    assert "data-cmw-banner" in texts[0]
    assert "data-nosnippet" in texts[1]
