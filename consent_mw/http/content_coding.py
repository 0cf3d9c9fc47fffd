"""
Content codings (RFC 9110, section 8.4.1): a compressed page is decompressed, rewritten and compressed as it streams.

Decompression bombs cannot exhaust memory: a page is decompressed in small pieces, each of which is rewritten and
compressed again before the next, and a page with an absurd ratio is refused. gzip and deflate are built in. Others,
whose libraries may not be installed, are passed in as a :class:`Coding`.
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

#: Bytes that are decompressed at a time.
PIECE = 65_536
#: A page that decompresses to more than this ...
_LARGE = 16_777_216
#: ... must not be more than this many times its compressed size. HTML stays far below; deflate's limit is 1032.
_RATIO = 200
#: The compression level; gzip's default takes twice the time to save two per cent.
_LEVEL = 4
#: The bytes of a stream by which zlib and raw deflate are told apart: decoded as the wrong one, they are invalid.
_IN_DOUBT = 64


class Opener(Protocol):
    """Decompresses one stream."""

    def open(self, data: bytes) -> Iterator[bytes]:
        """
        Yield the decompressed bytes in pieces of about PIECE bytes.

        Raises:
            ValueError: the data is not in this coding.
        """
        ...

    @property
    def complete(self) -> bool:
        """Whether the stream may end here."""
        ...


class Closer(Protocol):
    """Compresses one stream."""

    def close(self, data: bytes) -> bytes:
        """Take the next bytes and return what can go out."""
        ...

    def flush(self) -> bytes:
        """Return the bytes that a reader needs to decode everything taken so far."""
        ...

    def finish(self) -> bytes:
        """Return the end of the stream."""
        ...


class Stream(Protocol):
    """Rewrites a decompressed page (:class:`consent_mw.html.charset.PageStream`)."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and return what can go out."""
        ...

    def finish(self) -> bytes:
        """Return the rest."""
        ...


@dataclass(frozen=True, slots=True)
class Coding:
    """How to decompress and compress one content coding."""

    opener: Callable[[], Opener]
    closer: Callable[[], Closer]


def _has_zlib_header(start: bytes) -> bool | None:
    """
    Return whether deflate data begins with a zlib header (RFC 1950, section 2.2), or None if that takes more bytes.

    Some servers send deflate without it; browsers accept both. Raw deflate looks like a header only if it begins with a
    stored block whose padding has bits set. Such a block gives its length twice, once inverted (RFC 1951, section
    3.2.4). One in 65,536 zlib streams does that by chance, so a stream that may be either is tried as zlib first.
    """
    method, flags = start[0], start[1]
    if method & 0x0F != 8 or method > 0x7F or flags & 0x20 or (method << 8 | flags) % 31:
        return False
    if len(start) < 5:
        return None
    if (start[1] ^ start[3], start[2] ^ start[4]) != (0xFF, 0xFF):
        return True
    stream = zlib.decompressobj()
    try:
        stream.decompress(start[:_IN_DOUBT])
    except zlib.error:
        return False
    return True if stream.eof or len(start) >= _IN_DOUBT else None


class _Inflate:
    """Decompresses gzip (RFC 1952) with all its members, and deflate with or without the zlib header (RFC 1950)."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._stream = zlib.decompressobj(wbits)
        self._members = 0
        self._begun = False
        #: The first bytes of the next member, while they are too few to recognise its format.
        self._start = b""

    def open(self, data: bytes) -> Iterator[bytes]:
        while data:
            if not self._begun:
                data = self._start + data
                if not self._begin(data):
                    return
                self._start = b""
            try:
                piece = self._stream.decompress(data, PIECE)
            except zlib.error:
                raise ValueError("it is damaged") from None
            self._begun = True
            data = self._stream.unconsumed_tail
            if self._stream.eof:
                data = self._stream.unused_data
                self._stream = zlib.decompressobj(self._wbits)
                self._members += 1
                self._begun = False
            if piece:
                yield piece

    def _begin(self, data: bytes) -> bool:
        """Return whether a member starts with this data; if that is still open, keep the data for the next call."""
        self._start = data[:_IN_DOUBT]
        if len(data) < 2 or (self._members and not self._goes_on(data)):
            return False
        if self._wbits == zlib.MAX_WBITS:
            wrapped = _has_zlib_header(data)
            if wrapped is None:
                return False
            if not wrapped:
                self._wbits = -zlib.MAX_WBITS
                self._stream = zlib.decompressobj(self._wbits)
        return True

    def _goes_on(self, data: bytes) -> bool:
        return self._wbits > zlib.MAX_WBITS and data.startswith(b"\x1f\x8b")

    @property
    def complete(self) -> bool:
        return not self._begun and bool(self._members or not self._start)


class _Deflate:
    """Compresses gzip and deflate."""

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


#: The codings that are always available, by lower-case name.
BUILT_IN: Mapping[str, Coding] = MappingProxyType(
    {
        "gzip": _zlib(zlib.MAX_WBITS + 16),
        "x-gzip": _zlib(zlib.MAX_WBITS + 16),
        "deflate": _zlib(zlib.MAX_WBITS),
    }
)


class CodedStream:
    """
    Rewrites a page that has a content coding.

    Args:
        inner: Rewrites the decompressed page.
        coding: The coding of the body.

    Raises:
        RefusedMarkup: from feed and finish, if the page cannot be decompressed.
    """

    def __init__(self, inner: Stream, coding: Coding) -> None:
        self._inner = inner
        self._opener = coding.opener()
        self._closer = coding.closer()
        self._taken = 0
        self._opened = 0

    def feed(self, chunk: bytes, *, flush: bool = True) -> bytes:
        """Take the next bytes and return what can be sent; without ``flush`` (the end is near) more is kept back."""
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
    """Return Accept-Encoding without unknown codings; identity is always acceptable (RFC 9110, section 12.5.3)."""
    parts = [part.strip() for part in accept_encoding.split(",")]
    return ", ".join(part for part in parts if part.partition(";")[0].strip().lower() in known)
