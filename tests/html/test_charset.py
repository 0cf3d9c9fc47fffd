"""
Charsets: what a page is read as, what cannot be read, and that the bytes come out as they went in.
"""

from __future__ import annotations

import codecs

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.errors import RefusedMarkup
from consent_mw.html.charset import PageStream
from consent_mw.html.holder import Holder
from consent_mw.html.labels import codec_of
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from tests.html.rewriting import PAGE
from tests.html.rewriting import holder

IMAGE = "<img src=//tracker.example/1.gif>"
HELD = "<img data-cmw-held=tracker data-cmw-src=//tracker.example/1.gif>"


def stream(
    page: bytes, label: str = "", *, step: int = 0, sniff: bool = False, banner: bytes = b"", hold_back: int = 1_048_576
) -> bytes:
    """Return a page rewritten as ``label`` says, in pieces of ``step`` bytes."""

    def make(charset: str) -> Rewriter:
        policy = holder(hold_back=hold_back).policy
        made = Holder(policy, PAGE, document=held_in, charset=charset)
        return Rewriter(made, (lambda place: b"" if place.at_end else banner) if banner else None)

    pages = PageStream(label, make, sniff=sniff)
    step = step or len(page) or 1
    return b"".join(pages.feed(page[at : at + step]) for at in range(0, len(page), step)) + pages.finish()


def both(page: bytes, label: str = "", **options: bool) -> bytes:
    """Return a page rewritten, having asserted that chunks do not matter."""
    outs = {stream(page, label, step=step, **options) for step in (0, 1, 2, 3, 7)}  # type: ignore[arg-type]
    assert len(outs) == 1
    return outs.pop()


ASCII_COMPATIBLE = ["utf-8", "windows-1252", "shift_jis", "gbk", "big5", "euc-kr", "euc-jp", "koi8-r", "iso-8859-15"]


@pytest.mark.parametrize("label", ASCII_COMPATIBLE)
def test_ascii_compatible_pages_pass_byte_for_byte(label: str) -> None:
    """What is in the page besides the holds stays as it is, text that cannot be decoded too."""
    raw = bytes(range(128, 256))
    page = b"<p>" + raw + IMAGE.encode() + raw
    assert both(page, label) == b"<p>" + raw + HELD.encode() + raw


@pytest.mark.parametrize(
    "label", ["shift_jis", "x-sjis", "Windows-31J", " SHIFT-JIS ", "ms_kanji", "", "no-such-charset"]
)
def test_half_a_shift_jis_character_hides_no_address(label: str) -> None:
    """A backslash that is half a character ends no string, whether the charset is declared, guessed or unknown."""
    sheet = "<style>i{font-family:'表'} p{background:url('//tracker.example/1.gif')}</style>".encode("cp932")
    attribute = "<p style=\"font-family:'表';background:url('//tracker.example/1.gif')\">".encode("cp932")
    assert b"url('about:invalid#cmw=tracker#//tracker" in both(sheet, label)
    assert b" data-cmw-style=" in both(attribute, label)


@pytest.mark.parametrize(("label", "codec", "character"), [("gb2312", "gbk", "乗"), ("big5-hkscs", "big5", "功")])
def test_half_a_chinese_character_hides_no_address(label: str, codec: str, character: str) -> None:
    """The same holds for GBK and Big5."""
    sheet = f"<style>i{{font-family:'{character}'}} p{{background:url('//tracker.example/1')}}</style>".encode(codec)
    for declared in (label, ""):
        assert b"url('about:invalid#cmw=tracker#//tracker" in both(sheet, declared)


def test_a_backslash_in_utf_8_is_one() -> None:
    """Where the charset is known, only its own reading counts."""
    sheet = "<style>i{font-family:'é\\''} p{background:url('//tracker.example/1')}</style>".encode()
    assert both(sheet, "utf-8").count(b"about:invalid") == 1
    assert both(sheet).count(b"about:invalid") == 1


