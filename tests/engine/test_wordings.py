"""Wordings of the notice that are compared: who gets which, and what is recorded and counted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from consent_mw import ConsentMiddleware
from consent_mw.config import load
from consent_mw.core.counts import REVISION
from consent_mw.core.counts import VARIANT
from consent_mw.errors import ConfigError

CONFIG: dict[str, Any] = {
    "site": {"languages": ["en"], "isp": "off"},
    "services": [{"use": "google-analytics"}],
    "wordings": {"short": {"en": {"banner.title": "Cookies?", "action.accept-all": "Yes", "action.reject-all": "No"}}},
}


def page(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with a page."""
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [b"<!doctype html><html lang=en><title>t</title><body><p>x"]


class Shop:
    """A site with two wordings, and its visitors."""

    def __init__(self, folder: Path, config: Mapping[str, Any] = CONFIG) -> None:
        site = {**config["site"], "records": f"sqlite:///{folder}/consent.db"}
        self.middleware = ConsentMiddleware(page, {**config, "site": site})

    def get(self, address: str, path: str = "/") -> tuple[str, list[tuple[str, str]]]:
        """Return a page and its headers for a visitor at an address."""
        status, headers, body = self._ask("GET", path, address, b"")
        assert status == 200
        return body.decode(), headers

    def post(self, address: str, **fields: str) -> int:
        """Send the form."""
        return self._ask("POST", "/_cmw/choice", address, urlencode(fields).encode())[0]

    def _ask(self, method: str, path: str, address: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        import io

        found: list[Any] = []
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "localhost",
            "SERVER_PORT": "80", "HTTP_HOST": "localhost", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "REMOTE_ADDR": address,
            "CONTENT_TYPE": "application/x-www-form-urlencoded" if body else "", "wsgi.errors": io.StringIO(),
            "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
            "HTTP_ACCEPT": "text/html", "HTTP_SEC_FETCH_SITE": "none" if method == "GET" else "same-origin",
            "HTTP_SEC_FETCH_MODE": "navigate", "HTTP_SEC_FETCH_DEST": "document",
        }  # fmt: skip

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
            found.append((status, headers))
            return lambda data: None

        chunks = self.middleware(environ, start_response)
        content = b"".join(chunks)
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
        return int(found[0][0][:3]), found[0][1], content

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Return what was counted."""
        engine = self.middleware.engine
        engine.tally.flush()
        kept = engine.records.counts(2**31 - 1)
        return {(one.table, one.value, one.outcome): number for one, number in kept.items()}


@pytest.fixture
def shop(tmp_path: Path) -> Any:
    """Return the site; it is closed afterwards."""
    found = Shop(tmp_path)
    yield found
    found.middleware.engine.close()


def wording_of(text: str) -> str:
    """Return the wording that a page's form names."""
    (found,) = set(re.findall(r'name="wording" value="([^"]*)"', text))
    return str(found)


def visitors(shop: Shop) -> dict[str, str]:
    """Return an address for each wording."""
    found: dict[str, str] = {}
    for number in range(1, 60):
        address = f"192.0.2.{number}"
        found.setdefault(wording_of(shop.get(address)[0]), address)
    return found


def test_visits_are_shared_out_and_nothing_is_stored(shop: Shop) -> None:
    """Both wordings are shown, each visitor keeps one on all pages, and no cookie is set for it."""
    found = visitors(shop)
    assert set(found) == {"standard", "short"}
    for wording, address in found.items():
        for path in ("/", "/other", "/"):
            text, headers = shop.get(address, path)
            assert wording_of(text) == wording
            assert ("Cookies?" in text) == (wording == "short")
            assert "set-cookie" not in {name.lower() for name, _ in headers}


