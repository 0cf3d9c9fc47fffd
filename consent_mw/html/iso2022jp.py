"""
ISO-2022-JP: decodes a page as a browser does, and returns its own bytes with the insertions.

Theory of operation. Escape sequences switch between four character sets and are not characters themselves, so ``<im ESC
( B g>`` is an image. In the Roman set a backslash is a yen sign. Two bytes of the main set may be a full-width letter,
which a host maps to a plain one. So the bytes cannot be scanned as they are. :class:`Decoder` splits the page into
pieces, each with its text and its source bytes. The rewriter reads the text, and :class:`SourceBytes` turns what it
sends back into the source bytes. An insertion is in ASCII: if another set is active, escape sequences switch to ASCII
before it and back to the set after it.

https://encoding.spec.whatwg.org/#iso-2022-jp-decoder
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from consent_mw.html import jis

ASCII = b"\x1b(B"
_ROMAN = b"\x1b(J"
_KATAKANA = b"\x1b(I"
_ESCAPES = frozenset({ASCII, _ROMAN, _KATAKANA, b"\x1b$@", b"\x1b$B"})
_RUNS = {ASCII: re.compile(rb"[^\x0e\x0f\x1b\x80-\xff]++"), _ROMAN: re.compile(rb"[^\x0e\x0f\x1b\\~\x80-\xff]++")}
_ROMAN_ONLY = {0x5C: "\u00a5".encode(), 0x7E: "\u203e".encode()}
_UNKNOWN = "\ufffd".encode()
#: Longer runs are kept as several pieces, since what is left of a piece is copied when a part of it is taken.
_LONGEST = 1024


class Piece(NamedTuple):
    """Some bytes of the page, with their text in UTF-8."""

    decoded: bytes
    source: bytes
    #: The escape sequence if the piece is one, or empty.
    escape: bytes = b""


class Decoder:
    """Decodes a page that arrives in chunks."""

    def __init__(self) -> None:
        self._set = ASCII
        self._rest = b""
        #: Whether the last piece was an escape sequence: a second one directly after it is an error.
        self._bare = False

    def decode(self, data: bytes, *, final: bool = False) -> list[Piece]:
        """Return the pieces of ``data`` that are complete."""
        data = self._rest + data
        pieces: list[Piece] = []
        at = 0
        while at < len(data):
            piece = self._next(data, at, final=final)
            if piece is None:
                break
            self._bare = bool(piece.escape)
            pieces.append(piece)
            at += len(piece.source)
        self._rest = data[at:]
        return pieces

    def _next(self, data: bytes, at: int, *, final: bool) -> Piece | None:
        first = data[at]
        if first == 0x1B:
            return self._escape(data[at : at + 3], final=final)
        run = _RUNS.get(self._set)
        if run is not None:
            found = run.match(data, at)
            if found:
                return Piece(found.group(), found.group())
            roman = _ROMAN_ONLY.get(first) if self._set == _ROMAN else None
            return Piece(roman or _UNKNOWN, data[at : at + 1])
        if self._set == _KATAKANA:
            known = 0x21 <= first <= 0x5F
            return Piece(chr(0xFF61 - 0x21 + first).encode() if known else _UNKNOWN, data[at : at + 1])
        return self._pair(data[at : at + 2], final=final)

    def _escape(self, source: bytes, *, final: bool) -> Piece | None:
        if source in _ESCAPES:
            self._set = source
            return Piece(_UNKNOWN if self._bare else b"", source, source)
        if not final and any(escape.startswith(source) for escape in _ESCAPES):
            return None
        return Piece(_UNKNOWN, source[:1])

    def _pair(self, source: bytes, *, final: bool) -> Piece | None:
        if not 0x21 <= source[0] <= 0x7E:
            return Piece(_UNKNOWN, source[:1])
        if len(source) < 2:
            return Piece(_UNKNOWN, source) if final else None
        if source[1] == 0x1B:
            return Piece(_UNKNOWN, source[:1])
        if not 0x21 <= source[1] <= 0x7E:
            return Piece(_UNKNOWN, source)
        return Piece(jis.pair(*source).encode(), source)


def decoded(data: bytes) -> bytes:
    """Return the text of complete ``data`` in UTF-8."""
    return b"".join([piece.decoded for piece in Decoder().decode(data, final=True)])


class SourceBytes:
    """The page's own bytes, addressed by lengths of decoded text; insertions are in ASCII."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._set = ASCII
        #: The set that was active before an insertion; the next character switches back to it.
        self._interrupted = b""

    def add(self, pieces: Iterable[Piece]) -> None:
        """Add the next pieces of the page."""
        for piece in pieces:
            if len(piece.source) <= _LONGEST:
                self._pieces.append(piece)
                continue
            # Only runs of ASCII are long, and their text is their source.
            for at in range(0, len(piece.source), _LONGEST):
                part = piece.source[at : at + _LONGEST]
                self._pieces.append(Piece(part, part))

    def take(self, count: int) -> bytes:
        """Return the source bytes of the next ``count`` bytes of decoded text."""
        out = []
        while count > 0 and self._pieces:
            piece = self._pieces.popleft()
            if len(piece.decoded) > count:
                self._pieces.appendleft(Piece(piece.decoded[count:], piece.source[count:]))
                piece = Piece(piece.decoded[:count], piece.source[:count], piece.escape)
            count -= len(piece.decoded)
            out.append(self._emit(piece))
        return b"".join(out)

    def drop(self, count: int) -> bytes:
        """Skip the next ``count`` bytes of decoded text, and return the escape sequences in them."""
        out = []
        while count > 0 and self._pieces:
            piece = self._pieces.popleft()
            if len(piece.decoded) > count:
                self._pieces.appendleft(Piece(piece.decoded[count:], piece.source[count:]))
                break
            count -= len(piece.decoded)
            if piece.escape:
                out.append(self._emit(piece))
        return b"".join(out)

    def place(self, inserted: bytes) -> bytes:
        """Return the bytes to send for an insertion at this place."""
        if not inserted:
            return b""
        out = b""
        while not self._fits(inserted) and self._pieces and self._pieces[0].escape and not self._pieces[0].decoded:
            out += self._emit(self._pieces.popleft())
        if not self._fits(inserted):
            self._interrupted, self._set = self._set, ASCII
            out += ASCII
        return out + inserted

    def _fits(self, inserted: bytes) -> bool:
        """Return whether an insertion means the same in the active set as in ASCII."""
        return self._set == ASCII or (self._set == _ROMAN and not (b"\\" in inserted or b"~" in inserted))

    def rest(self) -> bytes:
        """Return the remaining bytes at the end of the page."""
        return b"".join([self._emit(piece) for piece in self._pieces])

    def _emit(self, piece: Piece) -> bytes:
        again, self._interrupted = self._interrupted, b""
        if piece.escape:
            self._set = piece.escape
            return piece.source
        if again:
            self._set = again
        return again + piece.source
