"""
What holds for every page: nothing is altered, chunks do not matter, nothing held survives, the tree stays.

Pages are put together at random from pieces that lead tokenizers astray;
parsers that share no code with the rewriter say what a browser would make of
the result.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from unittest import mock
from xml.etree import ElementTree  # noqa: S405 -- builds trees here, parses nothing

import html5lib
import pytest
from hypothesis import assume
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.errors import RefusedMarkup
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.scanner.reading import Reading
from consent_mw.html.tokens import BEFORE_BODY
from consent_mw.html.tokens import NO_TAGS
from tests.html.parsers import leaks
from tests.html.rewriting import holder
from tests.html.rewriting import run
from tests.html.rewriting import without_insertions

T = b"//tracker.example/"
PIECES = [
    piece.replace(b"T", T) if b"trackNow" not in piece else piece
    for pieces in (
        b'<img src=T1.gif>|<img src="https:T2.gif">|<img src=|/keep.gif|https:T',
        b"<|>|</|<!--|-->|--!>|<!|<?x|<![CDATA[|]]>|\"|'|=|/| |\n|x|\x00|&#58;|",
        b'<script>|<script/>|<script src="T3.js">|</script>| trackNow(1) |<script type=module>',
        b'<style>|<style/>|</style>|@import "T4.css";|url(T5.gif)|/*|*/|\\',
        b"<svg>|</svg>|<svg/>|<svg><style>|<math>|</math>|<foreignObject>|</foreignObject>|<desc>|</desc>|<path d=x>",
        b'<mi>|</mi>|<annotation-xml encoding="text/html">|</annotation-xml>|<mglyph>',
        b"<title>|</title>|<textarea>|</textarea>|<xmp>|</xmp>|<noframes>|</noframes>|<noscript>|</noscript>|<plaintext>",
        b"<template>|</template>|<select>|</select>|<option>|<table>|<td>|<body>|</body>|<head>|</head>|<h1>",
        b"<iframe src=T6>|</iframe>|<frameset>|<frame src=T7>|<object data=T8>|<link rel=stylesheet href=T9.css>",
        b'<link rel=canonical href=Tno>|<a href=x>|</a>|<image href="T10.gif" />|<input type=image src=T11.gif>',
        b"<input src=Tno>",
        b'<div style="background:url(T12.gif)">|</div>|<div title="|<p>|</p>|<br/>|<b>|<font color=x>',
        b'<p onclick="fetch(`//tracker.example/1`)">|<video poster=T13.gif>|<base href="/d/">',
    )
    for piece in pieces.split(b"|")
    if piece
] + [b"\xc3\xa9"]
pages = st.lists(st.sampled_from(PIECES), min_size=1, max_size=16).map(b"".join)


def tree(page: bytes, *, scripting: bool) -> ElementTree.Element:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return html5lib.parse(page.decode("latin-1"), treebuilder="etree", scripting=scripting)


MARKS = re.compile(r" data-cmw-held=[a-z,-]+(?: type=text/plain)?(?: (?=/))?|data-cmw-|about:invalid#cmw=[a-z,-]+#")


def released(element: ElementTree.Element) -> tuple[object, ...]:
    """Return the tree below ``element`` with the holds undone."""
    values = {str(key): value for key, value in element.attrib.items()}
    if values.pop("data-cmw-held", None) is not None and element.tag.endswith("script"):
        del values["type"]
    if values.get("src", "").startswith("/_cmw/placeholder/"):
        del values["src"]
    values = {MARKS.sub("", key): MARKS.sub("", value) for key, value in values.items()}
    tag = str(element.tag)  # of a comment, the function that made it
    texts = [MARKS.sub("", text or "") for text in (element.text, element.tail)]
    return (tag, sorted(values.items()), texts, [released(child) for child in element])


def outcome(page: bytes, cuts: Iterable[int], *, remove: bool) -> bytes | None:
    """Return what comes out; None if the page is refused."""
    try:
        return run(page, cuts, held_by=holder(remove=remove))
    except RefusedMarkup:
        return None


@pytest.mark.parametrize("remove", [False, True], ids=["held", "left-out"])
@given(pages, st.data())
def test_any_chunking_gives_the_same_bytes(remove: bool, page: bytes, data: st.DataObject) -> None:
    """Whole, byte by byte and cut anywhere, a page comes out the same, or is refused."""
    whole = outcome(page, (), remove=remove)
    cuts = data.draw(st.lists(st.integers(0, len(page)), max_size=6))
    assert outcome(page, cuts, remove=remove) == whole
    assert outcome(page, range(1, len(page)), remove=remove) == whole


def test_readings_that_meet_behind_a_tag_leave_nothing_out_of_it() -> None:
    """Where browsers may end a CDATA section at two places, an image is held, however the page is cut."""
    page = b"<svg><![CDATA[ <img src=//tracker.example/1> ]]]]><img src=//tracker.example/2></svg>"
    held = page.replace(b"<img src=//tracker.example/2", b"<img data-cmw-held=tracker ")
    assert {outcome(page, cuts, remove=True) for cuts in ((), range(1, len(page)), [60], [70])} == {held}


@given(pages)
def test_the_output_without_the_insertions_is_the_input(page: bytes) -> None:
    """Every edit inserts and none deletes or alters."""
    try:
        _, kept = without_insertions(page)
    except RefusedMarkup:
        assume(False)
    assert kept == page


@settings(max_examples=300)
@given(pages)
@example(b"<<img src=//tracker.example/1.gif>")
@example(b"</><img src=//tracker.example/1.gif>")
@example(b"<svg></p><script><iframe src=//tracker.example/1>")
@example(b"<noscript><p title='</noscript><img src=//tracker.example/1.gif>'>")
@pytest.mark.parametrize("scripting", [True, False], ids=["scripts-on", "scripts-off"])
def test_nothing_held_survives(scripting: bool, page: bytes) -> None:
    """An independent parser finds nothing that would fetch from the tracker or run its code."""
    try:
        out = run(page)
    except RefusedMarkup:
        return
    assert leaks(out, scripting=scripting) == []


@given(pages)
@pytest.mark.parametrize("scripting", [True, False], ids=["scripts-on", "scripts-off"])
def test_the_tree_is_the_same_apart_from_the_holds(scripting: bool, page: bytes) -> None:
    """With the holds undone, an independent parser builds the same tree as from the app's own page."""
    try:
        out = run(page)
    except RefusedMarkup:
        return
    # NUL is dropped or replaced by where it stands; a hold in front of it does not change that, so compare as parsed.
    assert released(tree(out, scripting=scripting)) == released(tree(page, scripting=scripting))


