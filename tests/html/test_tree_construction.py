"""
Where what a tag is depends on what is open: one vector for each rule of tree construction that decides it.

Each page fetches or runs something of the tracker's, as independent parsers
see it; rewritten, whole and cut anywhere, it does not.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.errors import RefusedMarkup
from consent_mw.html.scanner.follower import Follower
from consent_mw.html.scanner.known_steps import KnownSteps
from consent_mw.html.scanner.modes import new_tree
from consent_mw.html.scanner.modes import start_tag
from consent_mw.html.scanner.tree import Dialect
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree
from tests.html import following
from tests.html.parsers import PARSERS
from tests.html.parsers import leaks
from tests.html.rewriting import run

IMG = '<img src="https://tracker.example/x.gif">'
RUN = "<script><!--\ntrackNow(1)\n--></script>"
STYLE = "<style><!-- a{background:url(https://tracker.example/x.gif)} --></style>"

#: Section of https://html.spec.whatwg.org/multipage/parsing.html, and a page.
VECTORS = {
    # #markup-declaration-open-state: CDATA where the adjusted current node is not HTML's, integration points included
    "cdata in svg title": f"<svg><title><![CDATA[ > <!-- ]]>{IMG} -->",
    "cdata in svg foreignObject": f"<svg><foreignObject><![CDATA[>]]>{IMG}",
    "cdata in annotation-xml": f"<math><annotation-xml encoding=text/html><![CDATA[ > <!-- ]]>{IMG} -->",
    "no cdata in html inside an integration point": f"<svg><desc><b><![CDATA[ <!-- > {IMG} ]]>-->",
    "no cdata once a br ended the drawing": f"<svg></br><![CDATA[ <!-- > {IMG} ]]>-->",
    "no cdata behind an end tag of a drawing's name": f"<g><svg></g><![CDATA[ <!-- > {IMG} ]]>-->",
    # #parsing-main-inforeign: what ends a drawing
    "p end tag ends the drawing": f"<svg><desc></svg></p><svg></p>{RUN}",
    "font with a colour ends it": f"<svg><font color=x>{STYLE}",
    "end tag of an open block ends it": f"<div><svg></div>{STYLE}",
    "end tag of an open heading of another level ends it": f"<h1><svg></h2>{STYLE}",
    "end tag of an open list item ends it": f"<ul><li><svg></li>{STYLE}",
    "end of a row ends it": f"<table><tr><td><svg></tr>{STYLE}",
    "end of a button ends it": f"<button><svg></button>{STYLE}",
    "end of an object ends it": f"<object><svg></object>{STYLE}",
    "unclosed style at the end of the page": f"<svg><style><![CDATA[>]]>x<p>{IMG}",
    # #has-an-element-in-table-scope: an integration point is no bound
    "end of a table inside desc": f"<table><tr><td><svg><desc></table>{RUN}",
    "start of a row inside desc": f"<table><tr><td><svg><desc><tr></desc>{STYLE}",
    "start of a caption inside mi": f"<table><caption><math><mi><caption></mi></math>{STYLE}",
    # #parsing-main-incolgroup, in a template
    "column group drops style": f"<template><col><style></template>{IMG}</style>",
    "column group drops textarea": f"<template><col><textarea></template>{IMG}</textarea>",
    "column group drops script": f"<template><col><script></template>{IMG}</script>",
    "column group drops svg": f"<template><col><svg></template>{STYLE}",
    "column group remembered behind an inner template": f"<template><col><template></template><xmp></template>{IMG}",
    # #parsing-main-inframeset
    "frameset drops style": "<frameset><style><frame src=https://tracker.example/x></style>",
    "frameset behind white space in a reference": "&#32;<frameset><xmp><frame src=https://tracker.example/x></xmp>",
    "frameset behind a hidden input": "<input type=hidden><frameset><xmp><frame src=https://tracker.example/x>",
    "no frameset behind text": f"x<frameset><style>a</style>{IMG}",
    # #adoption-agency-algorithm, #the-element-in-scope, form pointer
    "adoption leaves a block open": f"<svg><desc><i><div></i></desc>{RUN}",
    "a in a closes the outer one": f"<a><svg><desc><a><p></a></desc>{RUN}",
    "nobr in nobr": f"<svg><desc><nobr><div><nobr></desc>{RUN}",
    "formatting goes on in the next block": f"<svg><desc><p><b></p>x<![CDATA[ <!-- > {IMG} ]]>-->",
    "second form is ignored": f"<form><svg><desc><form><![CDATA[ > <!-- ]]>{IMG} -->",
    "form end with a block in it": f"<svg><desc><form><b></form></desc>{RUN}",
    # template, #parsing-main-intemplate
    "template end closes a drawing": f"<template><svg></template>{STYLE}",
    "template end closes an integration point": f"<template><svg><desc></template>{STYLE}",
    "base behind a template in a drawing": "<template><svg></template><base href=https://tracker.example/><img src=x>",
    "svg template is none": f"<svg><template></svg>{IMG}",
    # #mathml-text-integration-point, #html-integration-point
    "mglyph stays MathML": f"<math><mi><mglyph><![CDATA[ > <!-- ]]></mglyph></mi></math>{IMG} -->",
    "html below mi": f"<math><mi><b></mi>{STYLE}",
    "svg in annotation-xml": f"<math><annotation-xml><svg></annotation-xml></math>{STYLE}",
    # select, in the parsers of today and in those before
    "svg in select": f"<select><svg></select>{STYLE}",
    "style in select": f"<select><style></select>{IMG}</style>",
    "second select behind an input": f"<select><input><select><xmp></select>{IMG}</xmp>",
}


@pytest.mark.parametrize("page", VECTORS.values(), ids=VECTORS)
def test_nothing_of_the_tracker_survives(page: str) -> None:
    """What the parsers find in the page they do not find in it rewritten, however it was cut."""
    data = b"<!doctype html>" * ("&#32;" not in page) + page.encode()
    out = run(data)
    assert leaks(out, scripting=True) == []
    assert leaks(out, scripting=False) == []
    for cut in range(1, len(data)):
        assert run(data, [cut]) == out
    assert run(data, range(1, len(data))) == out


def test_a_base_behind_a_closed_template_counts() -> None:
    """A base element behind a template that a drawing did not keep open sends relative addresses to the tracker."""
    page = b"<template><svg></template><base href=https://tracker.example/><img src=x>"
    assert b"<img data-cmw-held=tracker data-cmw-src=x>" in run(page)


def test_the_vectors_fetch() -> None:
    """Unchanged, nearly all of them fetch or run: two do in older parsers, and one by a relative address."""
    quiet = {name for name, page in VECTORS.items() if not leaks(page.encode(), scripting=True)}
    assert quiet == {"style in select", "second select behind an input", "base behind a template in a drawing"}


ORDINARY = [
    "<svg><foreignObject><div>x</div></foreignObject></svg>" * 20,
    "<svg viewBox='0 0 1 1'><g><path d='M0 0'/><text>a<tspan>b</tspan></text></g></svg>" * 40,
    "<select><option>a<option selected>b</select>" * 20,
    "<select><button><selectedcontent></selectedcontent></button><option><b>a</b><svg><path/></svg></select>" * 20,
    "<template><tr><td>x</td></tr></template>" * 20,
    "<noscript><img src=/a.png></noscript><select><option>x</select>" * 20,
    "<math><mi>x</mi><annotation-xml encoding=text/html><p>x</p></annotation-xml></math>" * 20,
    "<div><svg><g><path></g></svg></div><p><svg><defs></svg>" * 20,
    "<table><tr><td><svg><title>x</title></svg></table>" * 20,
]


@pytest.mark.parametrize("page", ORDINARY)
def test_ordinary_pages_pass(page: str) -> None:
    """Pages as they are written are neither refused nor changed."""
    assert run(page.encode()) == page.encode()
    assert run(page.encode(), range(1, len(page))) == page.encode()


# -- the trees against the parsers


@st.composite
def marked_pages(draw: st.DrawFn) -> str:
    """Return a page whose start tags have numbers."""
    chosen = draw(st.randoms(use_true_random=False))
    names = chosen.sample(following.NAMES, draw(st.integers(3, 10)))
    parts, opened = [], ["p"]
    for number in range(draw(st.integers(2, 16))):
        name = chosen.choice(names)
        if chosen.random() < 0.6:
            extra = chosen.choice(["", "", " type=hidden", " color=red", " encoding=text/html"])
            parts.append(f"<{name} id={number}{extra}{'/' if chosen.random() < 0.05 else ''}>")
            opened.append(name)
        elif chosen.random() < 0.8:
            parts.append(f"</{chosen.choice(opened[-5:])}>")
        else:
            parts.append(chosen.choice(["x", " ", "<!--c-->", "&#32;", "</p>", "</br>"]))
    return "<!doctype html>" * chosen.choice([0, 1, 1]) + "".join(parts)


def namespaces(page: bytes, monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Return the namespace in which the tree opens each numbered tag."""
    found: dict[int, str] = {}

    def noting(tree: Tree, token: TagToken) -> bytes:
        opened = start_tag(tree, token)
        number = re.search(rb"id=(\d+)", token.raw)
        if number:
            found[int(number.group(1))] = opened.decode()
        return opened

    with monkeypatch.context() as patch:
        patch.setattr("consent_mw.html.scanner.follower.start_tag", noting)
        patch.setattr(KnownSteps, "state_of", lambda *_: None)  # known steps ask no tree
        Follower(new_tree(Dialect(True, False, None))).read(page, 0)
        Follower(new_tree(Dialect(True, False, True))).read(page, 0)
    return found


