"""
The policies of a page as they go out: what is inserted is let in, held sources are out, and who asked for more gets it.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client
from werkzeug.test import TestResponse

from consent_mw import ConsentMiddleware
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.engine.page_csp import Policing
from consent_mw.html.match import Matcher

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

CSP = "Content-Security-Policy"
TRIED = "Content-Security-Policy-Report-Only"
GTM = '<script src="https://www.googletagmanager.com/gtm.js"></script>'
PAGE = f"<!doctype html><html><head><title>Prints</title>{GTM}</head><body><p>Prints</p></body></html>"
SERVICES = [
    {"id": "tags", "name": "Tags", "vendor": "Tags Ltd", "purposes": ["analytics"], "hosts": ["tags.example"]},
    {"id": "pay", "name": "Pay", "vendor": "Pay Ltd", "purposes": ["necessary"], "hosts": ["pay.example/v1"]},
]


_OPEN: list[ConsentMiddleware] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Let no middleware of a test go on working beside the next ones."""
    yield
    while _OPEN:
        _OPEN.pop().close()


class App:
    """An app whose every page has the same headers."""

    def __init__(self, *headers: tuple[str, str], body: str = PAGE, kind: str = "text/html; charset=utf-8") -> None:
        self.headers = [("Content-Type", kind), *headers]
        self.body = body
        self.status = "200 OK"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer any request."""
        start_response(self.status, self.headers)
        return [self.body.encode()]


def client(app: App, folder: Path, services: object = SERVICES, **site: object) -> Client:
    """Return a visitor of the wrapped app."""
    config: dict[str, object] = {"site": {"records": f"sqlite:///{folder}/consent.db", **site}}
    if services:
        config["services"] = services
    middleware = ConsentMiddleware(app, config)
    _OPEN.append(middleware)
    return Client(middleware)


def visit(visitor: Client, method: str = "GET", **headers: str) -> TestResponse:
    """Open the page as a browser does."""
    told = {"Accept": "text/html", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return visitor.open("/prints", method=method, base_url="https://shop.example", headers=told)


def policies(answer: TestResponse, name: str = CSP) -> list[str]:
    """Return the policies of a response."""
    return answer.headers.getlist(name)


def inline(text: str, kind: str) -> set[str]:
    """Return the sources for the inline elements of a page that are ours, by a way of its own."""
    found = re.findall(
        rf"<{kind}\b(?=[^>]*data-cmw)(?![^>]*(?: src=|data-cmw-held))[^>]*>(.*?)</{kind}>", text, re.DOTALL
    )
    return {"'sha256-" + base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() + "'" for one in found}


SITES = {
    "declared": SERVICES,
    "learned from this very page": None,
    "vendors that are told": [{"use": "google-tag-manager"}, {"use": "google-analytics"}],
}


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("granted", [False, True])
def test_the_policy_names_every_inline_text_of_ours(tmp_path: Path, name: str, granted: bool) -> None:
    """What stands in the page is what its headers let in, before a choice and after it."""
    visitor = client(App((CSP, "default-src 'none'")), tmp_path, SITES[name])
    if granted:
        visit(visitor)
        body = {"action": "accept-all", "back": "/"}
        same = {"Sec-Fetch-Site": "same-origin"}
        assert visitor.post("/_cmw/choice", base_url="https://shop.example", data=body, headers=same).status_code == 303
    answer = visit(visitor)
    page, (policy,) = answer.get_data(as_text=True), policies(answer)
    assert "data-cmw-banner" in page or granted
    for kind in ("script", "style"):
        (sources,) = re.findall(rf"{kind}-src ([^;]*)", policy)
        assert inline(page, kind) <= set(sources.split())
        assert inline(page, kind)


def test_every_policy_of_a_page_is_added_to(tmp_path: Path) -> None:
    """Several headers, several policies in one, tried ones as well as enforced ones, each by itself."""
    app = App((CSP, "img-src *, style-src 'self'"), (CSP.lower(), "form-action 'none'"), (TRIED, "script-src 'self'"))
    answer = visit(client(app, tmp_path))
    first, second = policies(answer)
    (style,) = inline(answer.get_data(as_text=True), "style")
    assert first == f"img-src *, style-src 'self' {style}"
    assert second == "form-action shop.example/_cmw/"
    assert re.fullmatch(r"script-src 'self'( 'sha256-\S+')+", policies(answer, TRIED)[0])


UNTOUCHED = {
    "nothing is forbidden": ({}, "img-src 'self'; frame-ancestors 'none'"),
    "a nonce": ({}, "script-src 'nonce-n1'; style-src 'nonce-n1'"),
    "inline is allowed": ({}, "default-src 'self' 'unsafe-inline'"),
    "a fragment": ({"Sec_Fetch_Dest": "empty"}, "default-src 'none'"),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_a_policy_that_lacks_nothing_stays(tmp_path: Path, name: str) -> None:
    """Byte for byte: no hash where inline code may run, which it would forbid, and none for what is no page."""
    headers, text = UNTOUCHED[name]
    assert policies(visit(client(App((CSP, text)), tmp_path), **headers)) == [text]


def test_where_nothing_is_inserted_the_policy_stays(tmp_path: Path) -> None:
    """A site whose services are all necessary has no part of ours in its pages."""
    answer = visit(client(App((CSP, "default-src 'none'")), tmp_path, SERVICES[1:]))
    assert policies(answer) == ["default-src 'none'"]


def test_a_revalidated_page_keeps_its_policy(tmp_path: Path) -> None:
    """The headers of a 304 replace those that the browser has with the page, so they let the same in."""
    app = App((CSP, "default-src 'self'"), ("ETag", '"v1"'))
    visitor = client(app, tmp_path)
    page = visit(visitor)
    app.status, app.body = "304 Not Modified", ""
    answer = visit(visitor, If_None_Match=page.headers["ETag"])
    assert (answer.status_code, policies(answer)) == (304, policies(page))


def test_a_preflight_passes_untouched(tmp_path: Path) -> None:
    """What the app answers to OPTIONS reaches the browser as it is, HTML or not."""
    granted = [("Access-Control-Allow-Origin", "https://elsewhere.example"), ("Access-Control-Allow-Methods", "PUT")]
    app = App((CSP, "default-src 'none'"), *granted, ("Content-Length", str(len(PAGE))), ("Cache-Control", "public"))
    answer = visit(client(app, tmp_path), "OPTIONS", Origin="https://elsewhere.example")
    assert (list(answer.headers), answer.get_data(as_text=True)) == (app.headers, PAGE)


@pytest.mark.parametrize("name", ["Integrity-Policy", "integrity-policy-report-only"])
def test_where_linked_scripts_need_a_hash_none_of_ours_is_linked(tmp_path: Path, name: str) -> None:
    """Scripts of ours stand in the page then, before a choice and after it."""
    visitor = client(App((name, "blocked-destinations=(script), endpoints=(main)")), tmp_path)
    before = visit(visitor).get_data(as_text=True)
    same = {"Sec-Fetch-Site": "same-origin"}
    visitor.post("/_cmw/choice", base_url="https://shop.example", data={"action": "reject-all"}, headers=same)
    after = visit(visitor).get_data(as_text=True)
    assert "data-cmw-runtime" in before
    assert "data-cmw-runtime" in after
    assert [text for text in (before, after) if re.search(r"_cmw/assets/\w+\.\w+\.js|data-cmw-more", text)] == []


@pytest.mark.parametrize(
    ("headers", "linked"),
    [
        ((), True),
        (((CSP, "default-src 'self'"),), True),
        (((CSP, "style-src 'nonce-abc'"),), True),
        (((CSP, "style-src 'unsafe-inline'; default-src *"),), False),
        (((CSP, "style-src https://cdn.example"),), False),
        (((CSP, "default-src 'none'"), (CSP, "script-src 'self'")), False),
        ((("Integrity-Policy", "blocked-destinations=(style)"),), False),
        ((("Integrity-Policy", "blocked-destinations=(script)"),), True),
    ],
)
def test_the_look_of_the_control_is_let_in(tmp_path: Path, headers: tuple[tuple[str, str], ...], linked: bool) -> None:
    """It is linked where a policy lets a file of the site's mount in, and else in the page, with its hash."""
    visitor = client(App(*headers), tmp_path)
    same = {"Sec-Fetch-Site": "same-origin"}
    visitor.post("/_cmw/choice", base_url="https://shop.example", data={"action": "reject-all"}, headers=same)
    answer = visit(visitor)
    text = answer.get_data(as_text=True)
    assert len(re.findall(r"<link[^>]* data-cmw-style", text)) == linked
    styles = re.findall(r"<style[^>]* data-cmw-style[^>]*>([^<]*)", text)
    assert len(styles) == (not linked)
    if styles and CSP in answer.headers and "'unsafe-inline'" not in answer.headers[CSP]:
        digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in answer.headers[CSP]


