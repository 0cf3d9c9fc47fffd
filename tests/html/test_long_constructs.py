"""
Constructs that are longer than what may be kept back: held or refused, never leaked, and the same however they are cut.

The rewriter keeps at most ``hold_back`` + 1 bytes, of scripts sixteen times as much; here that is 200, so that every
boundary is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.errors import RefusedMarkup
from consent_mw.html.rewriter import PassedBytes
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.scanner.reading import Reading
from tests.html.parsers import leaks
from tests.html.rewriting import holder
from tests.html.rewriting import run
from tests.html.test_tree_construction import VECTORS

HOLD_BACK = 200
LONG = b"a" * 300
LONG_SCRIPT = b"a" * 3300
REFUSED = b"refused"


def feed(page: bytes, cuts: Iterable[int], *, xml: bool = False, remove: bool = False) -> tuple[bytes, int]:
    """Return the rewritten page, or REFUSED, and the most bytes that were kept back."""
    rewriter = Rewriter(holder(hold_back=HOLD_BACK, xml=xml, remove=remove))
    out = b""
    most = 0
    try:
        for start, end in pairwise([0, *cuts, len(page)]):
            out += rewriter.feed(page[start:end])
            most = max(most, len(rewriter._buffer))
        return out + rewriter.finish(), most
    except RefusedMarkup:
        return REFUSED, most


T = b"//tracker.example/"
AFTER = b"<img src=" + T + b"after>"
AFTER_HELD = b"<img data-cmw-held=tracker data-cmw-src=" + T + b"after>"

CASES: dict[str, tuple[bytes, bytes]] = {
    "address behind a long value": (
        b'<img class="' + LONG + b'" src="' + T + b'1">',
        b'<img class="' + LONG + b'" data-cmw-held=tracker data-cmw-src="' + T + b'1">',
    ),
    "address before a long value": (
        b'<img src="' + T + b'1" class="' + LONG + b'">',
        b'<img data-cmw-held=tracker data-cmw-src="' + T + b'1" class="' + LONG + b'">',
    ),
    "address at the end of what may be kept": (
        b'<img class="' + LONG[:180] + b'" src = ' + T + b"1>",
        b'<img class="' + LONG[:180] + b'" data-cmw-held=tracker data-cmw-src = ' + T + b"1>",
    ),
    "unquoted value with space behind it": (
        b"<img class=" + LONG[:175] + b" " * 30 + b"src=" + T + b"1>",
        b"<img class=" + LONG[:175] + b" " * 30 + b"data-cmw-held=tracker data-cmw-src=" + T + b"1>",
    ),
    "only white space": (b"<a " + b" " * 300 + b"href=x>", b"<a " + b" " * 300 + b"href=x>"),
    "white space before the equals sign": (b"<img src" + b" " * 300 + b"=" + T + b"1>", REFUSED),
    "white space behind the equals sign": (b"<img src=" + b" " * 300 + T + b"1>", REFUSED),
    "name of an element": (b"<a" + LONG + b">", REFUSED),
    "end tag": (b"</a " + LONG + b">", REFUSED),
    "name of an attribute": (b"<a " + LONG + b">", REFUSED),
    "names of many attributes": (b"<a" + b"".join(b" a%d=b" % number for number in range(300)) + b">", REFUSED),
    "script's tag": (
        b'<script class="' + LONG + b'">own()</script>',
        b'<script data-cmw-held=too-long type=text/plain class="' + LONG + b'">own()</script>',
    ),
    "script's tag with an address": (
        b'<script src=/x.js class="' + LONG + b'">trackNow(1)</script>',
        b'<script src=/x.js class="' + LONG + b'">trackNow(1)</script>',
    ),
    "data script's tag": (
        b'<script type=application/json class="' + LONG + b'">{}</script>',
        b'<script type=application/json class="' + LONG + b'">{}</script>',
    ),
    "script": (
        b"<script>" + LONG_SCRIPT + b";own()</script>",
        b"<script data-cmw-held=too-long type=text/plain>" + LONG_SCRIPT + b";own()</script>",
    ),
    "script longer than a tag may be": (
        b"<script>" + LONG + b";own()</script>",
        b"<script>" + LONG + b";own()</script>",
    ),
    "script with a tracker at its end": (
        b"<script>" + LONG + LONG + b";trackNow(1)</script>",
        b"<script data-cmw-held=tracker type=text/plain>" + LONG + LONG + b";trackNow(1)</script>",
    ),
    "data script": (
        b"<script type=application/json>" + LONG + b"</script>",
        b"<script type=application/json>" + LONG + b"</script>",
    ),
    "import map": (
        b'<script type=importmap>{"imports":{"' + LONG_SCRIPT + b'":"/x"}}</script>',
        b'<script data-cmw-held=too-long type=text/plain data-cmw-type=importmap>{"imports":{"'
        + LONG_SCRIPT
        + b'":"/x"}}</script>',
    ),
    "picture in its address": (
        b'<img src="data:image/png;base64,' + LONG + b'">',
        b'<img src="data:image/png;base64,' + LONG + b'">',
    ),
    "page in its address": (
        b'<iframe src="data:text/html,' + LONG + b'"></iframe>',
        b'<iframe data-cmw-held=too-long data-cmw-src="data:text/html,' + LONG + b'"></iframe>',
    ),
    "plain address": (b'<img src="/' + LONG + b'">', b'<img data-cmw-held=too-long data-cmw-src="/' + LONG + b'">'),
    "address on a known host": (
        b"<img src=" + T + LONG + b">",
        b"<img data-cmw-held=tracker data-cmw-src=" + T + LONG + b">",
    ),
    "address on another host": (b"<img src=//o.example/" + LONG + b">", b"<img src=//o.example/" + LONG + b">"),
    "pictures in a list": (
        b'<img srcset="/a 1x, ' + LONG + b'">',
        b'<img data-cmw-held=too-long data-cmw-srcset="/a 1x, ' + LONG + b'">',
    ),
    "style attribute": (
        b'<p style="' + LONG + b'">',
        b'<p data-cmw-held=too-long data-cmw-style="' + LONG + b'">',
    ),
    "handler": (b"<p onclick='" + LONG + b"'>", b"<p data-cmw-held=too-long data-cmw-onclick='" + LONG + b"'>"),
    "nested document": (
        b"<iframe srcdoc='" + LONG + b"'></iframe>",
        b"<iframe data-cmw-held=too-long data-cmw-srcdoc='" + LONG + b"'></iframe>",
    ),
    "second of two attributes": (
        b'<img src=/a class="' + LONG + b'" src="' + T + b'1">',
        b'<img src=/a class="' + LONG + b'" src="' + T + b'1">',
    ),
    "two held behind a long value": (
        b'<img class="' + LONG + b'" src=' + T + b"1 onerror=fetch(`" + T + b"2`)>",
        b'<img class="'
        + LONG
        + b'" data-cmw-held=tracker data-cmw-src='
        + T
        + b"1 data-cmw-held=tracker data-cmw-onerror=fetch(`"
        + T
        + b"2`)>",
    ),
    "marks of ours behind a long value": (
        b'<img class="' + LONG + b'" data-cmw-src=x>',
        b'<img class="' + LONG + b'" data-cmw-data-cmw-src=x>',
    ),
    "author's mark behind a long value": (b'<img class="' + LONG + b'" src=/a data-consent=tracker>', REFUSED),
    "author's mark before it": (
        b'<img data-consent=x src=/a class="' + LONG + b'">',
        b'<img data-cmw-held=x data-consent=x data-cmw-src=/a class="' + LONG + b'">',
    ),
    "link's address": (
        b'<link class="' + LONG + b'" rel=stylesheet href=' + T + b"1>",
        b'<link class="' + LONG + b'" rel=stylesheet data-cmw-held=tracker data-cmw-href=' + T + b"1>",
    ),
    "refresh": (
        b'<meta class="' + LONG + b'" http-equiv=refresh content="0;' + T + b'1">',
        b'<meta class="' + LONG + b'" http-equiv=refresh data-cmw-held=tracker data-cmw-content="0;' + T + b'1">',
    ),
    "element of a rule": (
        b'<amp-analytics class="' + LONG + b'" type=tracker>',
        b'<amp-analytics class="' + LONG + b'" data-cmw-held=tracker data-cmw-type=tracker>',
    ),
    "base": (b'<base class="' + LONG + b'" href=/>', REFUSED),
    "body": (b'<body class="' + LONG + b'">', REFUSED),
    "select": (b'<select class="' + LONG + b'">', REFUSED),
    "in select": (b'<select><option class="' + LONG + b'">', REFUSED),
    "style's tag": (
        b'<style class="' + LONG + b"\">@import '" + T + b"1';</style>",
        b'<style class="' + LONG + b"\">@import 'about:invalid#cmw=tracker#" + T + b"1';</style>",
    ),
    "textarea's tag": (
        b'<textarea class="' + LONG + b'"><img src=' + T + b"1></textarea>",
        b'<textarea class="' + LONG + b'"><img src=' + T + b"1></textarea>",
    ),
    "address in a style sheet": (
        b"<style>p{b:url(data:," + LONG + b")} i{b:url(" + T + b"1)}</style>",
        b"<style>p{b:url(data:," + LONG + b")} i{b:url(about:invalid#cmw=tracker#" + T + b"1)}</style>",
    ),
    "held address in a style sheet": (
        b"<style>p{b:url('" + T + LONG + b"')} i{b:url(" + T + b"1)}</style>",
        b"<style>p{b:url('about:invalid#cmw=tracker#"
        + T
        + LONG
        + b"')} i{b:url(about:invalid#cmw=tracker#"
        + T
        + b"1)}</style>",
    ),
    "string in a style sheet": (
        b"<style>p{content:'" + LONG + b"\\'url(x)'} i{b:url(" + T + b"1)}</style>",
        b"<style>p{content:'" + LONG + b"\\'url(x)'} i{b:url(about:invalid#cmw=tracker#" + T + b"1)}</style>",
    ),
    "broken address in a style sheet": (
        b"<style>p{b:url(x y" + LONG + b"')} i{b:url(" + T + b"1)}</style>",
        b"<style>p{b:url(x y" + LONG + b"')} i{b:url(about:invalid#cmw=tracker#" + T + b"1)}</style>",
    ),
    "token that does not end": (b"<style>p{b:url(" + LONG + b"</style>", b"<style>p{b:url(" + LONG + b"</style>"),
    "comment in a style sheet": (
        b"<style>/*" + LONG + b"*/ i{b:url(" + T + b"1)}</style>",
        b"<style>/*" + LONG + b"*/ i{b:url(about:invalid#cmw=tracker#" + T + b"1)}</style>",
    ),
    "comment": (b"<!--" + LONG + b"-->", b"<!--" + LONG + b"-->"),
    "bogus comment": (b"<?" + LONG + b">", b"<?" + LONG + b">"),
    "section": (b"<svg><![CDATA[" + LONG + b"]]></svg>", b"<svg><![CDATA[" + LONG + b"]]></svg>"),
    "title": (b"<title>" + LONG + b"</title>", b"<title>" + LONG + b"</title>"),
    "drawing's path": (b'<svg><path d="' + LONG + b'"/></svg>', b'<svg><path d="' + LONG + b'"/></svg>'),
    "drawing's picture": (
        b'<svg><image class="' + LONG + b'" href=' + T + b"1 /></svg>",
        b'<svg><image class="' + LONG + b'" data-cmw-held=tracker data-cmw-href=' + T + b"1 /></svg>",
    ),
    "drawing's use": (
        b'<svg><use class="' + LONG + b'" href=' + T + b"1 /></svg>",
        b'<svg><use class="' + LONG + b'" data-cmw-held=tracker data-cmw-href=' + T + b"1 /></svg>",
    ),
    "svg's tag": (
        b'<svg class="' + LONG + b'"><style><![CDATA[@import "' + T + b'1"]]></style></svg>',
        b'<svg class="' + LONG + b'"><style><![CDATA[@import "about:invalid#cmw=tracker#' + T + b'1"]]></style></svg>',
    ),
    "svg's tag that ends at once": (
        b'<svg class="' + LONG + b'" /><title><img src=' + T + b"1></title>",
        b'<svg class="' + LONG + b'" /><title><img src=' + T + b"1></title>",
    ),
    "integration point": (
        b'<svg><foreignObject class="' + LONG + b'"><xmp><img src=' + T + b"1></xmp></foreignObject></svg>",
        b'<svg><foreignObject class="' + LONG + b'"><xmp><img src=' + T + b"1></xmp></foreignObject></svg>",
    ),
    "element in an integration point": (
        b'<svg><foreignObject><i class="' + LONG + b'"></i><xmp><img src=' + T + b"1></xmp></foreignObject></svg>",
        b'<svg><foreignObject><i class="' + LONG + b'"></i><xmp><img src=' + T + b"1></xmp></foreignObject></svg>",
    ),
    "html that ends a drawing": (
        b'<svg><p class="' + LONG + b'"><xmp><img src=' + T + b"1></xmp></svg>",
        b'<svg><p class="' + LONG + b'"><xmp><img src=' + T + b"1></xmp></svg>",
    ),
    "drawing's script": (
        b"<svg><script>" + LONG + b"</script></svg>",
        b"<svg><script data-cmw-held=too-long type=text/plain>" + LONG + b"</script></svg>",
    ),
    "drawing's script's tag": (b'<svg><script class="' + LONG + b'">own()</script></svg>', REFUSED),
    "drawing's style": (b"<svg><style>" + LONG + b"</style></svg>", REFUSED),
    "in noscript": (
        b'<noscript><img class="' + LONG + b'" src=' + T + b"1></noscript>",
        b'<noscript><img class="' + LONG + b'" data-cmw-held=tracker data-cmw-src=' + T + b"1></noscript>",
    ),
    "noscript's tag": (b'<noscript class="' + LONG + b'"></noscript>', REFUSED),
}


@pytest.mark.parametrize(("page", "expected"), CASES.values(), ids=CASES)
def test_a_long_construct(page: bytes, expected: bytes) -> None:
    """Whole and byte by byte, it comes out as expected, what follows is read right, and little is kept back."""
    page, expected = page + AFTER, expected if expected is REFUSED else expected + AFTER_HELD
    for cuts in ((), range(1, len(page)), range(7, len(page), 7), range(150, len(page), 150)):
        out, most = feed(page, cuts)
        assert out == expected
        assert most <= (16 * HOLD_BACK if b"<script" in page else HOLD_BACK)


@pytest.mark.parametrize(
    "page",
    [
        b'<x><image class="' + LONG + b'" href="/a"/></x>',
        b"<x>" + LONG + b"<!--" + LONG + b"--></x>",
    ],
)
def test_a_long_construct_in_xhtml(page: bytes) -> None:
    """What is harmless passes in XHTML too."""
    for cuts in ((), range(1, len(page))):
        assert feed(page, cuts, xml=True)[0] == page


@pytest.mark.parametrize(
    "page",
    [
        b'<x><image class="' + LONG + b'" href="' + T + b'1"/></x>',
        b"<?" + LONG + b"?><x/>",
        b"<x><?" + LONG + b"?></x>",
        b'<x><script class="' + LONG + b'"/></x>',
        b"<x><style>" + LONG + b"</style></x>",
        b"<!DOCTYPE " + LONG + b"><x/>",
        b"<!-- " + LONG + b" --><x/>",
    ],
)
def test_a_long_construct_in_xhtml_that_cannot_be_held(page: bytes) -> None:
    """Where a mark cannot be put without breaking the page, it is refused."""
    for cuts in ((), range(1, len(page))):
        assert feed(page, cuts, xml=True)[0] == REFUSED


def test_a_long_script_is_left_out_where_held_ones_are() -> None:
    """In reload mode the rest of a script that is too long goes too."""
    page = b"<p>a<script>" + LONG_SCRIPT + b"</script>b"
    held = b"<p>a<script data-cmw-held=too-long type=text/plain>" + LONG_SCRIPT + b"</script>b"
    for cuts in ((), range(1, len(page)), [250]):
        assert feed(page, cuts, remove=True)[0] == held


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<style>p{b:url('", b"')} @import '" + T + b"1'</style>"),
        (b"<svg><style>p{b:url('", b"')} @import '" + T + b"1'</style></svg>"),
        (b"<svg><script>'", b"'; trackNow(1)</script></svg>"),
    ],
)
def test_what_is_long_but_may_be_kept_is_read_whole(before: bytes, after: bytes) -> None:
    """A token of many chunks is looked at again as it grows, and read as if it had come in one."""
    page = before + b"a" * 20_000 + after
    outs = {run(page, cuts) for cuts in ((), range(100, len(page), 100), [5000, 9000])}
    assert len(outs) == 1
    assert b"tracker" in re.sub(re.escape(T), b"", outs.pop())


PIECES = [
    *(b"<img |<p |<script |<style>|<svg>|</svg>|<iframe |>|/>|'|\"|=| |</script>|</style>|<!--|-->|/").split(b"|"),
    *(b"class=|src=|style=|onclick=|href=|trackNow(1)|url(|)|@import |data:image/png,").split(b"|"),
    T,
    b"a" * 30,
    b"b" * 90,
    b" " * 40,
]


@given(st.lists(st.sampled_from(PIECES), min_size=4, max_size=24).map(b"".join), st.data())
def test_no_boundary_leaks_or_depends_on_the_cuts(page: bytes, data: st.DataObject) -> None:
    """Pages full of constructs near the limit come out the same however they are cut, and nothing held survives."""
    whole, _ = feed(page, ())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(page)), max_size=4)))
    assert feed(page, cuts)[0] == whole
    out, most = feed(page, range(1, len(page)))
    assert out == whole
    assert most <= (16 * HOLD_BACK if b"<script" in page else HOLD_BACK)
    if whole is not REFUSED:
        assert list(leaks(whole, scripting=True)) == []


def test_memory_does_not_grow_with_the_page() -> None:
    """After each chunk at most hold_back bytes are kept, whatever the chunk's size."""
    rewriter = Rewriter(holder(hold_back=HOLD_BACK))
    for _ in range(50):
        rewriter.feed(b"<p class='" + b"a" * 70 + b"'>text " * 40)
        assert len(rewriter._buffer) <= HOLD_BACK
    assert rewriter.finish() == b""


