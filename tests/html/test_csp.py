"""
Policies of a site: what is added lets in what is ours and nothing else, and what is taken out is all that changes.

A reference reading of the standard (csp_reference.py) says what each policy allows, before and after.
"""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.html import csp
from tests.html.csp_reference import Question
from tests.html.csp_reference import allows

PAGE = "https://shop.example/prints"
SCRIPT, STYLE = "'sha256-c2NyaXB0'", "'sha256-c3R5bGU='"
OWN = csp.OwnContent("https", "shop.example", "/_cmw/", (SCRIPT,), (STYLE,))
ASSET = "https://shop.example/_cmw/assets/release.0123abcd.js"
SHEET = "https://shop.example/_cmw/assets/look.0.css"

DIRECTIVES = [
    "default-src",
    "script-src",
    "Script-Src-Elem",
    "script-src-attr",
    "style-src",
    "style-src-elem",
    "connect-src",
    "frame-src",
    "child-src",
    "worker-src",
    "img-src",
    "form-action",
    "base-uri",
    "sandbox",
    "trusted-types",
    "require-trusted-types-for",
    "upgrade-insecure-requests",
]
SOURCES = [
    "'none'",
    "'NONE'",
    "'self'",
    "*",
    "https:",
    "http:",
    "data:",
    "'unsafe-inline'",
    "'unsafe-eval'",
    "'unsafe-hashes'",
    "'strict-dynamic'",
    "'nonce-abc'",
    "'nonce-other='",
    "'nonce-$'",
    "'sha256-dGhlaXJz'",
    SCRIPT,
    "shop.example",
    "*.example",
    "https://shop.example:443",
    "http://shop.example",
    "shop.example:8443",
    "shop.example/_cmw/",
    "shop.example/static/",
    "https://tags.test",
    "*.tags.test",
    "https://tags.test/gtm.js",
    "wss://tags.test",
    "'script'",
    "caf\u00e9.example",
]
URLS = [
    ASSET,
    "https://shop.example/_cmw/choice",
    "https://shop.example/_cmw/placeholder/youtube",
    "https://shop.example/uploads/evil.js",
    "https://shop.example/_cmwx/evil.js",
    "https://www.shop.example/_cmw/choice",
    "https://tags.test/gtm.js",
    "https://cdn.tags.test/x",
    "wss://tags.test/live",
    "https://elsewhere.test/_cmw/choice",
    "data:text/plain,x",
]
LISTS = ["script-src-elem", "style-src-elem", "worker-src", "connect-src", "frame-src", "img-src", "form-action"]
INLINE = ["script-src-elem", "script-src-attr", "style-src-elem", "style-src-attr"]
DIGESTS = ["", "sha256-dGhlaXJz", "sha256-bm9ib2R5cw==", SCRIPT.strip("'"), STYLE.strip("'")]
NONCES = ["", "abc", "other="]

QUESTIONS = [
    *(Question(kind, url, redirected=again) for kind, url, again in product(LISTS, URLS, (False, True))),
    *(Question("script-src-elem", url, nonce, parsed=False) for url, nonce in product(URLS, NONCES)),
    *(Question("script-src-elem", url, "abc") for url in URLS),
    *(Question(kind, nonce=nonce, digest=digest) for kind, nonce, digest in product(INLINE, NONCES, DIGESTS)),
    Question("eval"),
    Question("base-uri", "https://elsewhere.test/"),
]

GAPS = st.sampled_from([" ", "  ", "\t", "\n "])


@st.composite
def written(draw: st.DrawFn) -> str:
    """Write a policy, tidy or not."""
    parts = []
    for _ in range(draw(st.integers(0, 5))):
        values = draw(st.lists(st.sampled_from(SOURCES), max_size=4))
        parts.append(draw(GAPS).join([draw(st.sampled_from(DIRECTIVES)), *values]))
    ends = draw(st.sampled_from(["", ";", " ; ", " "]))
    return draw(st.sampled_from([";", "; ", " ;\t"])).join(parts) + ends


def is_ours(asked: Question) -> bool:
    """Whether something is what an addition may let in: our constant texts, and addresses of ours that no code is."""
    if not asked.url:
        return f"'{asked.digest}'" in (SCRIPT if asked.kind.startswith("script") else STYLE)
    if asked.kind not in ("connect-src", "frame-src", "form-action"):
        return False
    # A browser does not look at the path of what it was redirected to.
    return asked.url.startswith("https://shop.example/" if asked.redirected else "https://shop.example/_cmw/")