@given(pages)
def test_with_everything_granted_not_a_byte_changes(page: bytes) -> None:
    """A visitor who granted all gets the app's own bytes."""
    try:
        assert run(page, held_by=holder(allowed=["tracker", "films", "unknown"])) == page
    except RefusedMarkup:
        assume(False)


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=4))
def test_any_bytes_pass(page: bytes, cuts: list[int]) -> None:
    """No bytes make the rewriter raise anything but its own refusal."""
    try:
        assert run(page, [cut for cut in cuts if cut <= len(page)]) == run(page)
    except RefusedMarkup:
        return


def test_the_leak_check_can_fail() -> None:
    """The oracle does find the tracker in a page that was not rewritten."""
    page = (
        b"<img src=//tracker.example/1.gif><style>@import '//tracker.example/2.css'</style><script>trackNow()</script>"
    )
    assert leaks(page, scripting=True) == ["img src", "style text", "script text"]


def test_a_rewriter_is_dead_after_the_end() -> None:
    """Using a rewriter again raises: its state belongs to one page."""
    from consent_mw.errors import DeadRewriter

    rewriter = Rewriter(holder())
    rewriter.finish()
    with pytest.raises(DeadRewriter):
        rewriter.feed(b"x")


#: Tags whose fast path depends on their attributes.
ATTRIBUTES = [
    *(b" data-bg=", b" data-src=", b" srcset=", b" style=", b" onclick=", b" onerror=", b" class=", b" src="),
    *(b" fill=", b" background=", b" data-lazy-srcset=", b" ping=", b" data-cmw-src=", b" data-consent="),
]
VALUES = [
    *(b"'/a.png'", b"'//tracker.example/1'", b"http:tracker.example", b"'\\\\tracker.example'"),
    *(b"'/\t/tracker.example'", b'"url(//tracker.example/1)"', b'"url(\\2f/tracker.example)"', b"'lazyload'"),
    *(b'"fetch(`http:tracker.example`)"', b'"&#47;/tracker.example"', b"'/own/track.php?1'", b"'color:red'"),
    *(b"necessary", b'"a 1x,//tracker.example 2x"'),
]
TAGS = [b"<div", b"<img", b"<a", b"<td", b"<source", b"<input type=image", b"<svg", b"<path", b"<use", b"<track-widget"]
tags = st.builds(
    lambda tag, pairs: tag + b"".join(pairs) + b">",
    st.sampled_from(TAGS),
    st.lists(st.builds(bytes.__add__, st.sampled_from(ATTRIBUTES), st.sampled_from(VALUES)), max_size=4),
)
mixed = st.lists(tags | st.sampled_from(PIECES), min_size=1, max_size=10).map(b"".join)


def stopping_at_every_tag(reading: Reading, position: int, *, waiting: bool) -> int:
    """Pass over what is no tag only."""
    return (BEFORE_BODY if waiting else NO_TAGS).match(reading.cursor.buffer, position).end()  # type: ignore[union-attr]


@settings(max_examples=150)
@given(mixed)
@example(b"<div data-bg=http:tracker.example>")
@example(b"<div class=lazyload data-src='/\t/tracker.example/x'>")
def test_the_fast_path_gives_what_judging_every_tag_gives(page: bytes) -> None:
    """What the scanner passes over without a look is what would have stayed as it is."""
    fast = outcome(page, (), remove=False)
    with mock.patch.object(Reading, "_pass", stopping_at_every_tag):
        assert outcome(page, (), remove=False) == fast
