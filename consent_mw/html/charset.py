"""
Charsets: from the bytes that the app sent to bytes that the rewriter can read, and back.

ASCII-compatible pages pass byte for byte, whatever they say they are. UTF-16
is transcoded to UTF-8 and back. Of ISO-2022-JP the rewriter reads a decoded
copy (:mod:`consent_mw.html.iso2022jp`); what it inserts goes into the
original. A byte order mark counts before the header, the header before the
page's own declaration, as in a browser
(https://html.spec.whatwg.org/#determining-the-character-encoding).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from functools import lru_cache

from consent_mw.errors import RefusedMarkup
from consent_mw.html.iso2022jp import Decoder
from consent_mw.html.iso2022jp import Piece
from consent_mw.html.rewriter import Rewriter

#: Labels by https://encoding.spec.whatwg.org/#names-and-labels
_UTF_16_LE = frozenset(["utf-16", "utf-16le", "unicode", "csunicode", "iso-10646-ucs-2", "ucs-2", "unicodefeff"])
_UTF_16_BE = frozenset({"utf-16be", "unicodefffe"})
_ISO_2022_JP = frozenset({"iso-2022-jp", "csiso2022jp"})
#: A browser shows one replacement character for all of these.
_REPLACEMENT = frozenset(["replacement", "csiso2022kr", "hz-gb-2312", "iso-2022-cn", "iso-2022-cn-ext", "iso-2022-kr"])
#: What browsers mean by these labels, in the words of Python; the rest goes by the same names in both.
_LABELS = {
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb18030 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601"
    " windows-949",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8 x-user-defined " + " ".join(_REPLACEMENT),
}
_CODECS = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_ASCII = bytes(range(128))
#: Names by which only Python knows what changes its meaning in mid-text, or is no charset.
_ODD = re.compile(r"2022|escape|idna|\A\Z")

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16le"), (codecs.BOM_UTF16_BE, "utf-16be"))

_ESCAPE = re.compile(rb"\x1b(?:\([BJI]|\$[@B])")
_ESCAPE_TAIL = re.compile(rb"\x1b[($]?\Z")
_DECLARED_2022 = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*(?:cs)?iso-?2022-?jp", re.I)
#: How far a browser looks for a declaration before it starts, https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding
_PRESCAN = 1024

#: What a response without a type must begin with to be shown as HTML. The standard wants an end of the name
#: (https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type), Chromium does not.
_SNIFFED = re.compile(
    rb"[ \t\n\r\f]*<(?:!doctype html|html|head|script|iframe|h1|div|font|table|[abp]|style|title|br|!--)", re.I
)
#: The same for XML; "<svg" and "<rss" without a declaration are what some browsers look for besides.
_SNIFFED_XML = re.compile(rb"[ \t\n\r\f]*<(?:\?xml|svg[ \t\n\r\f/>]|rss[ >]|feed[ >])")
_WHITE = b" \t\n\r\f"
#: White space and the longest name; no browser looks further than the resource header.
_SNIFF_NAME = 14
_SNIFF_SIZE = 1445
#: "<?x" in UTF-16 without a mark, which browsers may tell from the bytes.
_WIDE_XML = (b"<\0?\0x\0", b"\0<\0?\0x")


@lru_cache(maxsize=64)
def codec_of(label: str) -> str:
    """Return the Python codec of an ASCII-compatible charset; empty where browsers do not know the label."""
    label = label.strip().lower()
    if label in _CODECS:
        return _CODECS[label]
    try:
        return label if not _ODD.search(label) and _ASCII.decode(label) == _ASCII.decode() else ""
    except (LookupError, ValueError):
        return ""


class _Utf16:
    """Reads UTF-16 as UTF-8, which the rewriter knows, and writes it back; lone surrogates survive."""

    def __init__(self, rewriter: Rewriter, codec: str) -> None:
        self._rewriter = rewriter
        self._codec = codec
        self._decode = codecs.getincrementaldecoder(codec)("surrogatepass")
        self._back = codecs.getincrementaldecoder("utf-8")("surrogatepass")

    def feed(self, chunk: bytes) -> bytes:
        text = self._decode.decode(chunk).encode("utf-8", "surrogatepass")
        return self._encode(self._rewriter.feed(text), final=False)

    def finish(self) -> bytes:
        odd, _ = self._decode.getstate()
        return self._encode(self._rewriter.finish(), final=True) + odd

    def _encode(self, text: bytes, *, final: bool) -> bytes:
        return self._back.decode(text, final).encode(self._codec, "surrogatepass")


class _Iso2022Jp:
    """Reads ISO-2022-JP as UTF-8, and sends the page's own bytes."""

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._decoder = Decoder()

    def feed(self, chunk: bytes) -> bytes:
        return self._pass(self._decoder.decode(chunk))

    def finish(self) -> bytes:
        return self._pass(self._decoder.decode(b"", final=True)) + self._rewriter.finish()

    def _pass(self, pieces: list[Piece]) -> bytes:
        return self._rewriter.feed(b"".join([piece.decoded for piece in pieces]), pieces)


