"""A choice that was made with another tool, over HTTP: refusals count at once, grants are recorded as what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.test import TestResponse

from consent_mw import ConsentMiddleware
from consent_mw.core import counts
from consent_mw.core.seal import Act
from tests.cookies.test_migrating import SAID

PAGE = (
    b"<!doctype html><title>x</title><body><script src='https://www.googletagmanager.com/gtag/js?id=G-AAAAA1'></script>"
)
YES, STATISTICS, NO = SAID["klaro"][0], SAID["complianz"][1], SAID["complianz"][2]
FORM = {"action": "migrate", "back": "/"}


def shop(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    """Answer with a page that has statistics on it."""
    start("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [PAGE]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsentMiddleware]:
    """A shop that had Complianz before."""
    records = f"sqlite:///{tmp_path_factory.mktemp('records')}/consent.db"
    site = {"name": "Shop", "records": records, "migrate_from": ["complianz"], "migrate_until": "2999-12-31"}
    made = ConsentMiddleware(shop, {"site": site, "services": [{"use": "google-analytics"}, {"use": "meta-pixel"}]})
    yield made
    made.close()


def ask(app: ConsentMiddleware, cookies: str, **given: Any) -> TestResponse:
    """Return the answer to a page view, or with ``data`` to a choice."""
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Cookie": cookies, **given.pop("headers", {})}
    client = Client(app, use_cookies=False)
    if "data" in given:
        return client.post("/_cmw/choice", base_url="https://localhost", headers=headers, **given)
    return client.get("/", base_url="https://localhost", headers=headers)


def migrate(app: ConsentMiddleware, cookies: str, **headers: str) -> TestResponse:
    """Post what the runtime posts."""
    return ask(app, cookies, data=FORM, headers={"Accept": "application/json", **headers})


def test_a_refusal_is_not_asked_again(app: ConsentMiddleware) -> None:
    """No notice, everything held, and the control to think again; nothing is set or recorded."""
    answer = ask(app, NO)
    assert ("data-cmw-banner" in answer.text, "data-cmw-reopen" in answer.text) == (False, True)
    assert ('data-cmw-state="reject"' in answer.text, "data-cmw-src" in answer.text) == (True, True)
    assert answer.headers.getlist("Set-Cookie") == []


def test_a_grant_stays_held_until_it_is_recorded(app: ConsentMiddleware) -> None:
    """The page is that of who has not chosen, but for the mark by which the runtime says that there is something."""
    answer = ask(app, STATISTICS)
    assert ("data-cmw-banner" in answer.text, 'data-cmw-take="1"' in answer.text) == (True, True)
    assert "data-cmw-src" in answer.text
    assert 'data-cmw-take="1"' not in ask(app, "").text


def test_a_grant_is_recorded_as_what_it_is(app: ConsentMiddleware) -> None:
    """The ledger has the purposes, and a document that names the tool in the place of a notice; nothing is counted."""
    before = app.engine.tally.due()
    answer = migrate(app, STATISTICS)
    assert answer.status_code == 200
    assert set(json.loads(answer.text)["purposes"]) == {"necessary", "analytics"}
    (cookie,) = answer.headers.getlist("Set-Cookie")
    entry = max((kept.entry for kept in app.engine.records.entries()), key=lambda entry: entry.day)
    assert (entry.act, set(entry.purposes), set(entry.services)) == (Act.PARTIAL, {"analytics"}, {"google-analytics"})
    document = json.loads(app.engine.records.notice(entry.notice) or b"{}")
    assert (document["format"], document["tool"]) == ("consent_mw.taken-over.v1", "complianz")
    assert (app.engine.tally.due(), counts.PARTIAL) == (before, counts.PARTIAL)
    page = ask(app, f"{STATISTICS}; {cookie.partition(';')[0]}").text
    assert ("data-cmw-banner" in page, "<script src='https://www.googletagmanager" in page) == (False, True)


@pytest.mark.parametrize(
    ("cookies", "headers", "status"),
    [
        ("", {}, 400),
        (NO, {}, 400),
        (YES, {}, 400),  # of a tool that was not there
        (STATISTICS, {"Sec-Fetch-Site": "cross-site"}, 403),
        (STATISTICS, {"Sec-Fetch-Mode": "cors"}, 403),
    ],
)
def test_nothing_else_is_taken_over(app: ConsentMiddleware, cookies: str, headers: dict[str, str], status: int) -> None:
    """Without a grant of that tool, and from another site, there is nothing to take over."""
    assert migrate(app, cookies, **headers).status_code == status