@given(written(), st.sampled_from(["", "abc"]), st.booleans())
@example("default-src 'none'", "", False)
@example("default-src 'none'", "", True)
@example("default-src 'unsafe-inline'; script-src 'none' ;", "", True)
@example("child-src 'self' tags.test; connect-src", "", False)
@example("script-src 'unsafe-inline' 'strict-dynamic'; frame-src 'none'; form-action 'none'", "abc", False)
def test_an_addition_lets_in_what_is_ours_and_changes_nothing_else(text: str, nonce: str, inserting: bool) -> None:
    """Whatever a policy says, it allows the same as before, and our constant texts and own addresses."""
    own = csp.OwnContent("https", "shop.example", "/_cmw/", (SCRIPT,), (STYLE,), nonce)
    after = csp.edited(text, csp.additions(text, own, inserting=inserting))
    changed = {asked for asked in QUESTIONS if allows(text, asked, PAGE) != allows(after, asked, PAGE)}
    assert {asked for asked in changed if not is_ours(asked) or not allows(after, asked, PAGE)} == set()


@given(written(), st.sampled_from(["", "abc"]), st.booleans())
@example("default-src 'none'; style-src 'self'; form-action", "", False)
@example("script-src 'unsafe-inline' 'strict-dynamic'", "", False)
def test_after_an_addition_all_that_is_ours_is_let_in(text: str, nonce: str, inserting: bool) -> None:
    """The style sheet, the scripts, the choice, the form and the placeholder pass every policy."""
    own = csp.OwnContent("https", "shop.example", "/_cmw/", (SCRIPT,), (STYLE,), nonce)
    after = csp.edited(text, csp.additions(text, own, inserting=inserting))
    needed = [
        Question("script-src-elem", nonce=nonce, digest=SCRIPT.strip("'")),
        Question("style-src-elem", nonce=nonce, digest=STYLE.strip("'")),
        Question("connect-src", "https://shop.example/_cmw/choice"),
        Question("form-action", "https://shop.example/_cmw/choice"),
        Question("form-action", "https://shop.example/prints", redirected=True),
        Question("frame-src", "https://shop.example/_cmw/placeholder/youtube"),
    ]
    assert [asked for asked in needed if not allows(after, asked, PAGE)] == []


@given(written(), st.sampled_from(["", "abc"]))
def test_where_linked_scripts_of_ours_may_run_is_known(text: str, nonce: str) -> None:
    """The page links to our scripts, and loads them later, exactly where its policy lets it."""
    own = csp.OwnContent("https", "shop.example", "/_cmw/", (SCRIPT,), (STYLE,), nonce)
    terms = csp.terms([text], own)
    assert terms.linked == allows(text, Question("script-src-elem", ASSET, nonce), PAGE)
    if terms.loads:
        assert allows(text, Question("script-src-elem", ASSET, nonce, parsed=False), PAGE)


@given(written(), st.sampled_from(["", "abc"]))
def test_where_linked_style_sheets_of_ours_are_let_in_is_known(text: str, nonce: str) -> None:
    """The page links to the look of the control exactly where its policy lets it; elsewhere it is in the page."""
    own = csp.OwnContent("https", "shop.example", "/_cmw/", (SCRIPT,), (STYLE,), nonce)
    assert csp.terms([text], own).sheets == allows(text, Question("style-src-elem", SHEET, nonce), PAGE)


@given(written(), st.sampled_from(["", "abc"]))
def test_nothing_is_given_back_by_the_trust_in_our_script(text: str, nonce: str) -> None:
    """Where a policy trusts what our script inserts, without a nonce to tell by, the page is made anew instead."""
    own = csp.OwnContent("https", "shop.example", "/_cmw/", (SCRIPT,), (STYLE,), nonce)
    foreign = "https://elsewhere.test/x.js"
    inserted = allows(text, Question("script-src-elem", foreign, parsed=False), PAGE)
    if inserted and not allows(text, Question("script-src-elem", foreign), PAGE):
        assert not csp.terms([text], own).loads or allows(text, Question("script-src-elem", ASSET, nonce), PAGE)


@given(written())
def test_nothing_is_added_twice(text: str) -> None:
    """A policy that was added to lacks nothing."""
    after = csp.edited(text, csp.additions(text, OWN))
    assert csp.additions(after, OWN) == []


@given(written())
def test_an_insertion_leaves_nothing_out(text: str) -> None:
    """Policies in the page only get longer: without what was put in they are the app's own."""
    edits = [*csp.additions(text, OWN, inserting=True), *csp.removals(text, lambda source: True, inserting=True)]
    assert [left_out for _, left_out, _ in edits] == [0] * len(edits)


def held(source: str) -> bool:
    """Take the tags of one host for held."""
    return "tags.test" in source


@given(written(), st.booleans())
@example("script-src https://tags.test 'self'; img-src *.tags.test", True)
@example("script-src tags.test 'none'; script-src *", False)
def test_a_removal_only_takes_away(text: str, inserting: bool) -> None:
    """Without the held sources a policy allows nothing new, and of the rest all that it did."""
    after = csp.edited(text, csp.removals(text, held, inserting=inserting))
    lost = {asked for asked in QUESTIONS if allows(text, asked, PAGE) and not allows(after, asked, PAGE)}
    won = {asked for asked in QUESTIONS if not allows(text, asked, PAGE) and allows(after, asked, PAGE)}
    assert won == set()
    # Behind a redirect a source with a path stands for its whole host.
    assert {asked for asked in lost if "tags.test" not in asked.url} == set()


