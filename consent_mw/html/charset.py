"""
Charsets: converts the application's bytes into bytes that the rewriter can read, and back.

The rewriter reads ASCII-compatible bytes. Pages in such charsets pass through unchanged, whichever charset they
declare. UTF-16 is transcoded to UTF-8 and back. For ISO-2022-JP the rewriter reads a decoded copy
(:mod:`consent_mw.html.iso2022jp`), and its insertions go into the original bytes. As in a browser
(https://html.spec.whatwg.org/#determining-the-character-encoding), a byte order mark takes precedence over the header,
and the header over the page's own declaration.

:class:`PageStream` looks at the first bytes of a page and chooses one of these ways. A page without a declared charset
passes as ASCII-compatible until an escape sequence shows that it may be ISO-2022-JP. If the page does not clearly
declare that, it is refused.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from consent_mw.errors import RefusedMarkup
from consent_mw.html.elements import attributes
from consent_mw.html.iso2022jp import Decoder
from consent_mw.html.iso2022jp import Piece
from consent_mw.html.labels import ISO_2022_JP
from consent_mw.html.labels import UTF_16_BE
from consent_mw.html.labels import UTF_16_LE
from consent_mw.html.labels import codec_of
from consent_mw.html.labels import plain_label
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.tokens import TAG

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16le"), (codecs.BOM_UTF16_BE, "utf-16be"))

_ESCAPE = re.compile(rb"\x1b(?:\([BJI]|\$[@B])")
_ESCAPE_TAIL = re.compile(rb"\x1b[($]?\Z")
#: The bytes in which browsers look for a declaration,
#: https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding
_PRESCAN = 1024
#: The markup that may precede a declaration that all browsers find; none of them reads any of it as text.
_BEFORE_META = re.compile(rb"(?:[ \t\n\r\f]++|<!doctype[^>]*+>|<!--[^->]*+-->|(?!))*+", re.I)
_OF_THE_HEAD = frozenset({b"html", b"head", b"link", b"base", b"meta"})
_IN_CONTENT = re.compile(rb"charset[ \t\n\r\f]*=[ \t\n\r\f]*[\"']?([^\"' \t\n\r\f;]*)", re.I)

#: The beginning of a response without a type that browsers show as HTML. The standard requires an end of the name
#: (https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type), but Chromium does not. The
#: second line is Firefox's: it takes any declaration, and any processing instruction other than XML's, for HTML.
_SNIFFED = re.compile(
    rb"[ \t\n\r\f]*<(?:html|head|script|iframe|h1|div|font|table|[abp]|style|title|br"
    rb"|!|\?(?!(?-i:xml))|(?:body|frameset|img|link|base|applet|meta|center|form|isindex|h[2-6]|pre)[ >])",
    re.I,
)
#: The same for XML; some browsers also look for "<svg", "<rss" and "<feed" without an XML declaration.
_SNIFFED_XML = re.compile(rb"[ \t\n\r\f]*<(?:\?xml|svg[ \t\n\r\f/>]|rss[ >]|feed[ >])")
_WHITE = b" \t\n\r\f"
#: The bytes after white space that decide, and the bytes of a response in which browsers look (its resource header).
_SNIFF_NAME = 14
_SNIFF_SIZE = 1445
#: "<?x" in UTF-16 without a byte order mark, which browsers may recognise.
_WIDE_XML = (b"<\0?\0x\0", b"\0<\0?\0x")


def _declared(start: bytes) -> str:
    """
    Return the label of the charset that the beginning of a page declares; empty if browsers may disagree.

    Browsers search in different ways: the standard's prescan skips comments and ignores raw text, others use a parser.
    Only a declaration that all of them find counts.
    """
    position = 0
    while True:
        found = TAG.match(start, _BEFORE_META.match(start, position).end())  # type: ignore[union-attr]
        if found is None or found.group(1) or b"&" in found.group():
            return ""
        name = found.group(2).lower()
        if name not in _OF_THE_HEAD:
            return ""
        given = attributes(found.group(), 1 + len(name))
        values = [entry.raw for entries in given.values() for entry in entries]
        if name == b"meta" and b"charset" in given:
            return "" if b"http-equiv" in given else plain_label(given[b"charset"][0].raw.decode("latin-1"))
        pragma = given[b"http-equiv"][0].raw.lower() if b"http-equiv" in given else b""
        if name == b"meta" and pragma == b"content-type":
            content = _IN_CONTENT.search(given[b"content"][0].raw) if b"content" in given else None
            return plain_label(content.group(1).decode("latin-1")) if content else ""
        if any(b"charset" in value.lower() for value in values):
            return ""
        position = found.end()


class _Utf16:
    """Transcodes UTF-16 to UTF-8 for the rewriter, and back; lone surrogates survive."""

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
    """Decodes ISO-2022-JP to UTF-8 for the rewriter, and sends the page's own bytes."""

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
    """Passes a page that may still turn out to be ISO-2022-JP, by its own declaration or by a browser's guess."""

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
            # Only the bytes before the escape count, so that chunks make no difference.
            self._remember(data[: found.start()])
            if _declared(self._start) not in ISO_2022_JP:
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
    Rewrites one page in any charset.

    Args:
        label: The charset of the Content-Type header, or empty.
        rewriter: Creates the rewriter for a Python codec.
        sniff: Whether the response has no type: then it is left alone unless a browser would take it for HTML.
        document: Whether it is shown as a document: then XML without a type is refused.

    Raises:
        RefusedMarkup: if the page cannot be read safely.
    """

    def __init__(
        self, label: str, rewriter: Callable[[str], Rewriter], *, sniff: bool = False, document: bool = False
    ) -> None:
        self._label = plain_label(label)
        self._make = rewriter
        self._sniff = sniff
        self._document = document
        self._start: bytes | None = b""
        self._stream: Rewriter | _Utf16 | _Iso2022Jp | _Undeclared | None = None

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the body and return what can be sent."""
        if self._start is not None:
            self._start += chunk
            return b"" if self._undecided(self._start) else self._begin()
        return chunk if self._stream is None else self._stream.feed(chunk)

    def finish(self) -> bytes:
        """Return the rest of the body."""
        out = self._begin() if self._start is not None else b""
        return out if self._stream is None else out + self._stream.finish()

    def _undecided(self, start: bytes) -> bool:
        """Return whether more bytes are needed to decide how to read the page."""
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
        if label in UTF_16_LE or label in UTF_16_BE:
            codec = "utf-16-le" if label in UTF_16_LE else "utf-16-be"
            self._stream = _Utf16(self._make("utf-8"), codec)
        elif label in ISO_2022_JP:
            self._stream = _Iso2022Jp(self._make("utf-8"))
        elif codec := codec_of(label):
            self._stream = self._make(codec)
        elif start.startswith(_WIDE_XML):
            raise RefusedMarkup("the page is in UTF-16 but does not say so", "Content-Type: ...; charset=utf-16")
        else:
            self._stream = _Undeclared(self._make(""))
        # The byte order mark is not part of the text: it stays before all insertions.
        return mark + self._stream.feed(start[len(mark) :])
