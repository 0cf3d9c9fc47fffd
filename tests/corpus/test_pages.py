"""
Saved pages of real sites, without a browser: what can be said about the bytes alone.

Chunking and identity are said of every page. What independent parsers find in
the output takes longer, so that by default they look at pages below 100 KB;
``CONSENT_MW_ALL_PAGES=1`` lets them look at all.
"""

from __future__ import annotations

import io
import os
import random
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from consent_mw import catalogue
from consent_mw.core.model import NECESSARY
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from tests.browser.harness.bytes import get
from tests.browser.harness.wrapped import Wrapped
from tests.corpus.fetching import fetches
from tests.corpus.saved import ABSENT
from tests.corpus.saved import SavedPage
from tests.corpus.saved import SavedSite
from tests.corpus.saved import cases
from tests.corpus.saved import saved_pages

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

ALL = saved_pages()
PARSED = [page for page in ALL if len(page.body) < 100_000 or os.environ.get("CONSENT_MW_ALL_PAGES")]
EACH = cases((page.id, (page,)) for page in ALL)
EACH_PARSED = cases((page.id, (page,)) for page in PARSED)
#: What fits into one packet on an Ethernet.
PACKET = 1460
PLACEHOLDERS = "/_cmw/placeholder/"


@pytest.fixture(scope="module")
def policy() -> HoldPolicy:
    """What holds with no configuration and no choice, less the guess at unknown pixels: parsers do not guess."""
    services = catalogue.load().values()
    necessary = frozenset(service.id for service in services if service.necessary)
    return HoldPolicy(Matcher(services), necessary | {NECESSARY}, unknown="allow", placeholder=PLACEHOLDERS)


def rewritten(policy: HoldPolicy, page: SavedPage, cuts: list[int] | None = None) -> tuple[bytes, bytes]:
    """Return ``page`` rewritten, fed in pieces that end at ``cuts``; and the same less all that was inserted."""
    rewriter = Rewriter(Holder(policy, page.address, document=held_in))
    rewriter.trace = []
    ends = pairwise([0, *(cuts or []), len(page.body)])
    out = b"".join(rewriter.feed(page.body[start:end]) for start, end in ends) + rewriter.finish()
    kept = bytearray(out)
    for offset, length in reversed(rewriter.trace):
        del kept[offset : offset + length]
    return out, bytes(kept)


def claimed(policy: HoldPolicy, page: SavedPage, urls: frozenset[str]) -> frozenset[str]:
    """Return those of ``urls`` that a service claims which needs consent."""
    return frozenset(url for url in urls if set(policy.matcher.url(url, page.address)) - policy.allowed)


@pytest.mark.parametrize("page", EACH)
def test_the_page_is_changed_by_insertion_only(policy: HoldPolicy, page: SavedPage) -> None:
    """Less what was inserted, the output is the page."""
    assert rewritten(policy, page)[1] == page.body


@pytest.mark.parametrize("page", EACH)
def test_chunks_do_not_matter(policy: HoldPolicy, page: SavedPage) -> None:
    """In one piece, in packets and cut at random places the output is the same."""
    chance = random.Random(page.id)
    packets = list(range(PACKET, len(page.body), PACKET))
    anywhere = sorted(chance.choices(range(len(page.body) + 1), k=min(len(page.body), 200)))
    whole = rewritten(policy, page)[0]
    assert [rewritten(policy, page, cuts)[0] == whole for cuts in (packets, anywhere)] == [True, True]


@pytest.mark.parametrize("page", EACH)
def test_a_page_that_was_held_holds_nothing_more(policy: HoldPolicy, page: SavedPage) -> None:
    """Rewritten again, only tags that are held already are marked again, as where an author's mark still stands."""
    rewriter = Rewriter(Holder(policy, page.address, document=held_in))
    rewriter.trace = []
    twice = rewriter.feed(rewritten(policy, page)[0]) + rewriter.finish()
    tags = [
        twice[twice.rfind(b"<", 0, offset) : offset] + twice[offset + length : twice.find(b">", offset + length)]
        for offset, length in rewriter.trace
    ]
    assert [tag for tag in tags if b"data-cmw-held=" not in tag] == []


@pytest.mark.parametrize("scripting", [True, False], ids=["scripts-on", "scripts-off"])
@pytest.mark.parametrize("page", EACH_PARSED)
def test_independent_parsers_find_what_is_to_stay_and_nothing_else(
    policy: HoldPolicy, page: SavedPage, scripting: bool
) -> None:
    """Of the addresses that the page's markup fetches, those that no service claims are left, and no new ones."""
    before = fetches(page.body, page.url, scripting=scripting)
    after = fetches(rewritten(policy, page)[0], page.url, scripting=scripting)
    placeholders = {url for url in after if urlsplit(url).path.startswith(PLACEHOLDERS)}
    assert after - placeholders == before - claimed(policy, page, before)


def test_the_parsers_find_what_is_held(policy: HoldPolicy) -> None:
    """In the pages as they are, the parsers see catalogue hosts: the test above could fail."""
    if not PARSED:
        pytest.skip(ABSENT)
    assert any(claimed(policy, page, fetches(page.body, page.url, scripting=False)) for page in PARSED[-5:])


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> Wrapped:
    """A site that shows nothing of its own to a visitor who has chosen, and does not guess at unknown pixels."""
    folder = tmp_path_factory.mktemp("pages")
    settings = {"records": f"sqlite:///{folder / 'consent.db'}", "reopen": "link", "unknown": "allow"}
    return Wrapped(folder, {"site": settings})


@pytest.mark.parametrize("page", EACH)
def test_with_everything_granted_the_bytes_are_the_app_s_own(wrapped: Wrapped, page: SavedPage) -> None:
    """A visitor who accepted all gets the page as the app sent it, but for what vendors are told at its beginning."""
    page = replace(page, url=page.url.replace("http:", "https:", 1))
    app = wrapped.around(SavedSite(page, chunk=PACKET))
    before = get(app, page.url, HTTP_SEC_FETCH_DEST="document")
    cookie = accept_all(app, page)
    after = get(app, page.url, HTTP_SEC_FETCH_DEST="document", HTTP_COOKIE=cookie)
    body = _TOLD.sub(b"", after.body, count=1)
    assert (before.status, after.status, body == page.body) == ("200 OK", "200 OK", True)
    assert b"data-cmw-held" not in after.body


#: What tells vendors' tags that run what was granted.
_TOLD = re.compile(rb"<script data-cmw-signals=.*?</script>", re.DOTALL)


def accept_all(app: WSGIApplication, page: SavedPage) -> str:
    """Choose "accept all" as the banner's button does, and return the cookie; empty where nothing was to be chosen."""
    form = b"action=accept-all&back=/"
    said: list[tuple[str, str]] = []
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/_cmw/choice",
        "QUERY_STRING": "",
        "SERVER_NAME": page.host,
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": page.host,
        "HTTP_ORIGIN": f"https://{page.host}",
        "HTTP_SEC_FETCH_SITE": "same-origin",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(form)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(form),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }

    def start_response(
        status: str, fields: list[tuple[str, str]], exc_info: object = None, /
    ) -> Callable[[bytes], object]:
        said.extend(fields)
        return lambda data: None

    b"".join(app(environ, start_response))
    return next(value.partition(";")[0] for name, value in said if name.lower() == "set-cookie")
