"""
Where panels stand for embeds that scripts make, and which custom elements get another name meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.model import Service
from consent_mw.errors import RefusedMarkup
from consent_mw.html import scan
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.places import Places
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.scanner.own_elements import REACH
from tests.html.rewriting import PAGE


def service(name: str, *places: str, elements: tuple[str, ...] = (), inline: tuple[str, ...] = ()) -> Service:
    """Return a service whose scripts make embeds."""
    hosts = (f"{name}.test",)
    return Service(
        name, name, "V", ("embeds",), hosts=hosts, elements=elements, inline=inline, places=places, embed=True
    )


SERVICES = (
    service("films", elements=("lite-film",)),
    service("dates", ".dates-inline", "[data-dates]"),
    service("talk", "#talk_thread"),
    service("forms", "script: formy.create(", inline=("formy.create(",)),
    service("called", "script: called.make("),
    service("cards", "script[src*=cards.test/card]"),
)
MATCHER = Matcher(SERVICES)


def run(page: bytes, cuts: Iterable[int] = (), *, allowed: Iterable[str] = ()) -> bytes:
    """Return a page with held parts marked and ``[ids height]`` for each panel, fed in pieces that end at ``cuts``."""
    policy = HoldPolicy(MATCHER, frozenset(allowed), places=Places(SERVICES))
    rewriter = Rewriter(Holder(policy, PAGE, document=held_in), lambda place: b"", lambda place: b"")
    rewriter.panel = lambda place, ids, height: f"[{' '.join(ids)} {height}]".encode()
    rewriter.queue = lambda place, ids, code: b""
    out = b"".join(rewriter.feed(page[start:end]) for start, end in pairwise([0, *sorted(cuts), len(page)]))
    return out + rewriter.finish()


PANELS = {
    "before a script that calls what was held before": (
        b"<body><script src=//called.test/a.js></script><script>called.make({a:1})</script>",
        b"[called 0]<script>called.make",
    ),
    "in what a script fills": (b"<body><div class='a dates-inline' data-height=700></div>", b"[dates 700]</div>"),
    "by an attribute": (b"<body><p data-dates=x style='height: 90px'></p>", b"[dates 90]</p>"),
    "by an id": (b"<body><section id=talk_thread></section>", b"[talk 0]</section>"),
    "before a script that writes": (
        b"<body><p>x</p><script>formy.create({id: 1})</script>",
        b"<p>x</p>[forms 0]<script",
    ),
    "before a linked script": (b"<body><p>x</p><script src=//cards.test/card/1.js></script>", b"[cards 0]<script"),
}


@pytest.mark.parametrize(("page", "expected"), PANELS.values(), ids=PANELS)
def test_a_panel_stands_where_the_embed_would(page: bytes, expected: bytes) -> None:
    """It is inside the element that the script fills, or before the script, as high as the page says; cuts are one."""
    page += b"<script src=//forms.test/f.js></script>"
    whole = run(page)
    assert expected in whole
    assert {run(page, [cut]) for cut in range(1, len(page))} == {whole}


NO_PANEL = {
    "in the head": b"<head><script>formy.create({id: 1})</script></head><body>",
    "in a template": b"<body><template><div class=dates-inline></div></template>",
    "in noscript": b"<body><noscript><div class=dates-inline></div></noscript>",
    "in a comment": b"<body><!-- <div class=dates-inline></div> -->",
    "by a part of a class": b"<body><div class=dates-inline-not></div>",
}


@pytest.mark.parametrize("page", NO_PANEL.values(), ids=NO_PANEL)
def test_no_panel_where_none_can_stand(page: bytes) -> None:
    """A frame in the head would open the body, and what is not rendered needs none."""
    assert b"[" not in run(page)


def test_what_is_granted_has_no_panel() -> None:
    """Who allowed the service gets the application's bytes."""
    page = b"<body><div class=dates-inline></div><lite-film id=1></lite-film>"
    assert run(page, allowed=["dates", "films"]) == page


