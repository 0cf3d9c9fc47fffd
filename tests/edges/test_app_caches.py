"""Caches inside an application never hand what one visitor got to another, whoever asked allows() in them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Any

import cachetools
import flask
import httpx
import pytest
from flask_caching import Cache
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from werkzeug.test import Client

import consent_mw
from consent_mw.engine import app_caches
from consent_mw.flask import Consent

NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}
BASE = "https://shop.example"

#: A visitor who accepted everything, and one who was never asked.
Two = tuple[Client, Client]

#: What caches of the site's own keep, and the paths of pages with such caches.
KEPT: dict[int, str] = {}
OWN = ["/in-a-thread", "/own-decorator", "/own-class"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    """Return two visitors of a shop with caches in it."""
    monkeypatch.setattr(app_caches, "_warned", set())
    KEPT.clear()
    app = flask.Flask("shop")
    app.jinja_env.add_extension("flask_caching.jinja2ext.CacheExtension")
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    site = {"records": f"sqlite:///{tmp_path}/consent.db", "isp": "off"}
    Consent(app, {"site": site, "services": [{"use": "google-analytics"}]})

    stack = ExitStack()

    def answer() -> str:
        return "agreed" if flask.g.consent.allows("analytics") else "not agreed"

    remembered: Callable[[], str] = cachetools.cached({})(answer)

    @app.get("/cached")
    @cache.cached(60)
    def cached() -> str:
        return answer()

    @app.get("/keyed")
    @cache.cached(60, make_cache_key=lambda *a, **k: f"keyed {flask.g.consent.allows('analytics')}")
    def keyed() -> str:
        return "a page"

    @app.get("/memoized")
    def memoized() -> str:
        return cache.memoize(60)(answer)()

    @app.get("/remembered")
    def through_cachetools() -> str:
        return remembered()

    pool = stack.enter_context(ThreadPoolExecutor(1))

    @app.get("/in-a-thread")
    def in_a_thread() -> str:
        environ = flask.request.environ
        return cachetools.cached({}, key=lambda: "a")(lambda: pool.submit(said, environ).result())()

    @app.get("/own-decorator")
    def own_decorator() -> str:
        return cache_for(60)(answer)()

    @app.get("/own-class")
    def own_class() -> str:
        return Memoize(answer)()

    @app.get("/uncached")
    @no_cache
    def uncached() -> str:
        return answer()

    @app.get("/fragment")
    def fragment() -> str:
        return flask.render_template_string(
            "{% cache 60, 'part' %}{{ 'agreed' if consent.allows('analytics') else 'not agreed' }}{% endcache %}"
        )

    @app.get("/varied")
    def varied() -> str:
        return flask.render_template_string(
            "{% set yes = consent.allows('analytics') %}"
            "{% cache 60, 'varied', yes|string %}{{ 'agreed' if yes else 'not agreed' }}{% endcache %}"
        )

    @app.get("/plain")
    def plain() -> str:
        return answer()

    agreed = Client(app)
    form = {"action": "accept-all", "back": "/"}
    origin = {"Sec-Fetch-Site": "same-origin"}
    assert agreed.post("/_cmw/choice", base_url=BASE, data=form, headers=origin).status_code == 303
    yield agreed, Client(app)
    app.wsgi_app.close()  # type: ignore[attr-defined]
    stack.close()


def said(carrier: MutableMapping[str, Any]) -> str:
    """Return what a view says to the visitor of this request."""
    return "agreed" if consent_mw.current(carrier).allows("analytics") else "not agreed"


def cache_for(seconds: int) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Return a decorator such as many sites have, which keeps a result (for good)."""

    def decorate(function: Callable[[], str]) -> Callable[[], str]:
        @wraps(function)
        def wrapper() -> str:
            return KEPT.setdefault(seconds, function())

        return wrapper

    return decorate


class Memoize:
    """A decorator that is a class."""

    def __init__(self, function: Callable[[], str]) -> None:
        self.function = function

    def __call__(self) -> str:
        return KEPT.setdefault(0, self.function())


def no_cache(function: Callable[[], str]) -> Callable[[], str]:
    """Return a function whose results are not kept."""

    @wraps(function)
    def wrapper() -> str:
        return function()

    return wrapper


def seen(visitor: Client, path: str) -> str:
    """Return what a visitor sees."""
    text = visitor.get(path, base_url=BASE, headers=NAVIGATION).text
    return "not agreed" if "not agreed" in text else "agreed" if "agreed" in text else ""


