"""Sites that hang, break off, never end or lead in circles: an audit ends in time and says what it could not see."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.audit.loading import NoTarget
from consent_mw.audit.pages import Reader
from consent_mw.audit.passes import UNTOUCHED
from consent_mw.audit.passes import Limits
from consent_mw.audit.passes import Walk
from consent_mw.audit.passes import walk
from consent_mw.audit.routes import every_route
from consent_mw.audit.targets import AppTarget
from consent_mw.audit.targets import Bounds
from consent_mw.audit.targets import UrlTarget
from consent_mw.audit.targets import open_target
from demo_site.servers import serve_near

HTML = [("Content-Type", "text/html; charset=utf-8")]


@pytest.fixture(scope="module")
def reader() -> Reader:
    """Reads pages of a site without configuration."""
    return Reader(config.load({}))


def visit(app: object, reader: Reader, limits: Limits | None = None, bounds: Bounds | None = None) -> Walk:
    """Return what an audit sees of an application."""
    target = AppTarget(app, bounds or Bounds(seconds=1, size=100_000))
    try:
        return walk(target, reader, ["/"], limits or Limits(pages=10))
    finally:
        target.close()


class Hostile:
    """A WSGI application that does one thing at ``/bad``, and links there from its first page."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.asked = 0
        self.end = threading.Event()

    def __call__(self, environ, start_response):  # type: ignore[no-untyped-def]
        self.asked += 1
        path = environ["PATH_INFO"]
        if path == "/sitemap.xml":
            start_response("404 Not Found", [])
            return []
        if path == "/":
            start_response("200 OK", HTML)
            return [b"<!doctype html><a href=/bad>next</a><a href=https://elsewhere.example/>out</a>"]
        return getattr(self, self.kind)(path, start_response)

    def hang(self, path, start_response):  # type: ignore[no-untyped-def]
        self.end.wait(30)
        return []

    def redirects(self, path, start_response):  # type: ignore[no-untyped-def]
        start_response("302 Found", [("Location", f"{path}x")])
        return []

    def outside(self, path, start_response):  # type: ignore[no-untyped-def]
        start_response("302 Found", [("Location", "https://elsewhere.example/")])
        return []

    def endless(self, path, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", HTML)
        return iter(lambda: b"<p>" + b"x" * 65_536, b"")

    def raises(self, path, start_response):  # type: ignore[no-untyped-def]
        raise RuntimeError("broken")

    def breaks(self, path, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", HTML)

        def body() -> Iterator[bytes]:
            yield b"<p>begun"
            raise OSError("gone")

        return body()

    def bomb(self, path, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", [*HTML, ("Content-Encoding", "x-unheard-of")])
        return [b"\0" * 100]

    def download(self, path, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", [("Content-Type", "application/zip"), ("Content-Disposition", "attachment")])
        return [b"PK"]

    def thousands(self, path, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", HTML)
        return ["".join(f"<a href=/{n}>n</a>" for n in range(20_000)).encode()]

    def garbage(self, path, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", HTML)
        return [b"<a href='http://[::1'>x<a href=//[>y<![if <!-- \xff\xfe\0<script"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("hang", "no answer within 1 seconds"),
        ("endless", "only the first 100,000 bytes were read"),
        ("raises", "the application raised RuntimeError: broken"),
        ("breaks", "it broke off: gone"),
        ("bomb", "content coding cannot be opened"),
    ],
)
def test_what_cannot_be_looked_at_is_said(reader: Reader, kind: str, said: str) -> None:
    """The page is named with the reason, and the rest of the site is read."""
    app = Hostile(kind)
    found = visit(app, reader)
    app.end.set()
    assert [why for what, why in found.unseen if what == "/bad" and said in why]
    assert "/" in [page.path for page in found.pages[UNTOUCHED]]


@pytest.mark.parametrize("kind", ["redirects", "outside", "download", "thousands", "garbage"])
def test_an_audit_ends_within_its_bounds(reader: Reader, kind: str) -> None:
    """However many addresses a site gives, only so many are asked for, and none of another host."""
    app = Hostile(kind)
    found = visit(app, reader)
    # Pages may cost four requests each, and there is the sitemap.
    assert (len(found.pages[UNTOUCHED]) <= 10, app.asked <= 41) == (True, True)


def test_endless_redirects_are_told(reader: Reader) -> None:
    """After twenty in a row, as browsers do; they take nothing from the other pages."""
    found = visit(Hostile("redirects"), reader)
    assert found.unseen == [("/bad" + 20 * "x", "it redirects more than 20 times")]


@pytest.mark.parametrize("back", ["/", "/welcome"])
def test_a_site_that_sets_a_cookie_and_sends_back_is_read(reader: Reader, back: str) -> None:
    """By itself or by way of another page; one that never stops is told."""

    def app(environ, start_response):  # type: ignore[no-untyped-def]
        if "seen=1" in environ.get("HTTP_COOKIE", "") and environ["PATH_INFO"] == "/":
            start_response("200 OK", HTML)
            return [b"<!doctype html><title>x</title>"]
        way = back if environ["PATH_INFO"] == "/" else "/"
        start_response("302 Found", [("Location", way), *([("Set-Cookie", "seen=1")] if way == "/" else [])])
        return []

    found = visit(app, reader)
    assert ([page.path for page in found.pages[UNTOUCHED]], found.unseen) == (["/"], [])


def test_a_site_that_redirects_to_itself_for_ever_is_told(reader: Reader) -> None:
    """Like one that redirects to ever new addresses."""

    def app(environ, start_response):  # type: ignore[no-untyped-def]
        start_response("302 Found", [("Location", environ["PATH_INFO"])])
        return []

    assert visit(app, reader).unseen == [("/", "it redirects more than 20 times")]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://www.shop.example/start?x=1", "it redirects to https://www.shop.example/: audit that address"),
        ("//m.shop.example", "it redirects to https://m.shop.example/: audit that address"),
        ("http://localhost/", "it redirects to http://localhost/: audit that address"),
        ("/next", "it redirects to https://www.shop.example/: audit that address"),
        ("mailto:x@shop.example", "it redirects to no address"),
        ("https://[broken", "it redirects to no address"),
        ("", "it redirects to no address"),
    ],
)
def test_a_site_that_redirects_to_another_host_is_told(reader: Reader, location: str, said: str) -> None:
    """The audit leaves no host, so the owner is told which one to name."""

    def app(environ, start_response):  # type: ignore[no-untyped-def]
        is_next = environ["PATH_INFO"] == "/next"
        start_response("302 Found", [("Location", "https://www.shop.example/" if is_next else location)])
        return []

    found = visit(app, reader)
    assert (found.pages[UNTOUCHED], [why for _, why in found.unseen]) == ([], [said])


def test_the_time_for_everything_ends_a_walk(reader: Reader) -> None:
    """What was not reached is said."""
    found = visit(Hostile("thousands"), reader, Limits(pages=10, seconds=0))
    assert (found.pages[UNTOUCHED], found.unseen[0]) == ([], ("/", "the time was over"))


def test_a_site_on_the_network_is_read(reader: Reader) -> None:
    """A target over HTTP gives what the application gives; one that is gone is a line in the report."""
    server = serve_near(Hostile("garbage"), 0)
    try:
        target = UrlTarget(f"http://127.0.0.1:{server.port}/", Bounds(seconds=10))
        found = walk(target, reader, ["/"], Limits(pages=10))
    finally:
        server.close()
    assert [page.path for page in found.pages[UNTOUCHED]] == ["/", "/bad"]
    gone = walk(target, reader, ["/"], Limits())
    assert (gone.pages[UNTOUCHED], gone.unseen[0][0]) == ([], "/")


# -- ASGI


async def streaming(scope, receive, send):  # type: ignore[no-untyped-def]
    """An ASGI application without a lifespan, whose page comes in pieces."""
    assert scope["type"] == "http"
    if scope["path"] == "/hang":
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"<iframe src=https://www.you", "more_body": True})
    await send({"type": "http.response.body", "body": b"tube.com/embed/x></iframe><a href=/hang>x</a>"})


def test_an_asgi_application_is_read(reader: Reader) -> None:
    """Its pages are asked for without a server; one that hangs is left."""
    found = visit(streaming, reader)
    loads = [load.service.id for page in found.pages[UNTOUCHED] if page.path == "/" for load in page.loads]
    assert loads == ["youtube"]
    assert ("/hang", "no answer within 1 seconds") in found.unseen


def test_routes_of_frameworks_are_listed(tmp_path: Path) -> None:
    """Flask, Starlette and FastAPI, wrapped or not: what answers GET and needs no parameter."""
    from fastapi import FastAPI
    from flask import Flask
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Mount
    from starlette.routing import Route

    from consent_mw import ConsentASGIMiddleware

    flask = Flask("routes", static_folder=None)
    flask.add_url_rule("/a", endpoint="a", view_func=lambda: "a")
    flask.add_url_rule("/b/<name>", endpoint="b", view_func=lambda name: name)
    flask.add_url_rule("/c", endpoint="c", view_func=lambda: "c", methods=["POST"])
    starlette = Starlette(routes=[Route("/d", Response), Mount("/e", routes=[Route("/f", Response)])])
    fast = FastAPI(openapi_url=None)
    fast.get("/g")(lambda: "g")
    fast.get("/h/{name}")(lambda name: name)
    wrapped = ConsentASGIMiddleware(starlette, {"site": {"records": f"sqlite:///{tmp_path}/consent.db"}})
    assert [every_route(app) for app in (flask, starlette, fast, wrapped)] == [
        ["/a"],
        ["/d", "/e/f"],
        ["/g"],
        ["/d", "/e/f"],
    ]
    wrapped.engine.close()


# -- names on a command line


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shop", "neither"),
        ("https://", "Write https://"),
        ("http://[::1", "Write https://"),
        ("ftp://x.example/", "begins with https://"),
        ("file:///srv/site/index.html", "begins with https://"),
        ("tests.audit.nowhere:app", "module:attribute"),
        ("json:nowhere", "module:attribute"),
        ("json:__doc__", "not a WSGI or ASGI application"),
    ],
)
def test_a_target_that_is_none_is_refused(name: str, said: str) -> None:
    """The message says what to write."""
    with pytest.raises(NoTarget, match=said):
        open_target(name, Bounds())


def test_a_closed_port_is_named_in_words() -> None:
    """Without the system's number for the error."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        target = UrlTarget(f"http://127.0.0.1:{taken.getsockname()[1]}/", Bounds())
        assert target.ask("/", {}).problem == "no answer: Connection refused"
