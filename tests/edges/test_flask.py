"""
The Flask extension: one line around an application, and names in views and templates.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import flask
import pytest

from consent_mw.errors import ConfigError
from consent_mw.flask import Consent
from consent_mw.wsgi import ConsentMiddleware

HELD = '<script src="https://www.google-analytics.com/analytics.js"></script>'
TEMPLATE = "<body><p>{{ consent.allows('necessary') }} {{ consent.allows('analytics') }}</p>"


@pytest.fixture
def make(tmp_path: Path) -> Callable[[], flask.Flask]:
    """Make a small application, not wrapped yet, with records in a folder of the test."""

    def made() -> flask.Flask:
        app = flask.Flask("shop")
        app.config["CONSENT"] = {"site": {"records": f"sqlite:///{tmp_path}/consent.db"}}

        @app.get("/")
        def page() -> str:
            return "<body><p>text" + HELD

        @app.get("/asked")
        def asked() -> dict[str, bool]:
            return {name: flask.g.consent.allows(name) for name in ("necessary", "analytics")}

        @app.get("/template")
        def template() -> str:
            return flask.render_template_string(TEMPLATE)

        return app

    return made


def test_one_line_wraps_an_application(make: Callable[[], flask.Flask]) -> None:
    """Consent(app) holds what is in the pages and serves the pages of the layer."""
    app = make()
    Consent(app)
    client = app.test_client()
    assert b"data-cmw-held=google-analytics" in client.get("/").data
    assert client.get("/_cmw/").status_code == 200
    assert isinstance(app.wsgi_app, ConsentMiddleware)


def test_an_application_can_be_wrapped_later(make: Callable[[], flask.Flask]) -> None:
    """One extension, made where the application is not there yet, wraps it by init_app."""
    consent = Consent()
    app = make()
    consent.init_app(app)
    assert app.extensions["consent_mw"] is consent
    assert b"data-cmw-held" in app.test_client().get("/").data


def test_a_configuration_of_one_s_own(make: Callable[[], flask.Flask], tmp_path: Path) -> None:
    """What is given to the extension counts before the application's own setting."""
    app = make()
    Consent(app, {"site": {"records": f"sqlite:///{tmp_path}/other.db", "mount": "/choices"}})
    assert app.test_client().get("/choices/").status_code == 200
    assert app.test_client().get("/_cmw/").status_code == 404


def test_views_and_templates_can_ask(make: Callable[[], flask.Flask]) -> None:
    """g.consent and the template name say what the visitor allows."""
    app = make()
    Consent(app)
    client = app.test_client()
    assert client.get("/asked").json == {"necessary": True, "analytics": False}
    assert b"<p>True False</p>" in client.get("/template").data


def test_a_choice_is_seen_by_views(make: Callable[[], flask.Flask]) -> None:
    """What the visitor grants is granted for the views of the next request."""
    app = make()
    Consent(app)
    client = app.test_client()
    client.get("/")
    form = {"action": "accept-all", "back": "/"}
    answer = client.post("/_cmw/choice", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.location) == (303, "/")
    assert client.get("/asked").json == {"necessary": True, "analytics": True}
    assert HELD.encode() in client.get("/").data


def test_templates_outside_a_request_are_left_alone(make: Callable[[], flask.Flask]) -> None:
    """A mail or a command that renders a template has no visitor, and so no name for what one allows."""
    app = make()
    Consent(app)
    with app.app_context():
        assert flask.render_template_string("{{ consent is defined }}") == "False"


def test_background_jobs_have_the_application_s_configuration(make: Callable[[], flask.Flask]) -> None:
    """What a view freezes, the extension thaws in the application's context, and one extension serves several."""
    consent = Consent()
    app, other = make(), make()
    for each, service in ((app, "google-analytics"), (other, "youtube")):
        each.config["CONSENT"] = {**each.config["CONSENT"], "services": [{"use": service}]}
        consent.init_app(each)

    @app.get("/frozen")
    def frozen() -> list[str]:
        return [consent.jobs().freeze(flask.g.consent)]

    client = app.test_client()
    form = {"action": "accept-all", "back": "/"}
    client.get("/")
    client.post("/_cmw/choice", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    (text,) = client.get("/frozen").get_json()
    assert [consent.jobs(each).thaw(text).allows("analytics") for each in (app, other)] == [True, False]


def test_a_template_says_where_the_banner_stands(make: Callable[[], flask.Flask]) -> None:
    """consent_banner() in a template, or in a macro of another one, moves the banner there, on that page only."""
    app = make()
    Consent(app)

    @app.get("/placed")
    def placed() -> str:
        macro = "{% macro banner() %}{{ consent_banner() }}{% endmacro %}"
        return flask.render_template_string(macro + f"<body>{HELD}<main>{{{{ banner() }}}}</main>")

    client = app.test_client()
    client.get("/placed")
    page, plain = (client.get(path, headers={"Sec-Fetch-Dest": "document"}).text for path in ("/placed", "/"))
    assert [text.count('data-cmw-banner=""') for text in (page, plain)] == [1, 1]
    assert page.index("<main>") < page.index('data-cmw-banner=""') < page.index("</main>")
    with app.app_context():
        assert flask.render_template_string("[{{ consent_banner() }}]") == "[]"


def test_a_template_shows_the_declaration(make: Callable[[], flask.Flask]) -> None:
    """consent_policy() is markup, begins with the headings asked for, and leads back to the page."""
    app = make()
    Consent(app, {**app.config["CONSENT"], "services": [{"use": "matomo"}]})

    @app.get("/privacy")
    def privacy() -> str:
        return flask.render_template_string("<main>{{ consent_policy('en', level=3) }}</main>")

    text = app.test_client().get("/privacy?a=1").text
    assert '<h3 id="cmw-policy-own">' in text
    assert 'href="/_cmw/?back=/privacy%3Fa%3D1"' in text
    with app.app_context():
        assert flask.render_template_string("{{ consent_policy() }}").startswith('<div id="cmw-policy"')


def test_twice_is_an_error(make: Callable[[], flask.Flask]) -> None:
    """An application is wrapped once; the error says so at start-up."""
    app = make()
    consent = Consent(app)
    with pytest.raises(RuntimeError, match="init_app once"):
        consent.init_app(app)


def test_mistakes_are_told_at_start_up(make: Callable[[], flask.Flask]) -> None:
    """A mistake in the application's setting is an error where it is wrapped."""
    app = make()
    app.config["CONSENT"] = {"sites": {}}
    with pytest.raises(ConfigError, match="sites"):
        Consent(app)
