"""``assert_held``: a gate for the tests of a site, for the test clients of all frameworks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from consent_mw import ConsentASGIMiddleware
from consent_mw.testing import assert_held
from consent_mw.testing import every_route
from tests.audit.sites import CONFIG
from tests.audit.sites import FAULTS
from tests.audit.sites import clean
from tests.audit.sites import faulty
from tests.audit.sites import page
from tests.audit.sites import wrapped

FRAME = page(FAULTS["frame"][0])


def test_every_page_of_a_wrapped_site_passes(tmp_path: Path) -> None:
    """Flask's own client; what the site holds is held, and its own notice is not in the way."""
    app = faulty()
    site = wrapped(app, tmp_path)
    app.wsgi_app = site  # type: ignore[method-assign]
    client = app.test_client()
    for route in every_route(app):
        assert_held(client.get(route, headers={"Accept": "text/html"}), CONFIG)
    site.engine.close()


@pytest.mark.parametrize("name", [*FAULTS, "cookie", "link"])
def test_a_page_that_loads_something_fails(name: str) -> None:
    """The message names page, service and place."""
    service = FAULTS.get(name, ("", "meta-pixel"))[1]
    with pytest.raises(AssertionError, match=rf"(?s)/{name} loads before consent:.*\({service}\)"):
        assert_held(faulty().test_client().get(f"/{name}"), CONFIG)


def test_a_page_without_trackers_passes() -> None:
    """A site that has nothing to hold need not be wrapped."""
    assert_held(clean().test_client().get("/"), CONFIG)


def test_text_and_bytes_are_pages() -> None:
    """A rendered template can be asserted as it is."""
    assert_held(page("<p>fine"))
    for given in (FRAME, FRAME.encode()):
        with pytest.raises(AssertionError, match="YouTube"):
            assert_held(given)


def test_the_client_of_starlette_and_fastapi(tmp_path: Path) -> None:
    """A response of httpx, opened already, through a wrapped application and a bare one."""
    from starlette.applications import Starlette
    from starlette.middleware.gzip import GZipMiddleware
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    async def home(request: object) -> HTMLResponse:
        return HTMLResponse(FRAME + " " * 1_000)

    def get(app: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://localhost") as client:
                return await client.get("/", headers={"Accept": "text/html"})

        return asyncio.run(ask())

    app = Starlette(routes=[Route("/", home)])
    site = {"name": "Planted", "records": f"sqlite:///{tmp_path}/consent.db"}
    held = ConsentASGIMiddleware(app, {**CONFIG, "site": site})
    assert_held(get(GZipMiddleware(held)), CONFIG)
    bare = get(GZipMiddleware(app))
    assert bare.headers["content-encoding"] == "gzip"
    with pytest.raises(AssertionError, match=r"YouTube \(youtube\) at 4:1"):
        assert_held(bare, CONFIG)
    held.engine.close()


def test_responses_of_django() -> None:
    """Plain and streaming responses of Django, with its cookies."""
    from django.http import HttpResponse
    from django.http import StreamingHttpResponse

    html = "text/html; charset=utf-8"
    assert_held(HttpResponse(page("<p>fine"), html), CONFIG)
    for response in (HttpResponse(FRAME, html), StreamingHttpResponse([FRAME.encode()], html)):
        with pytest.raises(AssertionError, match="YouTube"):
            assert_held(response, CONFIG)
    tracked = HttpResponse(page("<p>fine"), html)
    tracked.set_cookie("_fbp", "1")
    with pytest.raises(AssertionError, match="in the head: Set-Cookie"):
        assert_held(tracked, CONFIG)


def test_the_configuration_of_the_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """consent.toml in the working folder decides, and is read again when it changes."""
    monkeypatch.chdir(tmp_path)
    marked = page('<script data-consent="analytics">x()</script>')
    with pytest.raises(AssertionError):
        assert_held(marked)
    allowed = '[[services]]\nid = "own-cdn"\nvendor = "Own"\nhosts = ["www.youtube.com"]\npurposes = ["embeds"]\n'
    Path("consent.toml").write_text(allowed, encoding="utf-8")
    with pytest.raises(AssertionError, match="own-cdn"):
        assert_held(FRAME)


def test_what_cannot_be_read_fails() -> None:
    """A page that the middleware would refuse does not pass as clean."""
    app = Flask("coded", static_folder=None)
    headers = {"Content-Encoding": "x-unheard-of", "Content-Type": "text/html"}
    app.add_url_rule("/", endpoint="home", view_func=lambda: ("x", 200, headers))
    with pytest.raises(AssertionError, match="cannot be looked at"):
        assert_held(app.test_client().get("/"), CONFIG)


def test_other_things_are_refused() -> None:
    """A mistake in a test does not pass as a clean page."""
    with pytest.raises(TypeError, match="not int"):
        assert_held(200)


# -- every route


def test_routes_are_found_through_test_clients() -> None:
    """The client of Flask, Starlette and Django stands for its application; each path comes once."""
    import warnings

    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.routing import Route

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Starlette would like another library behind its client
        from starlette.testclient import TestClient

        async def home(request: object) -> None: ...

        app = Starlette(routes=[Route("/", home), Mount("/in", routes=[Route("/x", home), Route("/{id}", home)])])
        assert every_route(TestClient(app)) == every_route(app) == ["/", "/in/x"]
    site = clean()
    assert every_route(site.test_client()) == every_route(site) == ["/", *(f"/{name}" for name in FAULTS)]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (r"^about/$", "/about/"),
        (r"^robots\.txt$", "/robots.txt"),
        (r"^plain", "/plain"),
        (r"^end\Z", "/end"),
        (r"^page/(\d+)/$", None),
        (r"^[ab]/$", None),
        (r"^a?/$", None),
    ],
)
def test_regular_expressions_of_django_that_match_one_path_are_routes(pattern: str, path: str | None) -> None:
    """An address of an older project is found if nothing in it is left open."""
    from django.urls import re_path

    from consent_mw.audit.routes import _of_patterns

    found = list(_of_patterns([re_path(pattern, lambda request: None)], "/"))
    assert found == ([] if path is None else [path])
