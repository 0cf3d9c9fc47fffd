"""Small applications that change their pages by fragments: what is fetched is held, and nobody is asked twice."""

from __future__ import annotations

import re
from pathlib import Path

import flask
import pytest
from flask.testing import FlaskClient

from consent_mw.flask import Consent
from tests.edges.contract import HELD

ROW = f"<tr><td>one</td><td>{HELD}</td></tr>"
FORM = {"Sec-Fetch-Site": "same-origin"}
#: How libraries ask, with and without the headers that browsers add over https.
BROWSER = {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
ASKING = {
    "htmx": {"HX-Request": "true", "HX-Target": "rows", "Accept": "*/*"},
    "turbo frame": {"Turbo-Frame": "rows", "Accept": "text/html, application/xhtml+xml"},
    "unpoly": {"X-Up-Version": "3.10", "Accept": "text/html"},
    "livewire": {"X-Livewire": "1", "Accept": "text/html, application/xhtml+xml"},
    "alpine ajax": {"X-Alpine-Request": "true", "Accept": "text/html"},
    "datastar": {"Datastar-Request": "true", "Accept": "text/event-stream, text/html, application/json"},
    "turbo drive": {"X-Turbo-Request-Id": "a-b", "Accept": "text/html, application/xhtml+xml"},
    "jquery": {"X-Requested-With": "XMLHttpRequest", "Accept": "text/html, */*"},
    "fetch": {**BROWSER, "Accept": "*/*"},
    "htmx in a browser": {**BROWSER, "HX-Request": "true"},
}


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """Return a visitor of a small application with rows that are fetched."""
    app = flask.Flask("rows")
    services = [{"use": "google-analytics"}]
    app.config["CONSENT"] = {"site": {"records": f"sqlite:///{tmp_path}/consent.db"}, "services": services}

    @app.get("/")
    def page() -> str:
        return f'<!doctype html><title>t</title><body><table id="rows" hx-get="/rows">{ROW}</table></body>'

    @app.get("/rows")
    def rows() -> str:
        return ROW

    @app.post("/rows")
    def stream() -> flask.Response:
        body = f'<turbo-stream action="append" target="rows"><template>{ROW}</template></turbo-stream>'
        return flask.Response(body, content_type="text/vnd.turbo-stream.html; charset=utf-8")

    @app.get("/rows.json")
    def as_json() -> dict[str, str]:
        return {"html": ROW}

    Consent(app)
    return app.test_client()


@pytest.mark.parametrize("library", ASKING)
def test_a_fragment_is_held_and_asks_nobody(client: FlaskClient, library: str) -> None:
    """What a library fetches has its tags disarmed, no banner, no script of ours, and every other byte."""
    text = client.get("/rows", headers=ASKING[library]).text
    assert "data-cmw-held=google-analytics" in text
    assert "data-cmw-banner" not in text
    assert "data-cmw-runtime" not in text
    assert re.sub(r"data-cmw-key=\S+ |data-cmw-held=\S+ |type=text/plain |data-cmw-(?=src)", "", text) == ROW


def test_a_turbo_stream_is_held(client: FlaskClient) -> None:
    """HTML of Turbo's own type goes into the page as well: it is held, and never has a banner."""
    for headers in (ASKING["turbo frame"], {"Accept": "text/vnd.turbo-stream.html, text/html"}, BROWSER):
        answer = client.post("/rows", headers=headers)
        assert "data-cmw-held=google-analytics" in answer.text
        assert answer.text.startswith('<turbo-stream action="append" target="rows"><template><tr>')
        assert answer.mimetype == "text/vnd.turbo-stream.html"


@pytest.mark.parametrize("library", ASKING)
def test_a_fragment_after_a_grant_is_the_application_s_own(client: FlaskClient, library: str) -> None:
    """Who granted gets the bytes of the application."""
    client.post("/_cmw/choice", data={"action": "accept-all", "back": "/"}, headers=FORM)
    assert client.get("/rows", headers=ASKING[library]).text == ROW


def test_html_in_json_is_left_alone(client: FlaskClient) -> None:
    """JSON is data, whatever is in it: not a byte changes, and the documents say so."""
    answer = client.get("/rows.json", headers=BROWSER)
    assert answer.get_json() == {"html": ROW}
    limits = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
    assert "JSON response with HTML in it" in limits


def test_the_page_around_them_asks_once(client: FlaskClient) -> None:
    """The page itself has the banner; its fragments do not repeat it."""
    page = client.get("/", headers={"Sec-Fetch-Dest": "document"}).text
    assert page.count('data-cmw-banner=""') == 1