@settings(max_examples=600)
@given(marked_pages())
@example("<mi><svg><desc><svg></mi><mi id=0>")  # html5ever looks for the element behind the special desc
def test_every_tag_is_what_the_parsers_make_of_it(page: str) -> None:
    """
    The tree says in which namespace each numbered tag opens an element, as html5ever and lexbor do.

    What only one of them finds is left out: it is an error of the one or the other.
    """
    with pytest.MonkeyPatch.context() as patch:
        ours = namespaces(page.encode(), patch)
    found = [
        {
            int(element.attributes["id"]): element.namespace
            for element in PARSERS[name](page, True)
            if element.attributes.get("id", "").isdigit()
        }
        for name in ("html5ever", "lexbor")
    ]
    theirs = dict(found[0].items() & found[1].items())
    assert {number: ours.get(number) for number in theirs} == theirs


# -- known steps


@settings(max_examples=300)
@given(st.randoms(use_true_random=False), st.floats(0, 1))
def test_known_steps_lead_where_the_tree_goes(chosen: random.Random, cut: float) -> None:
    """The steps that were learnt, in C or in Python, change neither the trees, nor the work counted, nor the places."""
    page = following.repetitive_page(chosen)
    following.check(page, int(cut * len(page)))


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), st.floats(0, 1))
def test_the_scanner_in_c_follows_as_python_does(chosen: random.Random, cut: float) -> None:
    """From any known state, both reach the same place and state, and count the same work."""
    page = following.repetitive_page(chosen)
    part = page[: 1 + int(cut * len(page))]
    assert following.follow_from_all(part) >= 0


