"""
The scanner in C and the patterns mean the same, for any bytes: where they stop, and what the rewriter makes of a page.

Where no library was built, the patterns are compared with themselves: nothing here needs a compiler.
``python -m fuzz scan`` and ``python -m tools.sanitize_scan`` go on from here.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from benchmarks.pages import make_page
from consent_mw.core.model import Service
from consent_mw.errors import RefusedMarkup
from consent_mw.html import scan
from consent_mw.html import syntax
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.places import Places
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.scanner.document import Place
from consent_mw.html.tokens import PIECE
from fuzz import grammar
from tests.browser.harness.traps import Trap
from tests.browser.harness.traps import traps
from tests.html import markup_pieces
from tests.html.rewriting import PAGE
from tests.html.rewriting import SERVICES
from tests.html.scanning import KINDS
from tests.html.scanning import check
from tests.html.scanning import syntax_of
from tests.html.scanning import tags_in


@pytest.mark.parametrize("seed", range(40))
def test_a_scan_ends_where_the_pattern_ends(seed: int) -> None:
    """Hostile markup, whole and cut anywhere, is passed over exactly as far as the patterns say."""
    chance = random.Random(seed)
    for _ in range(12):
        page = markup_pieces.page(chance, 1 + chance.randrange(8))
        for end in (len(page), chance.randrange(len(page) + 1)):
            check(page[:end], (start for start in tags_in(page) if start <= end))


_WORD = re.compile(rb"[A-Za-z_$][A-Za-z0-9_$]*")
BYTES = [bytes([byte]) for byte in b"<>/!?-='\" \t\n\f\r\v\0&\\(#:.aoZ\x80\xff"]
WORDS = [
    b"<svg ",
    b"</svg>",
    b"<path d=",
    b"<img src=",
    b"<!--",
    b"-->",
    b"on",
    b"style=",
    b"data-",
    b"<title>",
    b"<p ",
]


@given(st.lists(st.sampled_from(BYTES + WORDS), max_size=24).map(b"".join))
@example(b"<<")
@example(b"<")
@example(b"<a")
@example(b"</")
@example(b"<svg><title></title")
@example(b"<svg></svg")
@example(b"<p style='x")
@example(b"<p style=\"--a:'b\n;--u:'http:c'\">")
@example(b'<p style=\'--a:/*"*/"//c"\'>')
@example(b"<p style=--a:'b'':c'>")
@example(b"<p style=\"font-family:'b';color:c\">")
@example(b'<img src="/%2')
@settings(max_examples=300)
def test_a_scan_of_any_bytes_ends_where_the_pattern_ends(page: bytes) -> None:
    """Bytes that are hardly markup are passed over just as far."""
    check(page, range(len(page) + 1))


def test_a_scan_of_a_large_page_ends_where_the_pattern_ends() -> None:
    """A page as sites have it, with bytes of it changed, is passed over just as far."""
    chance = random.Random(1)
    changed = bytearray(make_page(30_000))
    for _ in range(60):
        changed[chance.randrange(len(changed))] = chance.choice(b"<>\"'= /&(x")
    page = bytes(changed)
    check(page, tags_in(page)[::7])


@pytest.mark.parametrize("kind", KINDS)
def test_a_scan_ends_between_pieces(kind: str) -> None:
    """A scan ends where a tag, a comment or a text ends, or in a text, never in a tag."""
    chance = random.Random(kind)
    for _ in range(200):
        page = markup_pieces.page(chance, 1 + chance.randrange(8))
        end = getattr(syntax_of("rules"), kind)(page, 0)
        at = 0
        while at < end:
            piece = PIECE.match(page, at)
            assert piece is not None, "what was passed over is not complete"
            assert piece.end() <= end or piece.group(1), "a scan ended within a tag"
            at = piece.end()


def test_the_words_that_stand_in_the_library_are_those_of_the_patterns() -> None:
    """Each word of which the library has its own list stops a scan, alone and behind what may stand before it."""
    skip_local = syntax_of("no rules").skip_local
    for word in syntax.LAZY_WORDS:
        for before in ("", "a-", "a-b-", "a-b-c-", "A-B-C-"):
            for name in (f"data-{before}{word}", f"DATA-{before}{word.upper()}x"):
                assert skip_local(f"<img {name}=x>".encode(), 0) == 0, name
    for word in syntax.LAZY_NAMES:
        for name in (f"{word}rc", f"{word.upper()}X"):
            assert skip_local(f"<img {name}=x>".encode(), 0) == 0, name
    for word in syntax.PAINTS:
        page = f"<svg><path {word.upper()}-x='url(/a)'/></svg>".encode()
        assert skip_local(page, 0) == 0, word
        assert skip_local(page.replace(b"/a", b"#a"), 0) == len(page), word


@given(st.binary(max_size=40), st.lists(st.binary(min_size=1, max_size=4), max_size=3).map(tuple))
@example(b"<!-<!--#", (b"<!--#", b"<esi:"))
@example(b"#<esi", (b"<!--#", b"<esi:"))
def test_a_text_occurs_where_it_stands(buffer: bytes, texts: tuple[bytes, ...]) -> None:
    """The library finds a text exactly where Python does, whatever it begins and ends with."""
    for page in (buffer, b"".join([buffer, *texts[-1:]])):
        assert scan.occurs(page, texts) == any(text in page for text in texts)


@given(st.text("embplayr<", max_size=12), st.integers(0, 5), st.integers(0, 2))
def test_texts_that_are_looked_for_together_occur_where_they_stand(around: str, before: int, cut: int) -> None:
    """The library finds texts that share their pairs of letters at every offset, and only where they are whole."""
    texts = (b"mbed", b"player", b"playa", b"bedder")
    for text in texts:
        page = b"." * before + around.encode() + text[: len(text) - cut] + around.encode()
        assert scan.occurs(page, texts) == any(text in page for text in texts)


@given(
    st.lists(st.sampled_from([b"fbq", b"FBQ", b"fb", b"_q$9", b"gtag", b"9gtag", b"gta", b".", b" ", b"\xe4", b"a"]))
)
@example([b"gtag", b"gtag"])
@example([b"9gtag"])
@example([])
def test_the_words_found_in_a_script_are_all_that_are_known(pieces: list[bytes]) -> None:
    """The library finds the words that the pattern finds and that are known, or begin so; case alone adds others."""
    if scan.Words is None:
        return
    script = b"".join(pieces)
    words, beginnings = {b"fbq", b"_q$9", b"a"}, {b"gta"}
    found = scan.Words(dict.fromkeys(words, 1), dict.fromkeys(beginnings, 1)).found_in(script)
    occurring = _WORD.findall(script)
    assert found == [each for each in occurring if each.lower() in words or each[:3].lower() in beginnings]


@pytest.mark.parametrize("position", [-1, 3, 2**40])
def test_a_position_outside_of_the_buffer_reads_nothing(position: int) -> None:
    """A scan never begins outside of what it was given."""
    if scan.Scanner is None:
        return
    with pytest.raises(IndexError, match="outside of the buffer"):
        syntax_of("no rules").skip(b"<p", position)


def test_a_table_that_is_malformed_is_refused() -> None:
    """The library takes no table in which a name is missing or a list is not sorted."""
    if scan.Scanner is None:
        return
    good = syntax_of("rules").tables()
    bad = [
        good._replace(elements={b"": 1}),
        good._replace(elements={b"p": -1}),
        good._replace(paths=(b"b", b"a")),
        good._replace(marks=((b"id", (b"",)),)),
        good._replace(marks=((b"id",),)),  # type: ignore[arg-type]
        good._replace(paths=("a",)),  # type: ignore[arg-type]
    ]
    for tables in bad:
        with pytest.raises((TypeError, ValueError, OverflowError)):
            scan.Scanner(*tables)


@pytest.mark.parametrize("value", ["1", "0"])
def test_an_environment_variable_switches_the_library_off(value: str) -> None:
    """With ``CONSENT_MW_PURE=1`` Python does the work, wherever a library is; with 0 the library does."""
    program = "from consent_mw.html import scan; print(scan.Scanner is None)"
    environment = {**os.environ, "CONSENT_MW_PURE": value}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    absent = importlib.util.find_spec("consent_mw.html._scan") is None
    assert done.stdout.strip() == str(value == "1" or absent)


# -- the whole rewriter

RULES = (
    *SERVICES,
    Service("cards", "Cards", "Cards Ltd", ("embeds",), elements=("div[data-card]", "p[id=card]"), places=(".card",)),
)


@functools.cache
def policies(*, remove: bool, unknown: str) -> dict[str, HoldPolicy]:
    """Return what the same rules are with the library, if there is one, and without."""
    syntax.syntax_for.cache_clear()
    patch = pytest.MonkeyPatch()
    made = {}
    for name in ("with the library", "without"):
        if name == "without":
            patch.setattr(scan, "Scanner", None)
            syntax.syntax_for.cache_clear()
        policy = HoldPolicy(
            Matcher(RULES),
            frozenset({"pay", "necessary"}),
            unknown=unknown,
            remove=remove,
            placeholder="/_cmw/placeholder/",
            places=Places(RULES),
        )
        assert (policy.syntax.scanner is None) == (scan.Scanner is None)
        made[name] = policy
    patch.undo()
    syntax.syntax_for.cache_clear()
    return made


def sites() -> dict[str, dict[str, HoldPolicy]]:
    """Return the policies of two sites."""
    return {
        "held elements stay": policies(remove=False, unknown="pixels"),
        "held elements go": policies(remove=True, unknown="hold"),
    }


def rewrite(page: bytes, policy: HoldPolicy, cuts: Iterable[int], *, at_end: bool) -> tuple[bytes, list[str]] | str:
    """Return the rewritten page with panels, banner and what stands first, and what was held; or why it was refused."""

    def banner(place: Place) -> bytes:
        return b"" if at_end and not place.at_end else f"[{sorted(place.held)} {place.lang}]".encode()

    rewriter = Rewriter(Holder(policy, PAGE, document=held_in), banner, lambda place: b"[first]")
    rewriter.panel = lambda place, ids, height: f"[panel {' '.join(ids)}]".encode()
    rewriter.queue = lambda place, ids, code: f"[queue {' '.join(ids)}]".encode()
    try:
        out = b"".join(rewriter.feed(page[start:end]) for start, end in pairwise([0, *sorted(cuts), len(page)]))
        return out + rewriter.finish(), sorted(rewriter.held)
    except RefusedMarkup as error:
        return str(error)


def compare(page: bytes, cuts: list[int]) -> None:
    """Assert that a page comes out the same with the library and without, the first time and when it is known."""
    for name, site in sites().items():
        for at_end in (False, True):
            one, other = (
                [rewrite(page, policy, places, at_end=at_end) for places in ([], cuts, [])] for policy in site.values()
            )
            assert one == other, f"{name}: {page!r}, cut at {cuts}"


@pytest.mark.parametrize("trap", traps(), ids=str)
def test_the_traps_come_out_the_same(trap: Trap) -> None:
    """The pages of the traps come out the same with the library and without, in one piece and byte by byte."""
    size = len(trap.body)
    compare(trap.body, list(range(1, size, 1 if size < 3000 else 97)))


@pytest.mark.parametrize("seed", range(30))
def test_hostile_pages_come_out_the_same(seed: int) -> None:
    """Pages that lead tree builders and tokenizers astray come out the same, however they are cut."""
    chance = random.Random(seed)
    for _ in range(6):
        page = grammar.page(chance.randbytes(chance.randrange(4, 40)))
        if chance.random() < 0.5:
            page += markup_pieces.page(chance, 5) + grammar.page(chance.randbytes(12))
        compare(page, [chance.randrange(len(page) + 1) for _ in range(4)])


def test_a_large_page_comes_out_the_same() -> None:
    """A page as sites have it comes out the same, in chunks of any size."""
    page = make_page(20_000)
    for size in (100, 1000, 4096):
        compare(page, list(range(size, len(page), size)))


@pytest.mark.parametrize(
    ("tag", "held"),
    [
        (b"<div data-card>", True),
        (b"<div data-Card=x>", True),
        (b"<div id=other>", False),
        (b"<p id=card>", True),
        (b"<p id='&#99;ard'>", True),
        (b"<p id='c&#97;rd'>", True),
        (b"<p id=postcard>", False),
        (b"<div>", False),
    ],
)
def test_a_common_element_is_looked_at_where_a_rule_asks_for_its_attribute(tag: bytes, held: bool) -> None:
    """A rule for one of the elements that pages are full of is found by its attribute, however that is written."""
    for policy in sites()["held elements stay"].values():
        result = rewrite(b"<body>" + tag, policy, [], at_end=True)
        assert isinstance(result, tuple)
        assert ("cards" in result[1]) == held