def test_a_byte_order_mark_stays_in_front() -> None:
    """What is inserted first goes behind the mark."""
    assert stream(codecs.BOM_UTF8 + b"text", "utf-8", banner=b"<b>") == codecs.BOM_UTF8 + b"<b>text"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("declared", ["mark", "label"])
def test_utf_16(codec: str, declared: str) -> None:
    """UTF-16 is read and written back, declared by a mark or by the header."""
    text = "<p>\u00e9\u3042\U0001f600" + IMAGE
    mark = "\ufeff".encode(codec) if declared == "mark" else b""
    label = "" if mark else codec.replace("-le", "le").replace("-be", "be")
    assert both(mark + text.encode(codec), label) == mark + text.replace(IMAGE, HELD).encode(codec)


def test_a_mark_counts_before_the_header() -> None:
    """A byte order mark overrules what the header says."""
    page = codecs.BOM_UTF16_LE + IMAGE.encode("utf-16-le")
    assert both(page, "utf-8") == codecs.BOM_UTF16_LE + HELD.encode("utf-16-le")


def test_utf_16_that_is_broken_comes_out_as_it_is() -> None:
    """Lone surrogates and half a character at the end are kept."""
    page = b"\x00\xd8a\x00\x00\xdc" + IMAGE.encode("utf-16-le") + b"\x00\xd8" + b"x"
    held = b"\x00\xd8a\x00\x00\xdc" + HELD.encode("utf-16-le") + b"\x00\xd8" + b"x"
    assert both(page, "utf-16") == held


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_that_does_not_say_so_is_refused(codec: str) -> None:
    """A browser may tell UTF-16 from the bytes alone; we do not guess."""
    page = ('<?xml version="1.0"?>' + IMAGE).encode(codec)
    for step in (0, 1):
        with pytest.raises(RefusedMarkup, match="UTF-16"):
            stream(page, step=step)


def test_iso_2022_jp() -> None:
    """Two-byte text that looks like markup is none; what is held is held."""
    page = ("<p>" + "".join(chr(code) for code in range(0x3042, 0x3070)) + "\u7af6\u611f" + IMAGE).encode("iso2022_jp")
    assert b"<" in page.split(b"\x1b$B")[1]
    assert both(page, "iso-2022-jp") == page.replace(IMAGE.encode(), HELD.encode())


def test_markup_in_two_byte_text_is_no_markup() -> None:
    """Between the escapes a whole tag is nothing but characters."""
    page = b"\x1b$B" + b"<img src=//tracker.example/12>" + b"\x1b(B" + IMAGE.encode()
    assert both(page, "csiso2022jp") == page.replace(b"\x1b(B" + IMAGE.encode(), b"\x1b(B" + HELD.encode())
    page = b"\x1b(I" + b"<img src=//tracker.example/12>" + b"\x1b(J" + IMAGE.encode()
    assert both(page, "iso-2022-jp") == page.replace(b"\x1b(J" + IMAGE.encode(), b"\x1b(J" + HELD.encode())


def test_iso_2022_jp_that_only_the_page_declares() -> None:
    """Its own declaration counts where it stands before the first switch."""
    meta = b"<meta charset='iso-2022-jp'>"
    page = meta + b"\x1b$B<img\x1b(B" + IMAGE.encode()
    assert both(page) == page.replace(IMAGE.encode(), HELD.encode())
    old = b'<meta http-equiv=Content-Type content="text/html; charset=ISO-2022-JP">\x1b$B<img\x1b(B'
    assert both(old) == old


@pytest.mark.parametrize("page", [b"<p>\x1b$B<img\x1b(B", b"<p>\x1b(Jx<meta charset=iso-2022-jp>"])
def test_undeclared_switches_are_refused(page: bytes) -> None:
    """A browser might guess what the page is; nothing of it is sent on from there, however it is cut."""
    for step in (0, 1, 5):
        with pytest.raises(RefusedMarkup, match="ISO-2022"):
            stream(page, step=step)


