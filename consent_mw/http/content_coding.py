"""
Content codings (RFC 9110, section 8.4.1): a compressed page is opened, rewritten and closed again, as it streams.

Memory is bounded against pages that unfold without end: a coding gives back
what it opens in small pieces, each of which is rewritten and closed again
before the next is opened, and a page that unfolds beyond all reason is
refused. gzip and deflate are here; others, whose libraries a site may lack,
come from outside as a :class:`Coding`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

from consent_mw.errors import RefusedMarkup

#: Bytes that are opened at once.
PIECE = 65_536
#: A page that unfolds to more than this ...
_LARGE = 16_777_216
#: ... may not be this many times its compressed size: HTML stays far below, and deflate cannot do more than 1032.
_RATIO = 200
#: gzip's effort; its default costs twice the time for two per cent.
_LEVEL = 4


class Opener(Protocol):
    """Opens one stream of a coding."""

    def open(self, data: bytes) -> Iterator[bytes]:
        """
        Yield what ``data`` unfolds to, in pieces of about PIECE bytes.

        Raises:
            ValueError: it is not of this coding.
        """
        ...

    @property
    def complete(self) -> bool:
        """Whether the stream may end here."""
        ...


class Closer(Protocol):
    """Closes one stream of a coding."""

    def close(self, data: bytes) -> bytes:
        """Take the next bytes and return what can go out."""
        ...

    def flush(self) -> bytes:
        """Return what is needed to read all that was taken so far."""
        ...

    def finish(self) -> bytes:
        """Return the end of the stream."""
        ...


class Stream(Protocol):
    """What rewrites an open page (:class:`consent_mw.html.charset.PageStream`)."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and return what can go out."""
        ...

    def finish(self) -> bytes:
        """Return the rest."""
        ...


@dataclass(frozen=True, slots=True)
class Coding:
    """How one content coding is opened and closed."""

    opener: Callable[[], Opener]
    closer: Callable[[], Closer]


class _Inflate:
    """Opens gzip (RFC 1952), member after member, and deflate, with or without the zlib header (RFC 1950)."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._stream = zlib.decompressobj(wbits)
        self._members = 0
        self._begun = False
        self._start = b""

    def open(self, data: bytes) -> Iterator[bytes]:
        while data:
            if not self._begun:
                # Two bytes tell a zlib header from none, and another member of gzip from padding.
                data = self._start + data
                self._start = data
                if len(data) < 2 or (self._members and not self._goes_on(data)):
                    return
                self._start = b""
            try:
                piece = self._stream.decompress(data, PIECE)
            except zlib.error:
                if self._begun or self._wbits != zlib.MAX_WBITS:
                    raise ValueError("it is damaged") from None
                # Some servers have always sent deflate without its header, and browsers read both.
                self._wbits = -zlib.MAX_WBITS
                self._stream = zlib.decompressobj(self._wbits)
                continue
            self._begun = True
            data = self._stream.unconsumed_tail
            if self._stream.eof:
                data = self._stream.unused_data
                self._stream = zlib.decompressobj(self._wbits)
                self._members += 1
                self._begun = False
            if piece:
                yield piece

    def _goes_on(self, data: bytes) -> bool:
        return self._wbits > zlib.MAX_WBITS and data.startswith(b"\x1f\x8b")

    @property
    def complete(self) -> bool:
        return not self._begun and bool(self._members or not self._start)


class _Deflate:
    """Closes gzip and deflate."""

    def __init__(self, wbits: int) -> None:
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, wbits)

    def close(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def flush(self) -> bytes:
        return self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._stream.flush()


def _zlib(wbits: int) -> Coding:
    return Coding(lambda: _Inflate(wbits), lambda: _Deflate(wbits))


#: The codings that are always there, by their names in lower case.
BUILT_IN: Mapping[str, Coding] = MappingProxyType(
    {
        "gzip": _zlib(zlib.MAX_WBITS + 16),
        "x-gzip": _zlib(zlib.MAX_WBITS + 16),
        "deflate": _zlib(zlib.MAX_WBITS),
    }
)


class CodedStream:
    """
    Rewrites a page that stands in a content coding.

    Args:
        inner: Rewrites the open page.
        coding: Of the whole.

    Raises:
        RefusedMarkup: from feed and finish, where the page cannot be opened.
    """

    def __init__(self, inner: Stream, coding: Coding) -> None:
        self._inner = inner
        self._opener = coding.opener()
        self._closer = coding.closer()
        self._taken = 0
        self._opened = 0

    def feed(self, chunk: bytes, *, flush: bool = True) -> bytes:
        """Take the next bytes and return what can go out; without ``flush`` the end is not far, and more is kept."""
        self._taken += len(chunk)
        out = bytearray()
        fresh = False
        try:
            for piece in self._opener.open(chunk):
                self._opened += len(piece)
                if self._opened > _LARGE and self._opened > self._taken * _RATIO:
                    raise RefusedMarkup(f"the compressed page unfolds to more than {_RATIO} times its size")
                rewritten = self._inner.feed(piece)
                fresh = fresh or bool(rewritten)
                out += self._closer.close(rewritten)
        except ValueError as error:
            raise RefusedMarkup(f"the page is said to be compressed, and {error}", "Content-Encoding") from None
        if flush and fresh:
            out += self._closer.flush()
        return bytes(out)

    def finish(self) -> bytes:
        """Return the rest."""
        if not self._opener.complete:
            raise RefusedMarkup("the compressed page ends too early", "Content-Encoding")
        return self._closer.close(self._inner.finish()) + self._closer.finish()


@lru_cache(maxsize=256)
def narrowed(accept_encoding: str, known: frozenset[str]) -> str:
    """Return the header's value less the codings that are not known; identity needs no mention (section 12.5.3)."""
    parts = [part.strip() for part in accept_encoding.split(",")]
    return ", ".join(part for part in parts if part.partition(";")[0].strip().lower() in known)
