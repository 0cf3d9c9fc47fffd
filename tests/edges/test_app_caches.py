"""Caches inside an application never hand what one visitor got to another, whoever asked allows() in them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import cachetools
import flask
import pytest
from flask_caching import Cache
from werkzeug.test import Client

from consent_mw.engine import app_caches
from consent_mw.flask import Consent

NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}
BASE = "https://shop.example"

#: A visitor who accepted everything, and one who was never asked.
Two = tuple[Client, Client]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    """Return two visitors of a shop with caches in it."""
    monkeypatch.setattr(app_caches, "_warned", set())
    app = flask.Flask("shop")
    app.jinja_env.add_extension("flask_caching.jinja2ext.CacheExtension")
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    site = {"records": f"sqlite:///{tmp_path}/consent.db", "isp": "off"}
    Consent(app, {"site": site, "services": [{"use": "google-analytics"}]})

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


def seen(visitor: Client, path: str) -> str:
    """Return what a visitor sees."""
    text = visitor.get(path, base_url=BASE, headers=NAVIGATION).text
    return "not agreed" if "not agreed" in text else "agreed" if "agreed" in text else ""


@pytest.mark.parametrize("path", ["/cached", "/memoized", "/remembered", "/fragment"])
def test_what_a_cache_keeps_is_for_anybody(shop: Two, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """Asked inside, the answer is that of nobody, first and later, and the log names the place once."""
    first, second = shop
    with caplog.at_level(logging.WARNING, "consent_mw"):
        assert [seen(first, path), seen(second, path), seen(first, path)] == ["not agreed"] * 3
    assert len([record for record in caplog.records if "inside a cache" in record.message]) == 1


@pytest.mark.parametrize("path", ["/plain", "/varied"])
def test_asked_outside_each_gets_an_answer_of_their_own(shop: Two, path: str) -> None:
    """Without a cache, and with the answer in its key, nothing is mixed up and nothing withheld."""
    first, second = shop
    assert [seen(first, path), seen(second, path), seen(first, path)] == ["agreed", "not agreed", "agreed"]


def test_what_makes_the_key_is_no_content(shop: Two) -> None:
    """A key may follow the choice."""
    first, second = shop
    assert [one.get("/keyed", base_url=BASE, headers=NAVIGATION).status_code for one in (first, second)] == [200, 200]
