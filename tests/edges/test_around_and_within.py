"""What stands around us and what an application does within: routes in the scope, parts of a page, page caches."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import django
import flask
import httpx
import pytest
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.http import HttpResponse
from django.http import StreamingHttpResponse
from django.template import engines
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import include
from django.urls import path
from django.views.decorators.cache import cache_page
from hypercorn.middleware import ProxyFixMiddleware
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from werkzeug.test import Client
from werkzeug.test import run_wsgi_app

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from consent_mw import consent_banner
from consent_mw import current
from consent_mw.django.setup import engine
from consent_mw.flask import Consent
from tests.edges import django_site

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

PROJECT = django_site.__name__
TAG = '<script src="https://www.google-analytics.com/analytics.js"></script>'
PAGE = f"<!doctype html><title>t</title><body><p>text{TAG}</body>"
NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}
BANNER = "data-cmw-banner"


def config(folder: Path) -> dict[str, object]:
    """Return a configuration with records of its own."""
    own = {"records": f"sqlite:///{folder}/consent.db", "isp": "off"}
    return {"site": own, "services": [{"use": "google-analytics"}]}


# -- around


@pytest.mark.parametrize("mounted", ["", "/shop"])
def test_outer_asgi_middleware_sees_route_and_endpoint(tmp_path: Path, mounted: str) -> None:
    """A monitor around us reads from the scope what answered, and the request's headers as they came."""

    async def user(request: Any) -> HTMLResponse:
        return HTMLResponse(PAGE)

    inner = ConsentASGIMiddleware(Starlette(routes=[Route("/users/{id}", user, name="user")]), config(tmp_path))
    headers = [(b"host", b"localhost"), (b"accept", b"text/html"), (b"accept-encoding", b"gzip, x-own")]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": f"{mounted}/users/7",
        "query_string": b"",
        "root_path": mounted,
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(inner(scope, receive, send))
    inner.close()
    assert scope["endpoint"] is user
    assert scope["path_params"] == {"id": "7"}
    assert scope["headers"] is headers
    assert BANNER.encode() in b"".join(message.get("body", b"") for message in sent)


def test_middleware_may_copy_the_whole_request(tmp_path: Path) -> None:
    """Hypercorn's proxy fix gives the application a deep copy of the scope; decision and banner work from there."""

    async def page(request: Any) -> HTMLResponse:
        place = consent_banner(request.scope)
        return HTMLResponse(f"<!doctype html><title>t</title><body>{current(request.scope).allows('analytics')}{place}")

    inner = ProxyFixMiddleware(Starlette(routes=[Route("/", page)]), mode="legacy")  # type: ignore[arg-type]
    site = ConsentASGIMiddleware(inner, config(tmp_path))

    async def visit() -> str:
        transport = httpx.ASGITransport(app=site)
        headers = {**NAVIGATION, "X-Forwarded-For": "192.0.2.1"}
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example", headers=headers) as client:
            return (await client.get("/")).text

    found = asyncio.run(visit())
    site.close()
    assert (found.count(f'{BANNER}=""'), found.count("False")) == (1, 1)
    assert found.index("False") < found.index(f'{BANNER}=""')


def test_an_error_page_that_a_front_asks_for_is_held(tmp_path: Path) -> None:
    """Who asks again with a copy of the environ, after the first answer, gets a page that is held like any other."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found = environ["PATH_INFO"] == "/error"
        start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/html")])
        return [PAGE.encode() if found else b"<p>missing"]

    inner = ConsentMiddleware(app, config(tmp_path))

    def front(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        _, status, _ = run_wsgi_app(inner, environ, buffered=True)
        if status.startswith("404"):
            return inner({**environ, "PATH_INFO": "/error"}, start_response)
        raise AssertionError("the first answer was no error")

    text = Client(front).get("/nowhere", base_url="https://shop.example", headers=NAVIGATION).text
    inner.close()
    assert ("data-cmw-held=google-analytics" in text, text.count(f'{BANNER}=""')) == (True, 1)


def test_what_is_wrapped_twice_is_held_once(tmp_path: Path) -> None:
    """The outer wrapper decides; what it reads is the application's own page."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [PAGE.encode()]

    inner = ConsentMiddleware(app, config(tmp_path))
    outer = ConsentMiddleware(inner, config(tmp_path))
    text = Client(outer).get("/", base_url="https://shop.example", headers=NAVIGATION).text
    for one in (inner, outer):
        one.close()
    assert (text.count("data-cmw-held=google-analytics"), text.count(f'{BANNER}=""')) == (1, 1)


# -- within an application