@pytest.mark.parametrize("page", [b"a\x1b[1mb\x1b", b"\x1b(", b"\x1b$", b"\x1b(Xa\x1b$(D"])
def test_other_escapes_are_text(page: bytes) -> None:
    """An escape character that switches nothing stays."""
    assert both(page + IMAGE.encode()) == page + HELD.encode()
    assert both(IMAGE.encode() + page) == HELD.encode() + page


def test_a_long_construct_in_iso_2022_jp_is_cut_at_the_same_places() -> None:
    """What is sent and what is looked at stay together where a chunk is larger than what may be kept."""
    page = b"<p>" + b"\x1b$B<<<<\x1b(B" * 60 + b"<script>" + b"\x1b$B<<<<\x1b(B" * 60 + b"</script>" + IMAGE.encode()
    outs = {stream(page, "iso-2022-jp", step=step, hold_back=200) for step in (0, 1, 99, 1000)}
    assert len(outs) == 1
    assert outs.pop().endswith(HELD.encode())


LABELS = {
    "utf-8": "utf-8",
    "UTF-8 ": "utf-8",
    "x-sjis": "cp932",
    "gb2312": "gb18030",
    "ks_c_5601-1987": "cp949",
    "x-user-defined": "utf-8",
    "hz-gb-2312": "utf-8",
    "iso-8859-1": "cp1252",
    "": "",
    "nonsense": "",
    # Python knows these, browsers do not: read so, markup would be other bytes.
    "utf-7": "",
    "utf-32": "",
    "utf_16_le": "",
    "utf16": "",
    "cp037": "",
    "hz": "",
    "iso2022_jp_2": "",
    "rot13": "",
    "base64": "",
    "idna": "",
    "punycode": "",
    "unicode_escape": "",
    "raw_unicode_escape": "",
    "a\0b": "",
    "\u00e9": "",
}


@pytest.mark.parametrize(("label", "expected"), LABELS.items(), ids=map(ascii, LABELS))
def test_labels(label: str, expected: str) -> None:
    """A label means what browsers mean by it; one that they do not know is as good as none."""
    assert codec_of(label) == expected


@given(st.text(max_size=20))
def test_no_label_raises(label: str) -> None:
    """Whatever an application calls its charset, the page is read."""
    assert isinstance(codec_of(label), str)


SNIFFED = {
    "doctype": (b"<!DOCTYPE html>", True),
    "behind white space": (b" \n\t\r\x0c" * 100 + b"<html>", True),
    "in capitals": (b"<SCRIPT\n", True),
    "comment": (b"<!-- -->", True),
    "without an end of the name": (b"<article>", True),
    "text": (b"text <html>", False),
    "another tag": (b"<video>", False),
    "binary": (b"\x89PNG\r\n", False),
    "a picture, as Firefox alone knows it": (b"", True),
    "a declaration": (b"<!x>", True),
    "an instruction": (b"<?x>", True),
    "an instruction of XML": (b"<?xml?>", False),
    "too much white space": (b" " * 2000 + b"<html>", False),
    "short": (b"<p>", True),
}


@pytest.mark.parametrize(("start", "page"), SNIFFED.values(), ids=SNIFFED)
def test_a_response_without_a_type(start: bytes, page: bool) -> None:
    """What a browser would take for a page is one; all else is left alone."""
    body = start + b" " + IMAGE.encode()
    assert (b"data-cmw" in both(body, sniff=True)) is page
    assert both(start, sniff=True) == start


@pytest.mark.parametrize("page", [b"", b"<", b"a", b"ab", b"\xef", b"\xef\xbb", b"\xff\xfe", b"\xfe"])
@pytest.mark.parametrize("sniff", [True, False])
def test_short_pages(page: bytes, sniff: bool) -> None:
    """A page that ends before it can be told what it is comes out as it is."""
    assert both(page, sniff=sniff) == page


