"""A fresh store: the first view of a site that declares nothing is guarded, and the first answer counts anywhere."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
from werkzeug.test import Client

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from consent_mw.core.counts import ASKED
from consent_mw.engine import live_site

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

VISITOR = {
    "Accept": "text/html",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "User-Agent": "Mozilla/5.0",
}
ANALYTICS = '<script async src="https://www.googletagmanager.com/gtag/js?id=G-FIRST0001"></script>'
PIXEL = '<noscript><img src="https://www.facebook.com/tr?id=1&ev=PageView" width=1 height=1></noscript>'
FILM = '<iframe src="https://www.youtube.com/embed/abc" width=400 height=300></iframe>'
CLICK = "<button onclick=\"new Image().src='https://bat.bing.com/action/0?ti=1'\">Buy</button>"
MATOMO = "<script>var _paq=[];var u='//acme.matomo.cloud/';_paq.push(['setTrackerUrl',u+'matomo.php']);</script>"

PAGES = {
    "script in the head": (f"<!doctype html><html><head><title>t</title>{ANALYTICS}</head><body><p>x</body>",),
    "own code in the head": (f"<!doctype html><title>t</title>{MATOMO}<body><p>x",),
    "frame after it": (f"<!doctype html><title>t</title><body><p>x{ANALYTICS}{FILM}</body>",),
    "handler after it": (f"<!doctype html><title>t</title><body><p>x{ANALYTICS}{CLICK}</body>",),
    "end of the body": (f"<!doctype html><title>t</title><body><p>{'x' * 90_000}{ANALYTICS}</body>",),
    "second piece": ("<!doctype html><title>t</title><body><p>x", f"<p>y{ANALYTICS}</body>"),
    "no head and no body": (f"<!doctype html><p>x{ANALYTICS}",),
    "two services": (f"<!doctype html><title>t</title>{ANALYTICS}<body>{PIXEL}{FILM}",),
}


def config(folder: Path) -> dict[str, object]:
    """Return a configuration without services, with records of its own."""
    return {"site": {"records": f"sqlite:///{folder}/consent.db", "isp": "off"}}


def served(pieces: Iterable[str], coding: str, folder: Path) -> str:
    """Return the first page that a WSGI site ever sends."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = [("Content-Type", "text/html; charset=utf-8")]
        body = [piece.encode() for piece in pieces]
        if coding:
            headers.append(("Content-Encoding", coding))
            body = [gzip.compress(b"".join(body))]
        start_response("200 OK", headers)
        return body

    site = ConsentMiddleware(app, config(folder))
    try:
        data = (
            Client(site).get("/", base_url="https://shop.example", headers={**VISITOR, "Accept-Encoding": "gzip"}).data
        )
    finally:
        site.close()
    return (gzip.decompress(data) if coding else data).decode()


def expect_guarded(text: str) -> None:
    """Expect the guard before the first held element, once, and the banner."""
    guard, held = text.index("data-cmw-hosts="), text.index("data-cmw-held=")
    assert (guard < held, text.count("<script data-cmw-hosts="), text.count('data-cmw-banner=""')) == (True, 1, 1)


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("pieces", PAGES.values(), ids=PAGES)
def test_the_first_view_of_a_fresh_store_has_the_guard(pieces: tuple[str, ...], coding: str, tmp_path: Path) -> None:
    """Wherever the first tracker is, what scripts do after it is guarded, and the visitor is asked in the same page."""
    expect_guarded(served(pieces, coding, tmp_path))


def test_the_first_view_of_a_streamed_asgi_page_has_the_guard(tmp_path: Path) -> None:
    """The same where the page arrives in messages."""

    async def page(request: Any) -> StreamingResponse:
        return StreamingResponse(iter(PAGES["second piece"]), media_type="text/html")

    site = ConsentASGIMiddleware(Starlette(routes=[Route("/", page)]), config(tmp_path))

    async def visit() -> str:
        transport = httpx.ASGITransport(app=site)
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example", headers=VISITOR) as client:
            return (await client.get("/")).text

    text = asyncio.run(visit())
    site.close()
    expect_guarded(text)


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Client]]:
    """Return what asks three processes of one site, none of which has had a visitor."""
    monkeypatch.setattr(live_site, "_WAIT_OF_AN_ANSWER", 60.0)  # a loaded machine may be slow
    monkeypatch.setenv("CONSENT_KEYS", "k" * 40)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        page = (PAGES["script in the head"][0] + PIXEL * (environ["PATH_INFO"] == "/more")).encode()
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))])
        return [page]

    sites = [ConsentMiddleware(app, config(tmp_path)) for _ in range(3)]
    for site in sites:
        site.engine.patience = 60.0
    yield [Client(site, use_cookies=False) for site in sites]
    for site in sites:
        site.close()


