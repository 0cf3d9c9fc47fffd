"""Loading an embed once without scripts: from the placeholder's form to the page that shows it, and the one after."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client
from werkzeug.test import TestResponse

from consent_mw import ConsentMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

EMBED = b'<iframe src="https://films.example/1"></iframe>'
SCRIPT = b'<script src="https://films.example/api.js"></script>'
PAGE = b"<!doctype html><title>p</title><body>" + EMBED + SCRIPT
COOKIE = "__Host-cmw-once"


def shop(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve one page, which caches may keep, everywhere."""
    start_response("200 OK", [("Content-Type", "text/html"), ("Cache-Control", "max-age=60"), ("ETag", '"1"')])
    return [PAGE]


def visitor(folder: Path, **site: object) -> Client:
    """Return a browser for the shop inside the middleware, where caching and the like are set by ``site``."""
    films = {"id": "films", "vendor": "Films Ltd", "purposes": ["embeds"], "hosts": ["films.example"], "embed": True}
    config = {"site": {"records": f"sqlite:///{folder}/consent.db", **site}, "services": [films]}
    return Client(ConsentMiddleware(shop, config))


def view(client: Client, path: str = "/lessons?n=3", **headers: str) -> TestResponse:
    """Open a page as a browser does."""
    told = {"Sec-Fetch-Dest": "document", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return client.get(path, base_url="https://shop.example", headers=told)


def press(client: Client) -> TestResponse:
    """Press "Load this once" in the placeholder on the page ``/lessons?n=3``."""
    return client.post(
        "/_cmw/once",
        base_url="https://shop.example",
        data={"once": "films", "back": "/lessons?n=3", "action": "once"},
        headers={"Sec-Fetch-Site": "same-origin"},
    )


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """A visitor of a site with the default settings."""
    return visitor(tmp_path)


def test_the_next_view_shows_the_embed_and_nothing_else(client: Client) -> None:
    """The embed is as the page has it; a script of the same service stays held."""
    assert EMBED not in view(client).data
    assert press(client).headers["Location"] == "/lessons?n=3"
    shown = view(client).data
    assert EMBED in shown
    assert SCRIPT not in shown


def test_the_view_after_that_holds_it_again(client: Client) -> None:
    """The page takes the cookie away, and no cache may keep it; the next view is as ever."""
    before = view(client).data
    press(client)
    shown = view(client)
    assert [line.partition("=")[0] for line in shown.headers.getlist("Set-Cookie")] == [COOKIE]
    assert shown.headers["Cache-Control"] == "no-store, private, no-cache"
    assert client.get_cookie(COOKIE, "shop.example") is None
    assert view(client).data == before


def test_a_copy_that_the_browser_kept_is_not_shown_instead(client: Client) -> None:
    """The tags of the two pages differ, so that the browser's own copy does not stand in for the new one."""
    tag = view(client).headers["ETag"]
    press(client)
    assert view(client, If_None_Match=tag).headers["ETag"] != tag


def test_another_page_does_not_use_it_up(client: Client) -> None:
    """A page in another tab shows nothing, and leaves the cookie to the page that it is for."""
    press(client)
    other = view(client, "/lessons?n=4")
    assert EMBED not in other.data
    assert "Set-Cookie" not in other.headers
    assert EMBED in view(client).data


def test_a_page_for_everybody_never_shows_it(tmp_path: Path) -> None:
    """With caching = "shared" a cookie from before the setting changes nothing in the page."""
    before = visitor(tmp_path)
    press(before)
    kept = before.get_cookie(COOKIE, "shop.example")
    assert kept is not None
    client = visitor(tmp_path, caching="shared")
    client.set_cookie(COOKIE, kept.value, domain="shop.example")
    assert EMBED not in view(client).data