@pytest.fixture
def asks_itself(tmp_path: Path) -> Iterator[Client]:
    """Return a visitor of a Flask site whose views make requests of their own, with an environ of their own."""
    app = flask.Flask("site")

    def inner() -> str:
        return app.test_client().get("/page", base_url="https://shop.example", headers=NAVIGATION).text

    @app.get("/page")
    def page() -> str:
        assert flask.g.consent.allows("analytics") is False
        return PAGE

    @app.get("/whole")
    def whole() -> str:
        return inner()

    @app.get("/two-parts")
    def two_parts() -> str:
        return f"<!doctype html><title>t</title><body>{inner()}{inner()}"

    @app.get("/streamed")
    def streamed() -> flask.Response:
        def parts() -> Iterator[str]:
            yield "<!doctype html><body>"
            yield inner()

        return flask.Response(parts())

    @app.get("/threads")
    def threads() -> str:
        # Each in a thread to which no context is passed on: there it is a request like any other.
        with ThreadPoolExecutor(2) as pool:
            return "<!doctype html><title>t</title><body>" + "".join(pool.map(lambda _: inner(), range(2)))

    @app.errorhandler(404)
    def missing(error: Exception) -> tuple[str, int]:
        return inner(), 404

    Consent(app, config(tmp_path))
    yield Client(app)
    app.wsgi_app.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("address", "held"), [("/whole", 1), ("/two-parts", 2), ("/streamed", 1), ("/nowhere", 1)])
def test_a_view_that_asks_its_own_site_brings_one_banner(asks_itself: Client, address: str, held: int) -> None:
    """A request that a view makes itself is a part of the answer, which is held and gets the notice as a whole."""
    text = asks_itself.get(address, base_url="https://shop.example", headers=NAVIGATION).text
    found = [text.count(mark) for mark in (f'{BANNER}=""', "data-cmw-runtime", "data-cmw-held=google-analytics")]
    assert found == [1, 1, held]
    after = asks_itself.get("/page", base_url="https://shop.example", headers=NAVIGATION).text
    assert after.count(f'{BANNER}=""') == 1


def test_what_a_view_asks_for_in_other_threads_brings_one_notice(asks_itself: Client) -> None:
    """The notices of the parts are hidden and their scripts do not run; those of the whole page do."""
    text = asks_itself.get("/threads", base_url="https://shop.example", headers=NAVIGATION).text
    tags = re.findall(r"<(?:section|script)[^>]*data-cmw-(?:banner|runtime|hosts|queue)[^>]*>", text)
    copies = [tag for tag in tags if "data-cmw-data-cmw-" in tag]
    assert (len(copies), [tag for tag in copies if ' hidden=""' not in tag and ' type="text/plain"' not in tag]) == (
        8,
        [],
    )
    own = "".join(tag for tag in tags if tag not in copies)
    assert [own.count(f"data-cmw-{mark}=") for mark in ("banner", "runtime", "hosts")] == [1, 1, 1]
    assert TAG not in text


def test_an_asgi_view_that_asks_its_own_site_brings_one_banner(tmp_path: Path) -> None:
    """The same in an ASGI application, where the request within runs in the view's own task."""

    async def page(request: Any) -> HTMLResponse:
        return HTMLResponse(PAGE + str(current(request.scope).allows("analytics")))

    async def outer(request: Any) -> HTMLResponse:
        async with visitor() as client:
            return HTMLResponse((await client.get("/page")).text)

    site = ConsentASGIMiddleware(Starlette(routes=[Route("/page", page), Route("/outer", outer)]), config(tmp_path))

    def visitor() -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=site), base_url="https://shop.example", headers=NAVIGATION
        )

    async def visit() -> str:
        async with visitor() as client:
            return (await client.get("/outer")).text

    text = asyncio.run(visit())
    site.close()
    assert (text.count(f'{BANNER}=""'), text.count("data-cmw-held=google-analytics"), text.count("False")) == (1, 1, 1)


# -- within a Django project


def preview(request: HttpRequest) -> HttpResponse:
    """Answer with what the project's whole middleware makes of another request, as Wagtail's previews do."""
    meta = {key: value for key, value in request.META.items() if not key.startswith("consent_mw.")}
    inner = WSGIHandler.request_class({**meta, "PATH_INFO": "/draft"})
    handler = WSGIHandler()
    response: HttpResponse = handler.get_response(inner)
    return response


def streamed(request: HttpRequest) -> StreamingHttpResponse:
    """Answer with a page whose second part is asked for while it is sent."""
    headers = {**NAVIGATION, "Cookie": request.META.get("HTTP_COOKIE", "")}

    def parts() -> Iterator[bytes]:
        yield b"<!doctype html><body>"
        yield DjangoClient(headers=headers).get("/draft", secure=True).content

    return StreamingHttpResponse(parts())