def test_about_half_of_the_visits_get_each(shop: Shop) -> None:
    """The draw is fair: of 400 addresses neither wording gets fewer than 150."""
    draw = shop.middleware.engine._parts.wordings
    from consent_mw.http.request import RequestHead

    head = RequestHead("GET", "http", "localhost", "/", "", (("user-agent", "x"),))
    drawn = [draw.of(head, f"10.0.{number // 250}.{number % 250}") for number in range(400)]
    assert 150 < drawn.count("short") < 250


def test_wordings_differ_in_words_alone(shop: Shop) -> None:
    """The elements, their attributes and their order are the same, so neither button can be made to stand out."""
    found = visitors(shop)
    shapes = {
        wording: re.sub(r'value="(?:standard|short)"|data-cmw-key="\w+"', "", "".join(re.findall("<[^>]+>", text)))
        for wording, text in ((wording, shop.get(address)[0]) for wording, address in found.items())
    }
    assert shapes["standard"] == shapes["short"]


def test_the_ledger_says_which_words_were_read(shop: Shop) -> None:
    """A record names the notice with the words that the form was under, whoever sends it from wherever."""
    records = shop.middleware.engine.records
    for wording in ("short", "standard"):
        assert shop.post("192.0.2.99", action="accept-all", wording=wording) == 303
    entries = list(records.entries())
    titles = []
    for entry in entries:
        document = records.notice(entry.entry.notice)
        assert document is not None
        titles.append(json.loads(document)["languages"]["en"]["texts"]["banner.title"])
    assert sorted(titles) == ["Cookies: your choice", "Cookies?"]


def test_visits_and_answers_are_counted_by_wording(shop: Shop) -> None:
    """Both count under a form that names the wording; the time line has one revision of the notice for all."""
    found = visitors(shop)
    before = shop.counts()
    forms = {value for table, value, _ in before if table == VARIANT}
    assert {one.split(".")[0] for one in forms} == {"bar/standard", "bar/short"}
    assert len({value for table, value, _ in before if table == REVISION}) == 1
    shop.post(found["short"], action="reject-all", wording="short")
    shop.post(found["short"], action="accept-all")  # from a page without the field
    shop.post(found["standard"], action="accept-all", wording="no such wording")
    after = shop.counts()
    rows = {
        (value.split(".")[0], outcome): after[VARIANT, value, outcome] for t, value, outcome in after if t == VARIANT
    }
    assert (rows["bar/short", "reject"], rows["bar/short", "accept"], rows["bar/standard", "accept"]) == (1, 1, 1)


def test_other_words_are_another_form() -> None:
    """Answers to earlier words are never added to those to later ones; texts that no wording has do not matter."""
    site = load({**CONFIG, "texts": {"en": {"error.title": "Oh"}}})
    same = load(CONFIG)
    other = replace(same, wordings={"short": {"en": {"banner.title": "Hm"}}})
    assert [site.form(name) for name in ("", "short")] == [same.form(name) for name in ("", "short")]
    assert other.form("short") != same.form("short")
    assert replace(same, wordings={}).form("") == "bar"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wordings": {"standard": {"en": {"banner.title": "x"}}}}, "'standard' cannot be the name of a wording"),
        ({"wordings": {"a": {"de": {"banner.title": "x"}}}}, "has no texts in 'en'"),
        ({"wordings": {"a": {"en": {"error.title": "x"}}}}, "'error.title' is not a text of the notice"),
        ({"wordings": {"a": {"en": {"banner.titel": "x"}}}}, "There is no such text"),
        ({"wordings": {"a": {"en": {"banner.responsible": "x"}}}}, "{controller} is missing"),
        ({"wordings": dict.fromkeys("abcd", CONFIG["wordings"]["short"])}, "at most 3"),
        ({"site": {"caching": "class"}}, "caches would hand one wording"),
        ({"site": {"counters": "off"}}, "Without counts"),
    ],
)
def test_what_would_make_the_comparison_dishonest_is_refused(change: dict[str, Any], message: str) -> None:
    """Every mistake is reported at the start, with its place."""
    with pytest.raises(ConfigError) as caught:
        load({**CONFIG, **change})
    assert message in str(caught.value)