def test_a_frame_has_no_control_and_no_look_of_it(tmp_path: Path) -> None:
    """What is not a visitor's whole page loads no file for a control that it does not have."""
    visitor = client(App(), tmp_path)
    same = {"Sec-Fetch-Site": "same-origin"}
    visitor.post("/_cmw/choice", base_url="https://shop.example", data={"action": "reject-all"}, headers=same)
    answers = [visit(visitor, **{"Sec-Fetch-Dest": dest}) for dest in ("document", "iframe")]
    assert ["data-cmw-style" in answer.get_data(as_text=True) for answer in answers] == [True, False]


FRAMING = [("X-Frame-Options", "DENY"), ("Cross-Origin-Opener-Policy", "same-origin")]


def test_other_rules_of_a_site_stay(tmp_path: Path) -> None:
    """Who may frame a page, and what it shares, is the site's to say."""
    isolated = ("Cross-Origin-Embedder-Policy", "require-corp")
    answer = visit(client(App(*FRAMING, isolated), tmp_path))
    assert [pair for pair in answer.headers if pair in [*FRAMING, isolated]] == [*FRAMING, isolated]


def test_our_pages_can_stand_in_isolated_ones(tmp_path: Path) -> None:
    """A page with COEP shows the placeholder and loads our scripts: each says that it may."""
    visitor = client(App(), tmp_path)
    script = re.findall(r"assets/release\.\w+\.js", visit(visitor).get_data(as_text=True))[0]
    found = {}
    for path in ("placeholder/tags", script, "state"):
        answer = visitor.get(f"/_cmw/{path}", base_url="https://shop.example")
        found[path] = [answer.headers.get(f"Cross-Origin-{name}-Policy") for name in ("Resource", "Embedder")]
    assert found == {
        "placeholder/tags": ["same-origin", "require-corp"],
        script: ["same-origin", None],
        "state": ["same-origin", None],
    }