def test_the_first_answer_counts_whichever_process_it_reaches(processes: list[Client]) -> None:
    """One process asks, at once another takes the answer, and a third one serves the next page accordingly."""
    one, two, three = processes
    base = "https://shop.example"
    assert 'data-cmw-banner=""' in one.get("/", base_url=base, headers=VISITOR).text
    headers = {**VISITOR, "Sec-Fetch-Site": "same-origin"}
    answer = two.post("/_cmw/choice", base_url=base, headers=headers, data={"action": "accept-all", "back": "/"})
    cookie = re.match(r"[^;]+", answer.headers["Set-Cookie"])
    assert (answer.status_code, cookie is not None) == (303, True)
    assert cookie is not None
    page = three.get("/", base_url=base, headers={**VISITOR, "Cookie": cookie[0]}).text
    assert (re.findall(r"data-cmw-held=\S+", page), 'data-cmw-banner=""' in page) == ([], False)


def test_the_preferences_of_another_process_name_what_was_asked(processes: list[Client]) -> None:
    """Who follows the banner's link finds the purposes that the banner named."""
    one, two, _ = processes
    assert 'value="analytics"' in one.get("/", base_url="https://shop.example", headers=VISITOR).text
    assert 'value="analytics"' in two.get("/_cmw/", base_url="https://shop.example", headers=VISITOR).text


def test_a_service_that_was_learned_after_the_page_was_shown_is_not_granted(processes: list[Client]) -> None:
    """The page that is answered did not ask about the pixel: it is shown again, and asks. A refusal counts."""
    one, two, three = processes
    base, headers = "https://shop.example", {**VISITOR, "Sec-Fetch-Site": "same-origin"}
    earlier = asked_in(one.get("/", base_url=base, headers=VISITOR).text)
    assert "Cookies" in two.get("/more", base_url=base, headers=VISITOR).text
    form = {"action": "accept-all", "back": "/", "asked": earlier}
    answer = three.post("/_cmw/choice", base_url=base, headers=headers, data=form)
    assert (answer.status_code, answer.headers["Location"], answer.headers.get("Set-Cookie")) == (303, "/", None)
    again = three.get("/", base_url=base, headers=VISITOR).text
    assert 'value="marketing"' in again
    answer = three.post("/_cmw/choice", base_url=base, headers=headers, data={**form, "asked": asked_in(again)})
    assert "Set-Cookie" in answer.headers
    answer = three.post("/_cmw/choice", base_url=base, headers=headers, data={**form, "action": "reject-all"})
    assert "Set-Cookie" in answer.headers


def test_the_first_view_asks_about_all_that_its_page_holds(processes: list[Client]) -> None:
    """A page from which the site learns is made for the site that has learned, and counts as one view."""
    one, *_ = processes
    base, headers = "https://shop.example", {**VISITOR, "Sec-Fetch-Site": "same-origin"}
    page = one.get("/more", base_url=base, headers=VISITOR).text
    assert re.findall(r'name="purpose" value="(\w+)"', page) == ["analytics", "marketing"]
    guard = page[: page.index("<title>")]
    assert "facebook" in guard
    waiting = one.application.engine.tally._waiting  # type: ignore[attr-defined]
    views = [number for key, number in waiting.items() if key[-1] == ASKED]
    assert set(views) == {1}
    form = {"action": "accept-all", "back": "/", "asked": asked_in(page)}
    answer = one.post("/_cmw/choice", base_url=base, headers=headers, data=form)
    assert "google-analytics_meta-pixel" in answer.headers["Set-Cookie"]


def asked_in(page: str) -> str:
    """Return the question that the page's form says it asks."""
    found = re.search(r'name="asked" value="(\w+)"', page)
    assert found
    return found[1]


def test_a_query_that_a_page_repeats_teaches_no_stranger_and_grants_nothing(tmp_path: Path) -> None:
    """A visitor can have the site ask about an embed of the catalogue, but not about a name of his own."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        data = json.dumps({"query": unquote(environ["QUERY_STRING"])}).replace("<", "\\u003c")
        return [f"<!doctype html><title>t</title><script type=application/json>{data}</script>".encode()]

    client = Client(ConsentMiddleware(app, config(tmp_path)))
    for query, asked in (("//t.example/track.js?id=1", False), ("//www.youtube.com/embed/x", True)):
        client.get("/", query_string={"q": f'<script async src="https:{query}">'}, headers=VISITOR)
        page = client.get("/", headers=VISITOR).text
        assert ("data-cmw-banner" in page) is asked
    assert "t.example" not in client.get("/_cmw/").text
    assert client.get("/_cmw/state").get_json()["granted"] == []
