"""
The fuzz targets and their oracles: each target takes bytes and raises AssertionError on a finding.

====================  ====================================================================================
target                oracle
====================  ====================================================================================
``page``              insertions only; the same bytes at any chunking; two parsers that follow the
                      standard find nothing that is fetched or run, unless the page is refused
``raw``               the same for arbitrary bytes, but without the parsers
``scan``              the scanner in C stops where the patterns stop, at each tag and in any bytes
``trees``             known steps, in C and in Python, leave each tree where its own rules leave it
``css``               tinycss2 finds no address of a held host in the defused sheet
``address``           ada-url and our resolver agree about the host of an address
``cookie``            reading never raises; an unsigned cookie is never a choice
``headers``           judging never raises
``settings``          reading raises nothing but ConfigError
====================  ====================================================================================
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from collections.abc import Mapping

import ada_url
import tinycss2  # type: ignore[import-untyped]

from consent_mw import config
from consent_mw.cookies.choice import CookieJar
from consent_mw.core.choice import NoRecord
from consent_mw.core.model import Site
from consent_mw.errors import ConfigError
from consent_mw.errors import RefusedMarkup
from consent_mw.html import css
from consent_mw.html import urls
from consent_mw.http.content_coding import BUILT_IN
from consent_mw.http.headers import judge
from consent_mw.http.request import RequestHead
from fuzz import grammar
from tests.html import following
from tests.html import parsers
from tests.html import rewriting
from tests.html import scanning

Target = Callable[[bytes], None]

_KEYS = ("a key for fuzzing that is long enough", "another key for fuzzing that is long enough")
_JAR = CookieJar(Site(), _KEYS)
#: Without justhtml: unlike browsers, it lets an end tag inside HTML content close the surrounding SVG element.
_JUDGES = ("lexbor", "html5ever")
_PAGE = urls.Url("https", "shop.example", "/")


def _cuts(data: bytes, size: int) -> list[int]:
    """Return the places at which to cut a page of ``size`` bytes; the input determines them."""
    return sorted({byte * 7 % size for byte in data[:8]}) if size else []


def _rewritten(page: bytes, cuts: list[int]) -> bytes | None:
    try:
        return rewriting.run(page, cuts)
    except RefusedMarkup:
        return None


def raw(data: bytes) -> None:
    """Rewrite bytes as they are."""
    whole = _rewritten(data, [])
    cut = _rewritten(data, _cuts(data, len(data)))
    assert whole == cut, "the bytes depend on how the page was cut"
    if whole is not None:
        assert rewriting.without_insertions(data)[1] == data, "something was altered"


def page(data: bytes) -> None:
    """Rewrite the page that the grammar makes of the bytes."""
    made = grammar.page(data)
    raw(made)
    out = _rewritten(made, [])
    if out is None:
        return
    for scripting in (True, False):
        left = parsers.leaks(out, scripting=scripting, by=_JUDGES)
        assert left == [], f"left with scripts {'on' if scripting else 'off'}: {left}"


def scan(data: bytes) -> None:
    """Scan the bytes as they are, and the markup generated from them."""
    for text in (data, scanning.markup(data)):
        scanning.check(text, scanning.tags_in(text))


def trees(data: bytes) -> None:
    """Let trees follow the bytes as they are, and a page that repeats itself."""
    for text in (data, data * 3, following.repetitive_page(random.Random(data))):  # noqa: S311 -- not a secret
        following.check(text, sum(data[:4]) % (len(text) + 1))
        following.follow_from_all(text)


def style(data: bytes) -> None:
    """Defuse a style sheet."""
    held: list[tuple[int, bytes]] = []
    try:
        css.scan(css.Part(data, 0, len(data)), lambda offset, found: held.append((offset, found)), final=True)
    except RefusedMarkup:
        return
    out = bytearray(data)
    for offset, _ in reversed(held):
        out[offset:offset] = b"about:invalid#"
    text = bytes(out).decode("latin-1")
    waiting = list(tinycss2.parse_stylesheet(text))
    while waiting:
        node = waiting.pop()
        missed = node.type == "url" and node.value.lstrip().lower().startswith("//tracker.example")
        assert not missed, "an address was missed"
        for part in ("prelude", "content", "arguments"):
            waiting += getattr(node, part, None) or []


def address(data: bytes) -> None:
    """Resolve an address as a browser does (https://url.spec.whatwg.org/#concept-basic-url-parser)."""
    text = data.decode("utf-8", "replace")
    ours = urls.resolve(text, _PAGE)
    try:
        theirs = ada_url.URL(text, base="https://shop.example/")
    except ValueError:
        return  # not a URL: browsers do not request it
    if max(map(len, theirs.hostname.split("."))) > urls.LONGEST_LABEL:
        return  # not a valid DNS name: browsers do not look it up
    if theirs.protocol in ("http:", "https:", "ws:", "wss:"):
        assert ours.host.strip(".") == theirs.hostname.strip("[]."), (
            f"{text!r}: {ours.host!r} is {theirs.hostname!r} to browsers"
        )


def cookie(data: bytes) -> None:
    """Read a Cookie header."""
    value = data.decode("latin-1").replace("\r", "").replace("\n", "")
    head = RequestHead("GET", "https", "shop.example", "/", "", (("cookie", f"__Host-cmw={value}"),))
    assert isinstance(_JAR.read(head), NoRecord), "an unsigned cookie counts as a choice"
    _JAR.read(RequestHead("GET", "https", "shop.example", "/", "", (("cookie", value),)))


def headers(data: bytes) -> None:
    """Judge the head of a response."""
    lines = data.decode("latin-1").split("\n")
    status = int.from_bytes(data[:2], "big") % 600
    judge(status, [(line.partition(":")[0], line.partition(":")[2]) for line in lines if line], BUILT_IN)


def settings(data: bytes) -> None:
    """Read a consent.toml."""
    try:
        table = tomllib.loads(data.decode("utf-8", "replace"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    try:
        config.load(table)
    except ConfigError as error:
        assert error.problems, "an error without a problem"


TARGETS: Mapping[str, Target] = {
    "page": page,
    "raw": raw,
    "scan": scan,
    "trees": trees,
    "css": style,
    "address": address,
    "cookie": cookie,
    "headers": headers,
    "settings": settings,
}

#: Initial inputs: a few typical ones for each target.
SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "page": (bytes(range(0, 40)), bytes(range(90, 130)), bytes([0, 118, 119, 3, 60, 118])),
    "raw": (b"<!doctype html><img src=//tracker.example/1>", b"<svg><style>@import '//tracker.example/'</style></svg>"),
    "scan": (b"<p class=x><img src='/a'><svg><path d='M0'/></svg><!-- --><a href=b>", bytes(range(1, 80, 2))),
    "trees": (b"<!doctype html><ul><li class=x><a href=/1>A</a> &amp; <b>b</b><svg><path/></svg>", bytes(range(9))),
    "css": (b"a{b:url(//tracker.example/1)}", b"@import '//tracker.example/2';", b"a{b:u\\72l(\\2f/tracker.example)}"),
    "address": (
        b"//tracker.example/x",
        b"https:\\\\TRACKER.example",
        b"http://tracker%2eexample",
        b"//tr\xc2\xadacker.example",
    ),
    "cookie": (b"1.reject~20000~0123456789ab~0~~~.AAAA", b"x=y; __Host-cmw=1.a.b"),
    "headers": (
        b"\x00\xc8\nContent-Type: text/html\nLink: </a>; rel=preload",
        b"\x00\xc8\nRefresh: 0; url=//tracker.example",
    ),
    "settings": (b"[site]\nname = 'x'\n[[services]]\nuse = 'google-analytics'\n", b"[theme]\nmain = '#000000'\n"),
}