# -- policies in the page


def in_page(policy: str) -> str:
    """Return a page with a policy of its own."""
    return PAGE.replace("<title>", f"<meta http-equiv='content-security-policy' content={policy}><title>")


WRITTEN = {
    "\"default-src 'self'\"": "\"default-src 'self'; script-src 'self' H; style-src 'self' H\"",
    "default-src&#32;&apos;none&apos;;": "default-src&#32;&apos;none&apos;;&#32;script-src&#32;H;&#32;style-src&#32;H"
    ";&#32;connect-src&#32;shop.example/_cmw/;&#32;frame-src&#32;shop.example/_cmw/",
    "\"style-src 'none'; form-action 'none'\"": "\"style-src 'none' H; form-action 'none' shop.example/_cmw/\"",
    "\"script-src 'unsafe-inline'\"": "\"script-src 'unsafe-inline'\"",
    "\"img-src 'self', script-src 'none'\"": "\"img-src 'self', script-src 'none'\"",
}


@pytest.mark.parametrize("policy", WRITTEN)
def test_a_policy_in_the_page_is_added_to_by_insertions(tmp_path: Path, policy: str) -> None:
    """In the page's own quotes, as references; where two policies may be meant it is left alone."""
    page = visit(client(App(body=in_page(policy)), tmp_path)).get_data(as_text=True)
    found = page[page.index("content=") + len("content=") : page.index("><title>")]
    shown = re.sub(r"&#39;sha256-[^&]*&#39;((?: |&#32;)&#39;sha256-[^&]*&#39;)*", "H", found).replace("&#39;", "'")
    assert shown == WRITTEN[policy]