@given(written(), st.booleans())
def test_held_sources_are_gone_after_a_removal(text: str, inserting: bool) -> None:
    """No source of a held host is left in any list of addresses."""
    after = csp.edited(text, csp.removals(text, held, inserting=inserting))
    wide = {"*", "https:", "http:"}
    asked = [Question(kind, "https://tags.test/gtm.js") for kind in LISTS if kind != "form-action"]
    allowed = [kind for kind, *_ in (one for one in asked if allows(after, one, PAGE))]
    for kind in allowed:
        directive = csp.governing(csp.parsed(after), GOVERNED[kind])
        assert directive is None or wide & {value.text for value in directive.values}


GOVERNED = {
    "script-src-elem": csp.SCRIPTS,
    "style-src-elem": csp.STYLES,
    "connect-src": csp.CONNECTIONS,
    "frame-src": csp.FRAMES,
    "img-src": ("img-src", "default-src"),
    "worker-src": ("worker-src", "child-src", "script-src", "default-src"),
}

ADDED = {
    "default-src 'self'": "default-src 'self'; script-src 'self' {s}; style-src 'self' {c}",
    "default-src 'none';": "default-src 'none'; script-src {s}; style-src {c}; connect-src {a}; frame-src {a}",
    "script-src 'self' 'unsafe-inline'": "script-src 'self' 'unsafe-inline'",
    "script-src 'nonce-n' 'strict-dynamic'": "script-src 'nonce-n' 'strict-dynamic' {s}",
    "form-action 'none'; connect-src 'self'": "form-action {a}; connect-src 'self'",
    "frame-ancestors 'none'; base-uri 'none'": "frame-ancestors 'none'; base-uri 'none'",
}


@pytest.mark.parametrize("text", ADDED)
def test_what_is_added(text: str) -> None:
    """The directive that governs gets a hash where inline code is forbidden; others stay as they are."""
    after = csp.edited(text, csp.additions(text, OWN))
    assert after == ADDED[text].format(s=SCRIPT, c=STYLE, a="shop.example/_cmw/")


def test_a_nonce_of_the_page_needs_no_hash() -> None:
    """Where our elements carry the policy's nonce, the policy stays as it is."""
    own = csp.OwnContent("https", "shop.example", "/_cmw/", (SCRIPT,), (STYLE,), "n")
    assert csp.additions("script-src 'nonce-n'; style-src 'nonce-n'", own) == []


@pytest.mark.parametrize("host", ["[::1]:8000", "shop.example;script-src", "shop.example 'unsafe-inline'", ""])
def test_a_host_that_no_source_can_name_adds_no_address(host: str) -> None:
    """What a request says its host is cannot write into the policy."""
    own = csp.OwnContent("https", host, "/_cmw/", (SCRIPT,), (STYLE,))
    text = "connect-src 'none'; form-action 'none'"
    assert csp.edited(text, csp.additions(text, own)) == text


@given(st.text(), st.text())
def test_no_policy_and_no_host_raises(text: str, host: str) -> None:
    """Whatever an app writes and a visitor says, the edits can be made."""
    own = csp.OwnContent("https", host, "/_cmw/", (SCRIPT,), (STYLE,))
    edits = [csp.additions(text, own), csp.removals(text, lambda source: True), csp.reporting(text, "/_cmw/csp", "cmw")]
    assert all(len(csp.edited(text, made)) >= 0 for made in edits)
    csp.terms([text], own)
    csp.nonce_of(csp.parsed(text))


TYPE_POLICIES = {
    "": False,
    "require-trusted-types-for 'script'": False,
    "trusted-types": True,
    "trusted-types 'none'": True,
    "trusted-types app": True,
    "trusted-types app 'allow-duplicates'": True,
    "trusted-types *": False,
    "trusted-types app consent-mw": False,
}


@pytest.mark.parametrize("text", TYPE_POLICIES)
def test_a_list_of_type_policies_without_ours_means_a_reload(text: str) -> None:
    """Where the runtime may not make code of text, nothing is released in the page."""
    assert csp.terms([text], OWN).loads is not TYPE_POLICIES[text]


REPORTED = {
    "default-src 'self'": "default-src 'self'; report-uri /_cmw/csp",
    "default-src 'self';": "default-src 'self'; report-uri /_cmw/csp",
    "report-uri /a; img-src *": "report-uri /a /_cmw/csp; img-src *",
    "report-uri /_cmw/csp": "report-uri /_cmw/csp",
    "default-src 'self'; report-to main": "default-src 'self'; report-to main",
    "": "",
}


@pytest.mark.parametrize("text", REPORTED)
def test_reports_come_to_us_besides(text: str) -> None:
    """Where the site has reports sent already, it goes on getting them."""
    assert csp.edited(text, csp.reporting(text, "/_cmw/csp")) == REPORTED[text]