RENAMED = {
    "alone": b"<body><lite-film videoid=1></lite-film>",
    "with content": b"<body><lite-film videoid=1><a href=/1>A <b>film</b></a> 1 < 2</lite-film><p>x",
    "two in a row": b"<body><lite-film></lite-film><lite-film></lite-film>",
    "in capitals": b"<body><LITE-film></LITE-FILM>",
}
KEPT = {
    "without an end": b"<body><lite-film><p>x",
    "in one another": b"<body><lite-film><lite-film></lite-film></lite-film>",
    "with a comment": b"<body><lite-film><!-- x --></lite-film>",
    "with raw text": b"<body><lite-film><style></lite-film></style></lite-film>",
    "with its end far away": b"<body><lite-film>" + b"a" * REACH + b"</lite-film>",
}


@pytest.mark.parametrize("page", RENAMED.values(), ids=RENAMED)
def test_a_custom_element_gets_another_name_at_both_ends(page: bytes) -> None:
    """Neither of its names is left, whatever the cut, and what it contains stays."""
    whole = run(page)
    assert (
        whole.lower().count(b"<cmw-lite-film") == whole.lower().count(b"</cmw-lite-film>") == page.lower().count(b"</l")
    )
    assert b"<lite-film" not in whole.lower()
    assert {run(page, [cut]) for cut in range(1, len(page))} == {whole}
    assert run(page, range(1, len(page))) == whole


@pytest.mark.parametrize("page", KEPT.values(), ids=KEPT)
def test_an_element_whose_end_is_not_sure_keeps_its_name(page: bytes) -> None:
    """A page must go on meaning the same: where the end tag cannot be told, no tag is renamed, or a whole pair is."""
    for cuts in ((), range(1, min(len(page), 200)), range(50, len(page), 50)):
        out = run(page, cuts)
        assert out == run(page)
        assert out.count(b"<cmw-lite-film") == out.count(b"</cmw-lite-film>")


PIECES = [b"<lite-film>", b"</lite-film>", b"<LITE-FILM a='>'>", b"</lite-film ", b"<p>", b"</p>", b"text", b"<", b"</"]
PIECES += [
    b"<!--",
    b"-->",
    b"<script>",
    b"</script>",
    b"<svg>",
    b"</svg>",
    b"<lite-",
    b"<template>",
    b"</template>",
    b"/>",
]


@example(b"<svg><</lite-film>")
@given(st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join))
def test_no_cut_changes_what_is_renamed(page: bytes) -> None:
    """However the bytes arrive, the same tags get another name, and they come in pairs."""
    page = b"<body>" + page
    try:
        whole = run(page)
    except RefusedMarkup:
        with pytest.raises(RefusedMarkup):
            run(page, range(1, len(page)))
        return
    assert run(page, range(1, len(page))) == whole
    assert all(run(page, [cut]) == whole for cut in range(1, len(page), 7))
    assert whole.lower().count(b"<cmw-lite-film") == whole.lower().count(b"</cmw-lite-film")


def test_what_a_site_learns_compiles_no_patterns_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the scanner in C, one set of patterns serves a site whichever of its services have embeds."""
    monkeypatch.setattr(scan, "Scanner", None)
    matcher = Matcher([*SERVICES, service("later", ".later-inline")])
    matcher.prepare_places()
    asked = [Places(SERVICES[1:2]), Places(SERVICES[2:4]), Places(matcher.services.values())]
    compiled = {id(HoldPolicy(matcher, frozenset(), places=places).syntax) for places in asked}
    assert len(compiled) == 1


def test_what_compiles_beforehand_costs_nothing_where_nothing_is_compiled() -> None:
    """With the scanner in C each policy stops at its own embeds alone, and at none where none are asked about."""
    if scan.Scanner is None:
        return
    matcher = Matcher([*SERVICES, service("later", ".later-inline")])
    tag = b"<p class=later-inline>"
    assert HoldPolicy(matcher, frozenset(), places=Places(SERVICES)).syntax.skip(tag, 0) == len(tag)
    assert HoldPolicy(matcher, frozenset(), places=Places(matcher.services.values())).syntax.skip(tag, 0) == 0