def test_where_a_policy_in_the_page_is_unclear_our_style_is_linked(tmp_path: Path) -> None:
    """Nothing inline then: what the policy says of the site's own files counts."""
    page = visit(client(App(body=in_page("\"style-src 'self', script-src 'self'\"")), tmp_path)).get_data(as_text=True)
    assert re.search(r'<link rel="stylesheet" href="/_cmw/assets/look\.', page)
    assert inline(page, "style") == set()


# -- what is held


MATCHER = Matcher(
    [
        Service("ads", "Ads", "Ads Ltd", ("marketing",), hosts=("ads.example", "shared.example/ads", "ads.*")),
        Service("maps", "Maps", "Maps Ltd", ("embeds",), hosts=("shared.example/maps", "maps.wide.example")),
        Service("pay", "Pay", "Pay Ltd", ("necessary",), hosts=("pay.ads.example", "js.wide.example")),
    ]
)
HELD = {
    "ads.example": (["pay"], True),
    "https://cdn.ads.example:443/x/": (["pay"], True),
    "*.ads.example": (["pay"], False),  # what is necessary lives there too
    "pay.ads.example": (["pay"], False),
    "ads.co.uk": (["pay"], True),
    "ads.example ": (["pay"], False),
    "shared.example": (["pay"], False),  # one of many things there
    "shared.example/ads/": (["pay"], True),
    "shared.example/maps": (["pay", "maps"], False),
    "shared.example/maps/": (["pay"], True),
    "*.wide.example": (["pay"], False),
    "*.maps.wide.example": (["pay"], True),
    "maps.wide.example/": (["pay"], True),
    "elsewhere.example": (["pay"], False),
    "*": (["pay"], False),
    "shop.example": (["pay"], False),
}


@pytest.mark.parametrize("source", HELD)
def test_a_source_is_held_if_all_of_it_is(source: str) -> None:
    """One that also stands for something that may run, or for what nobody knows, stays."""
    allowed, expected = HELD[source]
    assert Policing(Site(csp="tighten"), MATCHER).held(source, "shop.example", frozenset(allowed)) is expected


def test_a_wide_source_that_stays_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """The owner hears of what "tighten" cannot take out, and only once."""
    policing = Policing(Site(csp="tighten"), MATCHER)
    with caplog.at_level(logging.WARNING, "consent_mw"):
        for host in ("a.example", "b.example"):
            policing.held("*.wide.example", host, frozenset({"pay"}))
            policing.held("elsewhere.example", host, frozenset({"pay"}))
    assert [record.args for record in caplog.records] == [("*.wide.example",)]


def test_a_source_for_the_whole_web_is_named_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """``https:`` stays and is told of, once; behind 'strict-dynamic' it means nothing."""
    text = "script-src 'strict-dynamic' 'nonce-n1' http:; img-src https:"
    visitor = client(App((CSP, text)), tmp_path, csp="tighten")
    with caplog.at_level(logging.WARNING, "consent_mw"):
        answers = [visit(visitor), visit(visitor)]
    assert [record.args for record in caplog.records if "tighten" in record.getMessage()] == [("https:",)]
    assert [policies(answer) for answer in answers] == [[text]] * 2