def test_a_page_that_repeats_itself_is_hardly_read_by_a_tree() -> None:
    """Of a long list, a tree processes only the first entries."""
    page = b"<!doctype html><ul>" + b"<li class=x><a href=/%d>A &amp; B</a> <input name=a><br/>\n" * 3_000
    page = page % tuple(range(3_000))
    with mock.patch.object(Follower, "_take", autospec=True, side_effect=Follower._take) as taken:
        Follower(new_tree(Dialect())).read(page, 0)
    assert 0 < taken.call_count < 60


# -- refusals

REFUSALS = Path(__file__).with_name("refusals.json")


def test_the_accepted_refusals_are_refused() -> None:
    """Each page of the list is still refused, and says why it may be."""
    listed = json.loads(REFUSALS.read_text(encoding="utf-8"))
    assert listed
    for case in listed:
        assert case["reason"]
        page = case["before"] + case["repeat"] * case["times"]
        with pytest.raises(RefusedMarkup):
            run(page.encode())


def test_deep_nesting_is_refused_however_it_is_cut() -> None:
    """A page whose end tags each look through a thousand elements is refused at the same tag at any chunking."""
    page = b"<svg><desc>" + b"<div>" * 3000 + b"</x>" * 3000
    chosen = random.Random(1)  # noqa: S311 -- cuts, no secret
    for cuts in ([], range(1, len(page), 97), sorted(chosen.sample(range(len(page)), 5))):
        with pytest.raises(RefusedMarkup):
            run(page, cuts)
