"""
URLs in style sheets: which are found, which are passed over, however the text is cut.

An independent reader of CSS (tinycss2) says what a style sheet fetches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import tinycss2  # type: ignore[import-untyped]
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.html import css

FOUND = {
    "quoted": (b'a{b:url("//t/1")}', [b"//t/1"]),
    "single quotes": (b"a{b:url('//t/1')}", [b"//t/1"]),
    "unquoted": (b"a{b:url(//t/1)}", [b"//t/1"]),
    "white space": (b"a{b:url( \n//t/1\t)}", [b"//t/1"]),
    "capitals": (b"a{b:URL(//t/1)}", [b"//t/1"]),
    "no end": (b"a{b:url(//t/1", [b"//t/1"]),
    "no end quote": (b'a{b:url("//t/1', [b"//t/1"]),
    "import": (b"@import '//t/1';", [b"//t/1"]),
    "import behind a comment": (b"@import/**/'//t/1';", [b"//t/1"]),
    "escaped keyword": (b"@\\69mport '//t/1';", [b"//t/1"]),
    "escaped name": (b"a{b:u\\72 l(//t/1)}", [b"//t/1"]),
    "escaped throughout": (b"a{b:\\000075\\000072\n\\00006C\t(//t/1)}", [b"//t/1"]),
    "escapes ended by CR LF": (b"a{b:\\75\r\n\\72\r\n\\6c\r\n(//t/1)}", [b"//t/1"]),
    "an escape ended by CR LF in an address": (b"a{b:url(//t\\2f\r\n1)}", [b"//t\\2f\r\n1"]),
    "a string that an escape carries over a line break": (b'a{b:"\\61\n"} c{d:url(//t/1)}', [b"\\61\n", b"//t/1"]),
    "a string that an escape carries over CR LF": (b'a{b:"\\61\r\n"} c{d:url(//t/1)}', [b"\\61\r\n", b"//t/1"]),
    "six digits and a line break in a string": (b"a{b:'\\000061\n'} c{d:url(//t/1)}", [b"\\000061\n", b"//t/1"]),
    "a broken url with an escape and a line break": (b"a{b:url(x y\\29\n)} c{d:url(//t/1)}", [b"x", b"//t/1"]),
    "escaped letter": (b"a{b:u\\rl(//t/1)}", [b"//t/1"]),
    "image set": (b"a{b:image-set('//t/1' 1x, \"//t/2\" 2x)}", [b"//t/1", b"//t/2"]),
    "custom property": (b"a{--x:'//t/1'}", [b"//t/1"]),
    "two": (b"a{b:url(1) url(2)}", [b"1", b"2"]),
    "behind content": (b"a{content:'x' url(//t/1)}", [b"//t/1"]),
    "behind a comment": (b"/* ' */ a{b:url(//t/1)} /* ' */", [b"//t/1"]),
    "behind a string with a line break": (b"a{b:\"\n} c{d:url('//t/1')}", [b"//t/1"]),
    "behind a broken url": (b"a{b:url(x\"y)} c{d:url('//t/1')}", [b"x", b"//t/1"]),
    "behind a broken url with space": (b"a{b:url(x y'z)} c{d:url('//t/1')}", [b"x", b"//t/1"]),
    "behind an escaped quote": (b".a\\'b{c:d} e{f:url('//t/1')}", [b"//t/1"]),
    "behind an escaped quote twice": (b".a\\'b\\'{c:d} e{f:url('//t/1')}", [b"//t/1"]),
    "behind an escaped backslash": (b"a{content:'\\\\'} e{f:url('//t/1')}", [b"//t/1"]),
    "escapes in a string": (b"@import '\\2f\\2ft/1'", [b"\\2f\\2ft/1"]),
    "line break escaped in a string": (b"@import '//\\\r\nt/1'", [b"//\\\r\nt/1"]),
}
PASSED_OVER = {
    "comment": b"/* url(//t/1) '//t/1' */",
    "comment without end": b"/* url(//t/1)",
    "selector": b"a[href='//t/1'],a[href ^= '//t/1']{}",
    "shown text": b"a{content:'//t/1'} b{ CONTENT : \"//t/1\"}",
    "another function": b"a{b:purl //t/1; c:rgb(1,2,3)}",
    "empty": b"a{b:url()} @import '';",
    "escaped parenthesis": b"a{b:url\\(//t/1\\)}",
}


@pytest.mark.parametrize(("sheet", "expected"), FOUND.values(), ids=FOUND)
def test_what_a_style_sheet_fetches_is_found(sheet: bytes, expected: list[bytes]) -> None:
    """Each URL is found as it stands in the bytes."""
    assert css.urls(sheet) == expected


@pytest.mark.parametrize("sheet", PASSED_OVER.values(), ids=PASSED_OVER)
def test_what_fetches_nothing_is_passed_over(sheet: bytes) -> None:
    """Comments, selectors and shown text are no addresses."""
    assert css.urls(sheet) == []


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain", "plain"),
        ("\\2f\\2F t", "//t"),
        ("\\00002Ft", "/t"),
        ("a\\\nb\\\r\nc", "abc"),
        ("\\(\\)", "()"),
        ("\\0 \\110000 \\d800 ", "\ufffd\ufffd\ufffd"),
        ("end\\", "end\\"),
    ],
)
def test_escapes_are_decoded(text: str, plain: str) -> None:
    """Escapes mean what CSS Syntax says."""
    assert css.unescape(text) == plain


#: Two characters whose second byte is a backslash in the charset of that name.
WIDE = [("cp932", css.SHIFT_JIS, "表"), ("gb18030", css.GBK, "乗"), ("big5hkscs", css.GBK, "功")]


@pytest.mark.parametrize(("codec", "wide", "character"), WIDE, ids=[codec for codec, _, _ in WIDE])
def test_half_a_character_is_no_backslash(codec: str, wide: str, character: str) -> None:
    """Where a backslash is the second half of a character, the quote behind it ends the string."""
    sheet = f"i{{font-family:'{character}'}} .{character}\\{character} p{{b:url('//t/1')}}".encode(codec)
    assert b"\\'" in sheet
    assert css.urls(sheet, wide)[-1] == b"//t/1"
    assert b"//t/1" not in css.urls(sheet)


@pytest.mark.parametrize("wide", [css.SHIFT_JIS, css.GBK])
def test_a_long_token_ends_where_a_character_does(wide: str) -> None:
    """The rest of a long string is read on from a whole character, wherever the chunk was cut."""
    text = "表\\'表".encode("cp932") + b"' url(x"
    end = text.index(b"' url")
    for cut in range(1, len(text) + 1):
        position, over = css.rest_of_token(text, 0, cut, b"'", wide)
        if not over:
            position, over = css.rest_of_token(text, position, len(text), b"'", wide)
        assert (position, over) == (end, True)


PIECES = [
    piece
    for pieces in (
        b"url(|url(|)|\"|'|//t/1|//t/1|\\|\\\n|\n|/*|*/|@import |;|{|}",
        b"content:|=|:| |--x:|image-set(|u\\72 l(|x|\\75 |y\\(",
    )
    for piece in pieces.split(b"|")
]
sheets = st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join)


def fetched(nodes: list[tinycss2.ast.Node]) -> Iterator[str]:
    """Yield what an independent reader takes for addresses."""
    for node in nodes:
        if node.type == "url":
            yield node.value
        strings = []
        if node.type == "function" and node.lower_name in ("url", "image-set"):
            strings = node.arguments
        elif node.type == "at-rule" and node.lower_at_keyword == "import":
            strings = node.prelude
        yield from (inner.value for inner in strings if inner.type == "string")
        for part in ("prelude", "content", "arguments"):
            inner = getattr(node, part, None)
            if isinstance(inner, list):
                yield from fetched(inner)


@given(sheets)
@example(b".a\\'b{} p{c:url('//t/1')}")
def test_nothing_that_is_fetched_is_missed(sheet: bytes) -> None:
    """Every address that an independent reader sees is among those found."""
    # What an escape at the very end stands for is no part of an address that leads anywhere.
    found = {css.unescape(raw.decode("latin-1")).strip().rstrip("\\\ufffd") for raw in css.urls(sheet)}
    expected = {
        value.strip().rstrip("\\\ufffd") for value in fetched(tinycss2.parse_stylesheet(sheet.decode("latin-1")))
    }
    assert {value for value in expected if "//t" in value} <= found


LOCAL_PIECES = [*PIECES, b"/a", b"/b-1.svg", b"/.", b"uRL(", b"u", b"\xe9", b" ", b"a/b", b"?"]


@given(st.lists(st.sampled_from(LOCAL_PIECES), max_size=10).map(b"".join))
@example(b".a{background:url(/a/b-1.svg)}.u{x:y}")
@example(b".a{background:url(/a/../b)}")
@example(b"@import url(//t/1);")
def test_a_sheet_of_local_paths_alone_is_recognised(sheet: bytes) -> None:
    """If a sheet counts as local, all that is found in it are plain paths from the root; one example does count."""
    if css.LOCAL.match(sheet):
        assert all(re.fullmatch(rb"(?:/[\w-][\w.-]*)+", raw) for raw in css.urls(sheet))
    assert css.LOCAL.match(b".a{background:url(/a/b-1.svg)}.u{x:y}")


@given(sheets, st.data())
def test_any_cut_gives_the_same_addresses(sheet: bytes, data: st.DataObject) -> None:
    """Scanned piece by piece as it comes in, a sheet gives the addresses at the same places."""
    whole: list[tuple[int, bytes]] = []
    css.scan(css.Part(sheet, 0, len(sheet)), lambda at, raw: whole.append((at, raw)), final=True)
    pieces: list[tuple[int, bytes]] = []
    position, in_comment = 0, False
    for end in [*sorted(data.draw(st.lists(st.integers(0, len(sheet)), max_size=5))), len(sheet)]:
        if in_comment:
            close = sheet.find(b"*/", position, end)
            if close < 0:
                position = max(position, end - 1)
                continue
            position, in_comment = close + 2, False
        final = end == len(sheet)
        position, in_comment = css.scan(
            css.Part(sheet, position, end), lambda at, raw: pieces.append((at, raw)), final=final
        )
    if not in_comment:
        css.scan(css.Part(sheet, position, len(sheet)), lambda at, raw: pieces.append((at, raw)), final=True)
    assert pieces == whole