@pytest.mark.parametrize("path", ["/cached", "/memoized", "/remembered", "/fragment", *OWN])
def test_what_a_cache_keeps_is_for_anybody(shop: Two, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """Asked inside, the answer is that of nobody, first and later, and the log names the place once."""
    first, second = shop
    with caplog.at_level(logging.WARNING, "consent_mw"):
        assert [seen(first, path), seen(second, path), seen(first, path)] == ["not agreed"] * 3
    assert len([record for record in caplog.records if "inside a cache" in record.message]) == 1


@pytest.mark.parametrize("path", ["/plain", "/varied", "/uncached"])
def test_asked_outside_each_gets_an_answer_of_their_own(shop: Two, path: str) -> None:
    """Without a cache, and with the answer in its key, nothing is mixed up and nothing withheld."""
    first, second = shop
    assert [seen(first, path), seen(second, path), seen(first, path)] == ["agreed", "not agreed", "agreed"]


def test_what_makes_the_key_is_no_content(shop: Two) -> None:
    """A key may follow the choice."""
    first, second = shop
    assert [one.get("/keyed", base_url=BASE, headers=NAVIGATION).status_code for one in (first, second)] == [200, 200]


def cached(function: Callable[[Any], Awaitable[str]]) -> Callable[[Any], Awaitable[str]]:
    """Return an asynchronous function that keeps the result of another one."""

    async def wrapper(scope: Any) -> str:
        return KEPT.setdefault(1, await function(scope))

    return wrapper


async def directly(scope: Any) -> str:
    return said(scope)


async def in_thread(scope: Any) -> str:
    return await asyncio.to_thread(said, scope)


async def in_executor(scope: Any) -> str:
    """Ask in a thread without the context of the request."""
    return await asyncio.get_running_loop().run_in_executor(None, said, scope)


async def in_blocked_loop(scope: Any) -> str:
    """Ask in a thread while the event loop cannot run anything."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(said, scope).result()


async def in_task(scope: Any) -> str:
    return await asyncio.create_task(directly(scope))


async def in_tasks(scope: Any) -> str:
    return (await asyncio.gather(in_thread(scope), in_task(scope)))[0]


async def pass_on(request: Request, respond: Callable[[Request], Awaitable[Any]]) -> Any:
    """Run the rest of the application in another task, as such a middleware of Starlette does."""
    return await respond(request)


@pytest.mark.parametrize("layers", [0, 2])
def test_a_cache_is_found_from_other_threads_and_tasks(
    layers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache around code that runs elsewhere keeps what anybody may see; without one, each gets an own answer."""
    patience = app_caches._PATIENCE
    # A loop that waits in a task of a middleware cannot be told from one that is busy.
    asking = [directly, in_thread, in_executor, in_task, in_tasks, *[in_blocked_loop] * (not layers)]

    def route(name: str, ask: Callable[[Any], Awaitable[str]]) -> Route:
        async def page(request: Request) -> HTMLResponse:
            return HTMLResponse(await ask(request.scope))

        return Route(name, page)

    routes = [route(f"/plain/{ask.__name__}", ask) for ask in asking]
    routes += [route(f"/cached/{ask.__name__}", cached(ask)) for ask in asking]
    site = {"records": f"sqlite:///{tmp_path}/consent.db", "isp": "off"}
    app = consent_mw.ConsentASGIMiddleware(
        Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)] * layers),
        {"site": site, "services": [{"use": "google-analytics"}]},
    )

    async def visit() -> None:
        transport = httpx.ASGITransport(app=app)
        one, other = (httpx.AsyncClient(transport=transport, base_url=BASE, headers=NAVIGATION) for _ in range(2))
        async with one, other:
            accepted = await one.post("/_cmw/choice", data={"action": "accept-all", "back": "/"})
            assert accepted.status_code == 303
            for ask in asking:
                KEPT.clear()
                # Only a blocked loop never answers; on a busy machine, any other may need a while.
                monkeypatch.setattr(app_caches, "_PATIENCE", 0.01 if ask is in_blocked_loop else patience)
                for path, expected in ((f"/plain/{ask.__name__}", "010"), (f"/cached/{ask.__name__}", "111")):
                    texts = [(await visitor.get(path)).text for visitor in (one, other, one)]
                    found = "".join(str(int(text.endswith("not agreed"))) for text in texts)
                    assert (path, found) == (path, expected)

    try:
        asyncio.run(visit())
    finally:
        app.close()