def test_noscript_elements_that_are_complete_hold_nothing_back() -> None:
    """A chunk with several whole noscript elements is passed on as it is read, the last of them, too."""
    page = b"<p>a<noscript><b>one</b></noscript><p>b<noscript><b>two</b></noscript><noscript></noscript><p>c"
    rewriter = Rewriter(holder())
    assert rewriter.feed(page) == page
    assert rewriter.finish() == b""


@given(st.lists(st.tuples(st.integers(0, 9000), st.booleans()), max_size=12), st.data())
def test_the_passed_bytes_are_those_of_the_page(chunks: list[tuple[int, bool]], data: st.DataObject) -> None:
    """Any part of what has passed is returned as it was, in whatever chunks it came."""
    passed = PassedBytes()
    page = bytearray()
    for number, (size, viewed) in enumerate(chunks):
        chunk = bytes([number + 1]) * size
        passed.add(memoryview(chunk) if viewed else chunk)
        page += chunk
        start = data.draw(st.integers(0, len(page)))
        end = data.draw(st.integers(start, len(page)))
        assert passed.since(start, end) == page[start:end]


BEFORE = (
    b"<!doctype html><ul>"
    + b"<li class=x><a href=/1>A &amp; B</a> <b>b</b><script>'</ul><template><col>'</script>\n" * 12
)


@pytest.mark.parametrize("page", VECTORS.values(), ids=VECTORS)
def test_a_document_of_any_length_is_read_alike(page: str) -> None:
    """Trees that read ahead, so that little of a long document is kept, make the same of its end."""
    document = BEFORE + page.encode()
    whole, _ = feed(document, ())
    stored = []

    class Watched(PassedBytes):
        def trim(self, readings: list[Reading]) -> None:
            super().trim(readings)
            stored.append(sum(map(len, self._chunks)) + len(self._small))

    with (
        mock.patch.multiple("consent_mw.html.rewriter", MOST_HISTORY=64, _LATER_HISTORY=64, _SMALL=16),
        mock.patch("consent_mw.html.rewriter.PassedBytes", Watched),
        mock.patch("consent_mw.html.scanner.surroundings._SLICE", 40),
    ):
        assert feed(document, range(11, len(document), 11))[0] == whole
    assert max(stored) < 300
