"""The same application answers alike inside every edge: to somebody new, after a refusal and after a grant."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from consent_mw import Decision
from tests.edges.contract import HELD
from tests.edges.contract import SITES
from tests.edges.contract import VECTORS
from tests.edges.contract import Answer
from tests.edges.contract import Ask
from tests.edges.contract import asking

pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")

VISITOR = {"sec-fetch-dest": "document", "accept": "text/html", "accept-encoding": "gzip"}
SERVICES = [{"use": "google-analytics"}]
KEY = "k" * 40
_REFUSED = {"unreadable", "damaged", "part", "handed"}
_FILES = {"json", "image", "events", "preloading", "file-part", "file-parts"}
HELD_PAGES = [name for name in VECTORS if name not in _REFUSED | _FILES | {"fresh"}]

Site = Callable[[str], Ask]
#: What the sites' own function was told.
TOLD: list[tuple[Decision, Decision, str]] = []


def heard(old: Decision, new: Decision, receipt: str) -> None:
    """Hear of a choice."""
    TOLD.append((old, new, receipt))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return what gives a site by its name; they share records and keys, as several edges of one owner would."""
    folder = tmp_path_factory.mktemp("contract")
    (folder / "consent.key").write_text(KEY, "utf-8")
    (folder / "consent.key").chmod(0o600)

    @cache
    def made(name: str) -> Ask:
        settings = {"records": f"sqlite:///{Path(folder)}/consent.db", "on_change": heard}
        return asking(name, {"site": settings, "services": SERVICES})

    return made


def choose(ask: Ask, action: str) -> str:
    """Make a choice by the banner's form and return the Cookie header that keeps it."""
    headers = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    answer = ask("/_cmw/choice", "POST", headers, f"action={action}&back=/page".encode())
    assert (answer.status, answer.headers["location"]) == (303, ["/page"])
    (cookie,) = (value for value in answer.headers["set-cookie"] if value.startswith("__Host-cmw="))
    return cookie.partition(";")[0]


def visit(ask: Ask, vector: str, more: Mapping[str, str] | None = None) -> Answer:
    """Return what a visitor gets at the path of a vector."""
    return ask(f"/{vector}", "GET", {**VISITOR, **(more or {})}, b"")


def opened(answer: Answer) -> bytes:
    """Return the body without its coding: two that compressed the same differ in bytes where they flushed."""
    return gzip.decompress(answer.body) if answer.headers.get("content-encoding") == ["gzip"] else answer.body


@pytest.fixture(scope="module")
def grant(site: Site) -> str:
    """Return the cookie of a visitor who accepted everything on the plain site."""
    return choose(site("wsgi"), "accept-all")


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("name", [name for name in SITES if name != "wsgi"])
def test_every_edge_gives_what_the_plain_one_gives(site: Site, name: str, vector: str) -> None:
    """Status, headers and body do not depend on the framework around the page."""
    expected, found = visit(site("wsgi"), vector), visit(site(name), vector)
    assert (found.status, found.headers, opened(found)) == (expected.status, expected.headers, opened(expected))


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("name", SITES)
def test_nothing_that_is_held_goes_out(site: Site, name: str, vector: str) -> None:
    """Whatever the form of the page, its tag does not leave as the application wrote it; what is no page does."""
    body = opened(visit(site(name), vector))
    text = body.decode("utf-16" if vector == "wide" else "latin-1")
    assert (HELD in text) is (vector == "events")


@pytest.mark.parametrize("name", SITES)
def test_a_grant_gives_the_tag_back(site: Site, name: str, grant: str) -> None:
    """A choice that was made at one edge counts at every other that shares keys and records."""
    text = opened(visit(site(name), "page", {"cookie": grant})).decode()
    assert HELD in text
    assert "data-cmw-banner=" not in text


@pytest.mark.parametrize("name", SITES)
def test_the_form_of_the_banner_works(site: Site, name: str) -> None:
    """Each edge takes the choice itself."""
    ask = site(name)
    for action, released in (("accept-all", True), ("reject-all", False)):
        text = opened(visit(ask, "page", {"cookie": choose(ask, action)})).decode()
        assert (HELD in text, "data-cmw-banner=" in text) == (released, False)


@pytest.mark.parametrize("name", SITES)
def test_a_fragment_has_no_banner(site: Site, name: str) -> None:
    """What a script puts into a page is held, and asks nobody."""
    answer = site(name)("/fragment", "GET", {"sec-fetch-dest": "empty", "hx-request": "true"}, b"")
    assert b"data-cmw-held=" in answer.body
    assert b"data-cmw-banner=" not in answer.body


@pytest.mark.parametrize("name", SITES)
def test_who_has_the_page_is_told_so(site: Site, name: str) -> None:
    """The tag that a page went out with comes back to the application as its own, and out again with its 304."""
    tag = visit(site(name), "cached").headers["etag"]
    answer = visit(site(name), "fresh", {"if-none-match": tag[0]})
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    assert answer.headers["cache-control"] == ["private, no-cache"]


@pytest.mark.parametrize("name", SITES)
def test_a_part_of_a_file_is_the_part_that_was_asked_for(site: Site, name: str) -> None:
    """Only requests for pages lose their range, and only parts of pages are refused."""
    ask = site(name)
    headers = {"sec-fetch-dest": "image", "accept": "image/*", "range": "bytes=0-3"}
    for vector in ("file-part", "file-parts"):
        answer = ask(f"/{vector}", "GET", headers, b"")
        assert (answer.status, answer.body) == (206, VECTORS[vector].body)
    assert ask("/part", "GET", headers, b"").status == 500


@pytest.mark.parametrize("vector", HELD_PAGES)
@pytest.mark.parametrize("name", SITES)
def test_a_head_request_gets_no_body(site: Site, name: str, vector: str) -> None:
    """Whatever the application does with HEAD, no bytes come, and no length that is not the page's."""
    answer = site(name)(f"/{vector}", "HEAD", VISITOR, b"")
    assert answer.body == b""


@pytest.mark.parametrize("name", SITES)
def test_a_refusal_on_a_day_is_the_same_everywhere(site: Site, name: str) -> None:
    """The cookie of a refusal tells nobody apart, and no edge from another."""
    assert choose(site(name), "reject-all") == choose(site("wsgi"), "reject-all")


@pytest.mark.parametrize("name", SITES)
def test_every_edge_tells_the_site_s_code_of_a_choice(site: Site, name: str) -> None:
    """A choice at any edge is told once, with a receipt that is new; the same ledger has it."""
    ask = site(name)
    TOLD.clear()
    choose(ask, "accept-all")
    ((old, new, receipt),) = TOLD
    assert (old.allows("analytics"), new.allows("analytics"), bool(receipt)) == (False, True, True)


@pytest.mark.parametrize("name", SITES)
def test_a_choice_from_another_site_is_refused(site: Site, name: str) -> None:
    """No edge loses the headers that tell where a form was sent from."""
    headers = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"}
    assert site(name)("/_cmw/choice", "POST", headers, b"action=accept-all").status == 403


@pytest.mark.parametrize("name", SITES)
def test_every_edge_says_that_the_signal_is_honoured(site: Site, name: str) -> None:
    """At the well-known place stands what the specification asks for, whatever the application has there."""
    answer = site(name)("/.well-known/gpc.json", "GET", {}, b"")
    assert (answer.status, answer.headers["content-type"]) == (200, ["application/json"])
    assert json.loads(answer.body).keys() == {"gpc", "lastUpdate"}
    assert answer == site("wsgi")("/.well-known/gpc.json", "GET", {}, b"")