ASKS = "{% load consent cache %}<!doctype html><title>t</title><body>"
ANSWER = '{% consent "analytics" %}agreed{% else %}not agreed{% endconsent %}'


def draft(request: HttpRequest) -> HttpResponse:
    """Answer with a page."""
    return HttpResponse(PAGE)


def asking(template: str) -> Callable[[HttpRequest], HttpResponse]:
    """Return a view of a template that asks what its visitor allows."""

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(engines["django"].from_string(ASKS + template).render({}, request))

    return view


def computed(request: HttpRequest) -> HttpResponse:
    """Answer with what the project's cache computes when it has nothing."""
    template = engines["django"].from_string(ASKS + ANSWER)
    return HttpResponse(cache.get_or_set("computed", lambda: template.render({}, request)))


#: The URLs of an admin site, as ``AdminSite.urls`` has them.
DEEP = [path("", draft, name="index"), path("users/", draft)]
urlpatterns = [
    path("computed", computed),
    path("streamed", streamed),
    path("preview", preview),
    path("draft", draft),
    path("admin/", draft, name="wagtailadmin_home"),
    path("tools/", include(([path("deep/", (DEEP, "admin", "deep"))], "tools"))),
    path("plain", asking(ANSWER)),
    path("page", cache_page(60)(asking(ANSWER))),
    path("fragment", asking("{% cache 60 part %}" + ANSWER + "{% endcache %}")),
    path(
        "varied",
        asking(
            "{% with yes=request.consent.purposes %}{% cache 60 varied yes|length %}"
            "{% if 'analytics' in yes %}agreed{% else %}not agreed{% endif %}{% endcache %}{% endwith %}"
        ),
    ),
]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """Return two visitors of the project: one who accepted everything, one who was never asked."""
    engine.cache_clear()
    caches = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": str(tmp_path)}}
    with override_settings(ROOT_URLCONF=__name__, CONSENT=config(tmp_path), CACHES=caches):
        two = DjangoClient(headers=NAVIGATION), DjangoClient(headers=NAVIGATION)
        form = "application/x-www-form-urlencoded"
        assert two[0].post("/_cmw/choice", "action=accept-all&back=/", form, secure=True).status_code == 303
        yield two
    engine.cache_clear()


def text(visitor: Any, address: str, **headers: str) -> str:
    """Return a page as a visitor gets it."""
    response = visitor.get(address, secure=True, headers=headers or None)
    return str(response.content.decode())


def test_a_request_within_a_request_brings_one_banner(project: tuple[Any, Any]) -> None:
    """What a view gets from the project's own middleware is held, and the notice stands in the whole once."""
    page = text(project[1], "/preview")
    assert (page.count(f'{BANNER}=""'), page.count("data-cmw-held=google-analytics")) == (1, 1)
    assert page.count("data-cmw-runtime") == 1


def test_a_part_that_is_asked_for_while_the_page_is_sent_brings_no_second_banner(project: tuple[Any, Any]) -> None:
    """A view may make a request only when its response is read."""
    page = b"".join(project[1].get("/streamed", secure=True)).decode()
    assert (page.count(f'{BANNER}=""'), page.count("data-cmw-held=google-analytics")) == (1, 1)


def test_a_preview_in_a_frame_has_none(project: tuple[Any, Any]) -> None:
    """The editor shows the draft in a frame of its own page."""
    page = text(project[1], "/preview", sec_fetch_dest="iframe")
    assert (page.count(f'{BANNER}=""'), page.count("data-cmw-held=google-analytics")) == (0, 1)


@pytest.mark.parametrize("address", ["/admin/", "/tools/deep/", "/tools/deep/users/"])
def test_the_administration_asks_nobody(project: tuple[Any, Any], address: str) -> None:
    """Where the project is administered no visitor is, in whatever namespace; what is held stays held."""
    page = text(project[1], address)
    assert (BANNER in page, "data-cmw-held=google-analytics" in page) == (False, True)
    assert BANNER in text(project[1], "/draft")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/plain", ["agreed", "not agreed", "agreed"]),
        ("/page", ["agreed", "not agreed", "agreed"]),
        ("/varied", ["agreed", "not agreed", "agreed"]),
        ("/fragment", ["not agreed", "not agreed", "not agreed"]),
        ("/computed", ["not agreed", "not agreed", "not agreed"]),
    ],
)
def test_no_cache_of_django_mixes_visitors_up(project: tuple[Any, Any], address: str, expected: list[str]) -> None:
    """A page whose view asked is not kept, a fragment is for anybody, and one that varies is right for each."""
    order = (project[0], project[1], project[0])
    found = ["not agreed" if "not agreed" in page else "agreed" for page in (text(one, address) for one in order)]
    assert (found, django.VERSION >= (4, 2)) == (expected, True)
