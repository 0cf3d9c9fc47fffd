"""
The cost of hostile input: time for sizes n, 2n and 4n of each shape, and peak memory. Long because all shapes are in
one table.

``python -m benchmarks.hostile`` prints the table. ``tests/attacks/test_costs.py`` tests the same shapes, with more
tolerance for busy machines.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

from benchmarks import report
from consent_mw.cookies.choice import CookieJar
from consent_mw.core.globs import fits
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.errors import RefusedMarkup
from consent_mw.html import csp
from consent_mw.html import css
from consent_mw.html.charset import PageStream
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.places import Places
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.service_index import ServiceIndex
from consent_mw.html.service_index import pack_services
from consent_mw.html.suspects import Delivery
from consent_mw.html.tag_ids import TagIds
from consent_mw.html.urls import Url
from consent_mw.html.watched import HoldWatch
from consent_mw.html.watched import WatchedRewriter
from consent_mw.http.content_coding import BUILT_IN
from consent_mw.http.headers import judge
from consent_mw.http.held_fields import without_held
from consent_mw.http.hosts import domains_of
from consent_mw.http.page import begins_page
from consent_mw.http.pieces import Includes
from consent_mw.http.request import RequestHead
from consent_mw.notice.wording import choose_language
from consent_mw.web.csp_reports import blocked_hosts
from consent_mw.web.form import FORM_LIMIT
from consent_mw.web.form import read_form

_SERVICE = Service(
    "t", "T", "T", ("analytics",), hosts=("tracker.example",), inline=("trackNow(",), cookies=("_t*_*x",)
)
_JAR = CookieJar(Site(), ("a key for measuring that is long enough",))
_T = b"//tracker.example/"
#: Services with rules of all kinds, some of which almost match each other, as in a catalogue.
_INDEX = ServiceIndex(
    memoryview(
        pack_services(
            Service(
                *(f"s{i}", "S", "S", ("analytics",)),
                hosts=(f"h{i}.example", f"h{i}.example/a/{i}", f"{i}.wild.*"),
                inline=(f"track{i}(", f"window.tr{i}x = "),
                cookies=(f"_t{i}*", f"_c{i}"),
                paths=(f"/gtm{i}.js", f"/metrics/{i}/", "?id=G-"),
                places=(f"div.embed{i}", f"script: embed{i}("),
            )
            for i in range(10)
        )
    )
)
_TAG_IDS = TagIds((("id=G-", "a"), ("id=GTM-", "b"), ("id=UA-", "c")))


class Shape(NamedTuple):
    """Input that grows with n: some bytes, and a function that processes them."""

    make: Callable[[int], bytes]
    run: Callable[[bytes], object]


class Cost(NamedTuple):
    """The cost of a shape at n, 2n and 4n."""

    #: Bytes at 4n, processor times in seconds for n, 2n and 4n, and the peak memory at 4n in bytes.
    size: int
    seconds: list[float]
    peak: int
    #: Whether 4n was refused.
    refused: bool


def _holder() -> Holder:
    return Holder(HoldPolicy(Matcher((_SERVICE,)), frozenset()), Url("https", "shop.example", "/"), document=held_in)


def _page(data: bytes) -> object:
    rewriter = Rewriter(_holder())
    return rewriter.feed(data) + rewriter.finish()


def _strange(data: bytes) -> object:
    """Read a page with the default setting, which judges unknown third parties."""
    policy = HoldPolicy(Matcher((_SERVICE,)), frozenset(), unknown="suspects", delivery=Delivery())
    rewriter = Rewriter(Holder(policy, Url("https", "shop.example", "/"), document=held_in))
    return rewriter.feed(data) + rewriter.finish()


def _in_pieces(data: bytes) -> object:
    rewriter = Rewriter(_holder())
    out = [rewriter.feed(data[at : at + 64]) for at in range(0, len(data), 64)]
    return b"".join(out) + rewriter.finish()


def _watched(data: bytes) -> object:
    """Read a page whose holds are reported with their places."""
    rewriter = WatchedRewriter(_holder())
    rewriter.watch = HoldWatch()
    return rewriter.feed(data) + rewriter.finish()


def _charset(label: str, *, sniff: bool = False) -> Callable[[bytes], object]:
    """Return a function that reads a page in a charset, by the header; empty for none."""

    def rewriter(codec: str) -> Rewriter:
        page = Url("https", "shop.example", "/")
        policy = HoldPolicy(Matcher((_SERVICE,)), frozenset())
        return Rewriter(Holder(policy, page, charset=codec, document=held_in))

    def run(data: bytes) -> object:
        stream = PageStream(label, rewriter, sniff=sniff, document=True)
        return stream.feed(data) + stream.finish()

    return run


def _known(data: bytes) -> object:
    """Read a page with rules from an index, and with panels in place of embeds."""
    services = tuple(_INDEX[id_] for id_ in ("s1", "s2"))
    policy = HoldPolicy(Matcher((), _INDEX), frozenset(), places=Places(services))
    rewriter = Rewriter(Holder(policy, Url("https", "shop.example", "/"), document=held_in))
    rewriter.panel = lambda here, ids, height: b"<div></div>"
    return rewriter.feed(data) + rewriter.finish()


def _at(data: bytes) -> object:
    """Begin a page at a path that a visitor asks for."""
    return Holder(
        HoldPolicy(Matcher((), _INDEX), frozenset()), Url("https", "a.example", data.decode()), document=held_in
    )


def _heads(name: str) -> Callable[[bytes], object]:
    """Return a function that reads lines, each of which is the value of a header of that name."""

    def run(data: bytes) -> object:
        headers = [(name, value) for value in data.decode("latin-1").split("\n")]
        judge(200, headers, BUILT_IN, document=True)
        return without_held(headers, lambda url: "tracker" in url, lambda url: "tracker" in url, lambda cookie: False)

    return run


def _head(name: str) -> Callable[[bytes], object]:
    def run(data: bytes) -> object:
        headers = [("Content-Type", "text/html"), (name, data.decode("latin-1"))]
        judge(200, headers, BUILT_IN)
        return without_held(headers, lambda url: "tracker" in url, lambda url: False, lambda cookie: False)

    return run


def _cookie(data: bytes) -> object:
    return _JAR.read(RequestHead("GET", "https", "shop.example", "/", "", (("cookie", data.decode("latin-1")),)))


def _includes(data: bytes) -> object:
    includes = Includes("/")
    return [path for at in range(0, len(data), 8192) for path in includes.read(data[at : at + 8192])]


def _repeated(before: bytes, again: bytes, after: bytes = b"") -> Callable[[int], bytes]:
    return lambda n: before + again * n + after


def _numbered(before: bytes, again: bytes, after: bytes = b"") -> Callable[[int], bytes]:
    return lambda n: before + b"".join(again.replace(b"#", b"%d" % i) for i in range(n)) + after


def _all(kind: str, run: Callable[[bytes], object], **made: Callable[[int], bytes]) -> dict[str, Shape]:
    return {f"{kind}: {name.replace('_', ' ')}": Shape(make, run) for name, make in made.items()}


SHAPES: dict[str, Shape] = {
    **_all(
        "page",
        _page,
        tags_without_an_end=_repeated(b"", b"<p "),
        open_quotes=_repeated(b"", b"<a b='"),
        open_comments=_repeated(b"", b"<!--"),
        dashes=_repeated(b"<!--", b"-"),
        half_ends_of_comments=_repeated(b"<!--", b"--!"),
        attributes=_numbered(b"<img ", b" a#=b", b">"),
        equal_signs=_repeated(b"<img ", b"=", b">"),
        slashes=_repeated(b"<img", b"/", b">"),
        held_pictures=_numbered(b"", b"<img src=" + _T + b"#>"),
        srcset=_repeated(b"<img srcset='", b"a 1x,", b"'>"),
        srcset_brackets=_repeated(b"<img srcset='a ", b"(", b"'>"),
        references=_repeated(b"<img src='", b"&#58;", b"'>"),
        a_reference_without_an_end=_repeated(b"<svg><style>&", b"a", b"</style></svg>"),
        styles_in_svg_that_a_drawing_ends=_repeated(b"", b"<svg><style><p>" + b"<br>" * 60),
        scripts_in_svg_that_a_drawing_ends=_repeated(b"", b"<svg><script><p>" + b"<br>" * 60),
        labels_of_a_host=_repeated(b"<img src=//", b"a.", b"b/>"),
        letters_of_a_host=_repeated(b"<img src=//", "ü".encode(), b"/>"),
        percent_in_a_host=_repeated(b"<img src=//", b"%61", b"/>"),
        dots_in_a_path=_repeated(b"<img src=/", b"a/../", b">"),
        cdata=_repeated(b"<svg>", b"<![CDATA[>]]>"),
        cdata_and_groups=_repeated(b"<svg>", b"<g><![CDATA[>]]>"),
        cdata_in_points=_repeated(b"<svg><desc>", b"<svg><![CDATA[>]]></svg>"),
        open_cdata=_repeated(b"<svg>", b"<![CDATA["),
        open_styles_in_svg=_repeated(b"<svg>", b"<style>"),
        styles_in_svg=_repeated(b"<svg>", b"<style><!-- </style> --></style>"),
        scripts_in_svg=_repeated(b"<svg>", b"<script>a</script>"),
        drawings=_repeated(b"", b"<svg><desc>"),
        groups=_repeated(b"<svg>", b"<g>", b"</x>"),
        closed_from_without=_repeated(b"", b"<div><svg></div>"),
        blocks_in_a_point=_repeated(b"<svg><desc>", b"<p>"),
        ends_of_nothing=_repeated(b"<svg><desc>" + b"<i>" * 50, b"</x>"),
        formatting=_numbered(b"<svg><desc>", b"<b id=#>"),
        long_formatting=_numbered(b"<svg><desc>", b"<b id=" + b"a" * 200 + b"#>"),
        adoption=lambda n: b"<svg><desc>" + b"<b>" * n + b"<a>" + b"<span>" * n + b"<div></a>",
        links_in_links=_repeated(b"<svg><desc>", b"<a><p>"),
        selects=_repeated(b"", b"<select><svg></select>"),
        select_in_select=_repeated(b"", b"<select>"),
        tables=_repeated(b"<svg><desc>", b"<table><tr><td>"),
        templates=_repeated(b"", b"<template><col><xmp>"),
        framesets=_repeated(b"", b"<frameset>"),
        noscripts=_repeated(b"", b"<noscript><p a='</noscript>"),
        open_scripts=_repeated(b"", b"<script><!--<script>"),
        ends_of_scripts=_repeated(b"<script>", b"</script"),
        documents_in_documents=_repeated(b"<iframe srcdoc='", b"<p>", b"'>"),
        data_addresses=_repeated(b"<iframe src='data:text/html,", b"%3Cp>", b"'>"),
        events=_repeated(b"<p onclick='", b"a(", b"'>"),
        one_long_script=_repeated(b"<script>", b"var a='b';", b"</script>"),
        text_and_brackets=_repeated(b"", b"< "),
    ),
    **_all(
        "stranger",
        _strange,
        names_of_libraries=_repeated(b"<script async src=//a.example/", b"core", b"></script>"),
        names_of_libraries_in_a_file=_repeated(b"<script async src=//a.example/", b"core", b".js></script>"),
        letters_and_digits=_repeated(b"<script async src=//a.example/", b"a1", b"></script>"),
        folders=_repeated(b"<script async src=//a.example/", b"track/", b"></script>"),
        dots=_repeated(b"<img src=//a.example/", b"pixel.", b">"),
        keys_of_a_query=_numbered(b"<img src=//a.example/p?", b"id#=1&", b">"),
        hosts=_numbered(b"", b"<script async src=//a#.example/p.js></script>"),
        snippets=_numbered(b"", b"<script>a=document.createElement('script');a.src='//a#.example/p.js'</script>"),
    ),
    **_all(
        "pieces",
        _in_pieces,
        a_long_tag=_repeated(b"<p class='", b"a", b"'>"),
        a_long_script=_repeated(b"<script>", b"a", b"</script>"),
        a_long_style=_repeated(b"<style>'", b"a", b"'</style>"),
        a_style_in_svg=_repeated(b"<svg><style>", b"a", b"</style>"),
        a_reference=_repeated(b"<svg><desc>&#", b"0", b"32;"),
        cdata_sections=_repeated(b"<svg>", b"<![CDATA[>]]>"),
    ),
    **_all(
        "css",
        css.urls,
        open_functions=_repeated(b"", b"url("),
        other_functions=_repeated(b"", b'xurl(a"'),
        functions_in_functions=_repeated(b"", b"x-url(a "),
        open_strings=_repeated(b"", b"'\n"),
        open_comments=_repeated(b"", b"/*"),
        escapes=_repeated(b"", b"\\75"),
        backslashes=_repeated(b"'", b"\\"),
        backslashes_before_a_function=_repeated(b"", b"\\", b"url(a'b)"),
    ),
    **_all(
        "cookie",
        _cookie,
        pairs=_numbered(b"", b"a#=b; "),
        same_name=_repeated(b"", b"__Host-cmw=1.a.b; "),
        one_value=_repeated(b"__Host-cmw=", b"1."),
    ),
    **_all(
        "header",
        _head("Link"),
        link=_repeated(b"", b"<"),
        links=_repeated(b"", b"</a>;rel=x,"),
        open_quotes=_repeated(b"", b'<a>;x="'),
        backslashes=_repeated(b'<a>;x="', b"\\"),
        parameters=_repeated(b"<a>", b";a "),
    ),
    **_all(
        "header",
        _head("Content-Security-Policy"),
        policy=_repeated(b"", b"a b;"),
        report_addresses=_repeated(b"report-uri ", b"//a "),
    ),
    **_all(
        "header",
        _head("Reporting-Endpoints"),
        endpoints=_numbered(b"", b'a#="/x",'),
        a_long_name=_repeated(b"", b"a"),
        spaces=_repeated(b"", b" "),
    ),
    **_all("header", _head("Report-To"), groups=_repeated(b"", b"[")),
    **_all("header", _head("Alt-Svc"), escaped_quotes=_repeated(b'"', b'\\"')),
    **_all("header", _head("Content-Type"), type=_repeated(b"text/html;", b'a="'), types=_repeated(b"", b"a/b,")),
    **_all("globs", lambda data: fits(data.decode(), "a" * len(data)), stars=_repeated(b"", b"*a", b"b")),
    **_all(
        "report",
        blocked_hosts,
        brackets=_repeated(b"", b"["),
        host=_repeated(b'{"csp-report":{"blocked-uri":"//', "ü".encode(), b'"}}'),
    ),
    **_all(
        "language",
        lambda data: choose_language(Site(), data.decode()),
        list=_repeated(b"", b"a-b;q=0.1,"),
        dashes=_repeated(b"", b"-"),
    ),
    **_all("host", lambda data: domains_of(data.decode()), labels=_repeated(b"a", b".a"), dots=_repeated(b"", b".")),
    **_all(
        "policy",
        lambda data: csp.policies_in(data.decode()),
        commas=_repeated(b"", b","),
        names=_numbered(b"", b"a# b;"),
    ),
    **_all(
        "beginning",
        begins_page,
        empty_comments=_repeated(b"", b"<!---->"),
        open_comments=_repeated(b"", b"<!--"),
        white_space=_repeated(b"", b" "),
    ),
    **_all(
        "iso-2022-jp",
        _charset("iso-2022-jp"),
        held_in_one_run=_repeated(b"", b"<img src=" + _T + b">" + b"a" * 400),
        held_between_sets=_numbered(b"", b"\x1b$B!!\x1b(B<img src=" + _T + b"#>"),
        escapes=_repeated(b"", b"\x1b$B\x1b(B"),
        pairs=_repeated(b"\x1b$B", b"!!"),
    ),
    **_all(
        "euc-jp",
        _charset("euc-jp"),
        pairs=_repeated(b"<img src='//", b"\xa1\xa1", b"'>"),
        lone_bytes=_repeated(b"<img src='//a/&", b"\x80", b"'>"),
    ),
    **_all(
        "undeclared",
        _charset(""),
        references=_repeated(b"<img src='\xe9/", b"&", b"'>"),
        schemes=_repeated(b"<style>@import '\xe9/", b"a:", b"';</style>"),
        escapes=_repeated(b"<meta charset=iso-2022-jp>", b"\x1b(B\x1b$B"),
        data_sheets=_numbered(b"<style>", b"@import 'data:,@import%20%22//%E9#%22';", b"</style>"),
    ),
    **_all(
        "sniffed",
        _charset("", sniff=True),
        white_space=_repeated(b"", b" "),
        instructions=_repeated(b"", b"<?a"),
    ),
    **_all(
        "data",
        _page,
        sheet_in_utf16=_repeated(b"<link rel=stylesheet href='data:text/css;charset=utf-16le,", b"a%00", b"'>"),
        sheet_in_any_charset=_repeated(b"<link rel=stylesheet href='data:,", b"url(//%81%5c%1b(B%00)", b"'>"),
        script_in_any_charset=_repeated(b"<script src='data:,", b"a%00%1b(B", b"'></script>"),
        sheets_in_a_sheet=_numbered(b"<link rel=stylesheet href='data:,", b"url(data:,url(//%E9#));", b"'>"),
        long_numbers=_repeated(b"<img src='&#x", b"0", b"3a;'>"),
    ),
    **_all(
        "lazy",
        _page,
        backgrounds=_numbered(b"", b"<div class=lazy data-bg='" + _T + b"#'></div>"),
        one_background=_repeated(b"<div class=lazy data-bg='", b"url(//a ", b"'>"),
        styles=_repeated(b"<div data-style='", b"url(", b"'>"),
        attributes_of_a_mark=lambda n: (
            b"<img data-consent='"
            + b" ".join(b"m%d" % i for i in range(n))
            + b"' "
            + b" ".join(b"data-a%d-src=x" % i for i in range(n))
            + b">"
        ),
    ),
    **_all(
        "known",
        _known,
        words=_numbered(b"<script>", b"track# ", b"</script>"),
        beginnings=_numbered(b"<script>", b"tr#y ", b"</script>"),
        hosts=_numbered(b"", b"<img src=//a#.h1.example/a/#>"),
        labels=_numbered(b"", b"<img src=//" + b"h1." * 60 + b"a#.example/>"),
        wild=_numbered(b"", b"<img src=//a.1.wild.a#>"),
        paths=_numbered(b"<img src='", b"/gtm#.j/metrics/#", b"'>"),
        space_in_a_check=_repeated(b"<script>track1(1);a=1;if(", b" ", b"</script>"),
        chain_of_names=_repeated(b"<script>track1(1);a=1;", b"track1. ", b"</script>"),
        panels=_numbered(b"<body><script src=//h1.example/></script>", b"<script>x.embed1(#)</script>"),
        embeds=_numbered(b"<body>", b"<div class=embed1 id=a#></div>"),
    ),
    **_all("watched", _watched, held_pictures=_numbered(b"", b"<img src=" + _T + b"#>")),
    **_all(
        "json",
        _page,
        names_in_a_map=lambda n: (
            b'<script type=importmap>{"imports":{'
            + b",".join(b'"k%d":"%sx"' % (i, _T) for i in range(n))
            + b"}}</script><script type=module>"
            + b"".join(b'import "z%d";' % i for i in range(n))
            + b"</script>"
        ),
        folders_in_a_map=lambda n: (
            b'<script type=importmap>{"imports":{'
            + b",".join(b'"%s/":"%s"' % (b"k" * (i % 50), _T) for i in range(n))
            + b"}}</script><script type=module>"
            + b"".join(b'import "%s%d/x";' % (b"k" * 60, i) for i in range(n))
            + b"</script>"
        ),
        space_after_import=_repeated(
            b'<script type=importmap>{"a":"' + _T + b'"}</script><script>import', b" ", b"</script>"
        ),
        strings=_numbered(b"<script type=speculationrules>[", b'"/a#",', b'"' + _T + b'"]</script>'),
        open_strings=_repeated(b"<script type=speculationrules>", b'"\\', b"</script>"),
        lists=_repeated(b"<script type=speculationrules>", b"[", b"</script>"),
    ),
    **_all("path", _at, folders=_repeated(b"/", b"metric/"), slashes=_repeated(b"/", b"/")),
    **_all(
        "tag id",
        lambda data: _TAG_IDS.in_address(data.decode()),
        folders=_repeated(b"/", b"G-ABCDE1/"),
        digits=_repeated(b"/G-", b"A1"),
        keys=_numbered(b"/?", b"id=G-#&"),
        encoded=_repeated(b"/?", b"aWQ9Ry1BQkNERUYx&"),
        one_encoded=_repeated(b"/?-", b"aWQ9"),
    ),
    **_all("headers", _heads("Refresh"), refreshes=_numbered(b"0;url=/a", b"\n0;url=/a#")),
    **_all("headers", _heads("Content-Type"), types=_numbered(b"text/html", b"\ntext/html;charset=a#")),
    **_all(
        "headers",
        _heads("Link"),
        odd_quotes=_repeated(b"<" + _T + b">", b';a="b"c'),
        open_quotes_after_a_held_link=_repeated(b"<" + _T + b">;", b'a=" '),
        pictures=_repeated(b'<a>;rel=preload;imagesrcset="', _T + b" 1x,", b'"'),
    ),
    **_all("headers", _heads("Public-Key-Pins"), pins=_numbered(b"", b'pin-sha256="a#";report-uri="//a";')),
    **_all(
        "form",
        lambda data: [read_form(data[at : at + FORM_LIMIT]) for at in range(0, len(data), FORM_LIMIT)],
        fields=_numbered(b"", b"shown=#&"),
        once=_repeated(b"once=", b"a,"),
    ),
    **_all(
        "include",
        _includes,
        directives=_repeated(b"", b"<!--#include "),
        open_values=_repeated(b"", b"<esi:include src='"),
    ),
}


def _within(around: bytes, again: Callable[[bytes], bytes], last: bytes) -> Callable[[int], bytes]:
    """Return a function that nests documents or style sheets in ``data:`` URLs, with bytes in no known charset."""

    def make(depth: int) -> bytes:
        url = b"//\xe9/"
        for _ in range(depth):
            url = b"data:" + around + b";a=//\xe9," + quote(b"//\xe9" + again(url)).encode()
        return last.replace(b"#", url)

    return make


#: Input that is nested n levels deep. If each level were read in all charsets, each would multiply the cost.
NESTED: dict[str, Shape] = {
    **_all(
        "nested",
        _charset(""),
        pages=_within(b"text/html", lambda url: b'<iframe src="' + url + b'">', b'<iframe src="#">'),
        drawings=_within(
            b"image/svg+xml",
            lambda url: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='" + url + b"'/></svg>",
            b'<img src="#">',
        ),
        sheets=_within(b"text/css", lambda url: b"@import '" + url + b"';", b"<style>@import '#';</style>"),
    ),
}


def cost(shape: Shape, n: int, rounds: int) -> float:
    """
    Return the least processor time for ``n``, in seconds; each round has a new text, which no cache contains.

    Garbage collection is disabled, since its time depends on what else is in memory.
    """
    best = float("inf")
    for extra in range(rounds):
        data = shape.make(n + extra)
        gc.disable()
        try:
            begun = time.process_time()
            refuses(shape, data)
            best = min(best, time.process_time() - begun)
        finally:
            gc.enable()
    return best


def begin_at(shape: Shape, seconds: float, most: int) -> int:
    """Return an n that takes about ``seconds``, or produces up to ``most`` bytes."""
    n = 16
    cost(shape, n, 1)  # warm up: compilation for the first input is not part of the cost
    while cost(shape, n, 1) < seconds and len(shape.make(2 * n)) <= most:
        n *= 2
    return n


def measure(shape: Shape, *, at_least: float = 0.02, most: int = 200_000, rounds: int = 5) -> Cost:
    """
    Measure a shape.

    Args:
        at_least: The minimum time for n, in seconds.
        most: The maximum size of the input for n, in bytes; takes precedence.
        rounds: How many times to measure; the best counts.
    """
    n = begin_at(shape, at_least, most)
    seconds = [cost(shape, n << double, rounds) for double in range(3)]
    data = shape.make(4 * n)
    gc.collect()
    tracemalloc.start()
    refused = refuses(shape, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Cost(len(data), seconds, peak, refused)


def refuses(shape: Shape, data: bytes) -> bool:
    """Run the shape, and return whether the page was refused."""
    try:
        shape.run(data)
    except RefusedMarkup:
        return True
    return False


HEAD = ("shape", "bytes of 4n", "ms for n", "2n / n", "4n / 2n", "memory at 4n, KiB")


def rows() -> list[tuple[str, ...]]:
    """Return a row of the table for each shape."""
    lines: list[tuple[str, ...]] = []
    for name, shape in SHAPES.items():
        found = measure(shape)
        one, two, four = (max(seconds, 1e-6) for seconds in found.seconds)
        lines.append(
            (
                name + (" (refused)" if found.refused else ""),
                f"{found.size:,}",
                f"{one * 1000:.2f}",
                f"{two / one:.2f}",
                f"{four / two:.2f}",
                f"{found.peak // 1024:,}",
            )
        )
    return lines


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__).parse_args()
    print(report.machine(), file=sys.stderr)
    print(report.table(HEAD, rows()))