@example(b"\x00<\x00?\x00x", "x")
@given(st.binary(max_size=200), st.sampled_from(["", "utf-8", "utf-16", "utf-16be", "iso-2022-jp", "shift_jis", "x"]))
def test_any_bytes_come_out_the_same_however_cut(page: bytes, label: str) -> None:
    """Whatever the bytes and the charset, chunks do not matter, and nothing but a refusal is raised."""
    try:
        whole = stream(page, label)
    except RefusedMarkup:
        with pytest.raises(RefusedMarkup):
            stream(page, label, step=1)
        return
    assert stream(page, label, step=1) == whole
    assert stream(page, label, step=3) == whole


ISO_2022_JP = {
    # https://encoding.spec.whatwg.org/#iso-2022-jp-decoder: an escape that changes nothing yields no character.
    "escape in a name": b"<im\x1b(Bg src=//tracker.example/1>",
    "escape in an attribute's name": b"<img s\x1b(Brc=//tracker.example/1>",
    "escape in a host": b"<img src=//track\x1b(Ber.example/1>",
    "escape in an end tag of raw text": b"<style></st\x1b(Byle><img src=//tracker.example/1>",
    "escape in a comment's end": b"<!-- -\x1b(B-><img src=//tracker.example/1>",
    "full-width letters in a host": b"<img src=//\x1b$B#t#r#a#c#k#e#r\x1b(B.example/1>",
    "escape into the Roman set in a name": b"<im\x1b(Jg src=//tracker.example/1>",
    "yen in a style sheet": b'<style>\x1b(Jp{x:"\\";background:url(//tracker.example/1);y:"z}</style>',
    "a bad escape is a character": b"<img title=\x1b(Z src=//tracker.example/1>",
    "one byte of a pair before an escape": b"<p>\x1b$B!\x1b(B<img src=//tracker.example/1>",
}


@pytest.mark.parametrize("page", ISO_2022_JP.values(), ids=ISO_2022_JP)
def test_iso_2022_jp_hides_nothing(page: bytes) -> None:
    """What the page says as the standard decodes it is held; its own bytes stay."""
    out = both(page, "iso-2022-jp")
    assert b"cmw" in out
    for inserted in (b" data-cmw-held=tracker", b"data-cmw-", b"about:invalid#cmw=tracker#"):
        out = out.replace(inserted, b"")
    assert out == page


def test_two_escapes_in_a_row_are_a_character() -> None:
    """The second of two escapes without a character between them is an error, so that the name is no image's."""
    page = b"<im\x1b(B\x1b(Bg src=//tracker.example/1>"
    assert both(page, "iso-2022-jp") == page


def test_an_insertion_stands_in_ascii() -> None:
    """What is inserted into text of another set is put between escapes."""
    out = stream(b"<body>\x1b$B!!</body>", "iso-2022-jp", banner=b"<b>~</b>")
    assert out == b"<body><b>~</b>\x1b$B!!</body>"
    out = stream(b"\x1b(J<body>x", "iso-2022-jp", banner=b"<b>~</b>")
    assert out == b"\x1b(J<body>\x1b(B<b>~</b>\x1b(Jx"


UNDECLARED = {
    "soft hyphen of windows-1252": b"<img src='https://track\xader.example/1'>",
    "ordinal indicator of windows-1252": b"<img src='https://tr\xaacker.example/1'>",
    "full-width letter of Shift_JIS": b"<img src='https://\x82\x94racker.example/1'>",
    "full-width letter of GBK": b"<img src='https://\xa3\xf4racker.example/1'>",
    "in a srcset": b"<img srcset='https://track\xader.example/1 2x'>",
    "in a style sheet": b"<style>p{background:url(https://track\xader.example/1)}</style>",
    "in a style attribute": b"<p style='background:url(https://track\xader.example/1)'>",
}


@pytest.mark.parametrize("page", UNDECLARED.values(), ids=UNDECLARED)
def test_an_undeclared_charset_hides_no_host(page: bytes) -> None:
    """A host is looked at in each charset that a browser may guess or find in a late meta element."""
    assert b"cmw" in both(page)