def test_an_owner_hears_that_pages_for_everybody_are_stuck(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A page that is the same for all needs a linked script to release anything; the policy has to let it in."""
    with caplog.at_level(logging.WARNING, "consent_mw"):
        for policy in ("script-src 'self'", "script-src 'none'", "script-src 'none'"):
            app = App((CSP, policy))
            visitor = client(app, tmp_path, caching="shared")
            visit(visitor)
            visit(visitor)
    assert len([record for record in caplog.records if "everybody shares" in record.getMessage()]) == 2


def test_held_sources_are_taken_out_until_they_are_granted(tmp_path: Path) -> None:
    """A visitor who allowed the service gets the site's own policy back, in the headers and in the page."""
    own = "script-src https://tags.example 'self' 'unsafe-inline'; img-src https://tags.example"
    visitor = client(App((CSP, own), body=in_page(f'"{own}"')), tmp_path, csp="tighten")
    before = visit(visitor)
    same = {"Sec-Fetch-Site": "same-origin"}
    visitor.post("/_cmw/choice", base_url="https://shop.example", data={"action": "accept-all"}, headers=same)
    after = visit(visitor)
    nowhere = own.replace("tags.example", "cmw.invalid/tags.example")
    assert policies(before) == ["script-src 'self' 'unsafe-inline'; img-src 'none'"]
    assert f'content="{nowhere}"' in before.get_data(as_text=True)
    assert 'data-cmw-release="reload"' in before.get_data(as_text=True)
    assert policies(after) == [own]
    assert f'content="{own}"' in after.get_data(as_text=True)
    assert 'data-cmw-release="reload"' not in after.get_data(as_text=True)


def test_a_policy_of_our_own_allows_what_is_declared_and_granted(tmp_path: Path) -> None:
    """The site itself and its services, as far as they may run; the site's own policies stay as strict."""
    visitor = client(App((CSP, "img-src 'self'")), tmp_path, csp="enforce")
    own, ours = policies(visit(visitor))
    assert own == "img-src 'self'"
    hosts = [f"{host}:*{end}" for host in ("pay.example", "*.pay.example") for end in ("/v1", "/v1/")]
    site = ["shop.example:*", "*.shop.example:*"]
    assert ours.split()[0] == "default-src"
    assert [source for source in ours.split() if source[0] not in "'w" and source[-1] != ":"][1:] == [*site, *hosts]
    same = {"Sec-Fetch-Site": "same-origin"}
    visitor.post("/_cmw/choice", base_url="https://shop.example", data={"action": "accept-all"}, headers=same)
    assert " tags.example:* wss://tags.example:* " in policies(visit(visitor))[1]


def test_reports_come_to_us_where_they_are_wanted(tmp_path: Path) -> None:
    """From the site's own policy, and from ours, which is only tried unless the owner enforces it."""
    answer = visit(client(App((CSP, "img-src 'self'")), tmp_path, csp_reports=True))
    (tried,) = policies(answer, TRIED)
    assert policies(answer) == ["img-src 'self'; report-uri /_cmw/csp"]
    assert (tried.split()[0], tried.split(";")[1:]) == ("default-src", [" report-uri /_cmw/csp", " report-to cmw"])
    assert answer.headers["Reporting-Endpoints"] == 'cmw="/_cmw/csp"'


def test_a_page_for_everybody_follows_nobodys_choice(tmp_path: Path) -> None:
    """Where caches keep one page for all, no policy of ours is tried: it would be one visitor's."""
    answer = visit(client(App((CSP, "img-src 'self'")), tmp_path, caching="shared", csp_reports=True))
    assert (policies(answer), policies(answer, TRIED)) == (["img-src 'self'; report-uri /_cmw/csp"], [])