class _Undeclared:
    """Passes a page that may yet turn out to be ISO-2022-JP, by its own declaration or by a browser's guess."""

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._start = b""
        self._tail = b""
        self._japanese: _Iso2022Jp | None = None

    def feed(self, chunk: bytes) -> bytes:
        if self._japanese is not None:
            return self._japanese.feed(chunk)
        if b"\x1b" not in chunk and not self._tail:
            self._remember(chunk)
            return self._rewriter.feed(chunk)
        data = self._tail + chunk
        found = _ESCAPE.search(data)
        if found:
            # Only what stands before it counts, however the page is cut.
            self._remember(data[: found.start()])
            if not _DECLARED_2022.search(self._start):
                raise RefusedMarkup(
                    "the page switches character sets (ISO-2022) but no charset is declared",
                    "Content-Type: ...; charset=",
                )
            self._japanese = _Iso2022Jp(self._rewriter)
            return self._japanese.feed(data)
        tail = _ESCAPE_TAIL.search(data)
        self._tail = tail.group() if tail else b""
        data = data[: len(data) - len(self._tail)]
        self._remember(data)
        return self._rewriter.feed(data)

    def _remember(self, data: bytes) -> None:
        if len(self._start) < _PRESCAN:
            self._start += data[: _PRESCAN - len(self._start)]

    def finish(self) -> bytes:
        if self._japanese is not None:
            return self._japanese.finish()
        return self._rewriter.feed(self._tail) + self._rewriter.finish()


class PageStream:
    """
    Rewrites one page, whatever its charset.

    Args:
        label: The charset of the Content-Type header, or empty.
        rewriter: Makes the rewriter for a Python codec.
        sniff: The response has no type: leave it alone unless a browser would take it for HTML.
        document: It is to be shown as a document: without a type no XML passes.

    Raises:
        RefusedMarkup: where the page cannot be read safely.
    """

    def __init__(
        self, label: str, rewriter: Callable[[str], Rewriter], *, sniff: bool = False, document: bool = False
    ) -> None:
        self._label = label.strip().lower()
        self._make = rewriter
        self._sniff = sniff
        self._document = document
        self._start: bytes | None = b""
        self._stream: Rewriter | _Utf16 | _Iso2022Jp | _Undeclared | None = None

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the body and return what can be sent on."""
        if self._start is not None:
            self._start += chunk
            return b"" if self._undecided(self._start) else self._begin()
        return chunk if self._stream is None else self._stream.feed(chunk)

    def finish(self) -> bytes:
        """Return the rest of the body."""
        out = self._begin() if self._start is not None else b""
        return out if self._stream is None else out + self._stream.finish()

    def _undecided(self, start: bytes) -> bool:
        """Whether more bytes must be seen to tell how to read the page."""
        if len(start) < 3 or (not codec_of(self._label) and any(wide.startswith(start) for wide in _WIDE_XML)):
            return True
        return self._sniff and len(start) < _SNIFF_SIZE and len(start.lstrip(_WHITE)) < _SNIFF_NAME

    def _begin(self) -> bytes:
        start, self._start = self._start or b"", None
        mark, label = next(((mark, name) for mark, name in _MARKS if start.startswith(mark)), (b"", self._label))
        if self._sniff and not mark and not _SNIFFED.match(start[:_SNIFF_SIZE]):
            if self._document and _SNIFFED_XML.match(start[:_SNIFF_SIZE]):
                raise RefusedMarkup("the response has no type, and browsers take it for XML", "Content-Type")
            return start
        if label in _UTF_16_LE or label in _UTF_16_BE:
            codec = "utf-16-le" if label in _UTF_16_LE else "utf-16-be"
            self._stream = _Utf16(self._make("utf-8"), codec)
        elif label in _ISO_2022_JP:
            self._stream = _Iso2022Jp(self._make("utf-8"))
        elif codec := codec_of(label):
            self._stream = self._make(codec)
        elif start.startswith(_WIDE_XML):
            raise RefusedMarkup("the page is in UTF-16 but does not say so", "Content-Type: ...; charset=utf-16")
        else:
            self._stream = _Undeclared(self._make(""))
        # The mark is no text of the body: it stays in front of all that is inserted.
        return mark + self._stream.feed(start[len(mark) :])
