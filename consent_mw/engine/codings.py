"""
The content codings that this installation can decode: gzip and deflate; brotli and zstd with the extra ``compress``.

Other codings are not offered to the application, so that it does not send a page that cannot be decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec

from consent_mw.http.content_coding import BUILT_IN
from consent_mw.http.content_coding import PIECE
from consent_mw.http.content_coding import Coding

__all__ = ["known_codings", "known_names"]

#: Brotli's quality: takes about as long as gzip, and is a tenth smaller.
_BROTLI_QUALITY = 4
_ZSTD_LEVEL = 3
#: Zstandard decompresses its whole input at once, and four bytes can expand to 128 KiB (RFC 8878, section 3.1.1.2.2).
_ZSTD_BITE = 64
#: The largest window that browsers accept (RFC 9659).
_ZSTD_WINDOW = 8_388_608


class _BrotliOpener:
    def __init__(self) -> None:
        import brotli

        self._error: type[Exception] = brotli.error
        self._stream = brotli.Decompressor()
        self._begun = False

    def open(self, data: bytes) -> Iterator[bytes]:
        while data or not self._stream.can_accept_more_data():
            if self._stream.is_finished():
                return
            self._begun = True
            try:
                piece = self._stream.process(data, output_buffer_limit=PIECE)
            except self._error:
                raise ValueError("it is damaged") from None
            data = b""
            if piece:
                yield piece

    @property
    def complete(self) -> bool:
        return not self._begun or bool(self._stream.is_finished())


class _BrotliCloser:
    def __init__(self) -> None:
        import brotli

        self._stream = brotli.Compressor(quality=_BROTLI_QUALITY)

    def close(self, data: bytes) -> bytes:
        out: bytes = self._stream.process(data)
        return out

    def flush(self) -> bytes:
        out: bytes = self._stream.flush()
        return out

    def finish(self) -> bytes:
        out: bytes = self._stream.finish()
        return out


class _ZstdOpener:
    def __init__(self) -> None:
        import zstandard

        self._error: type[Exception] = zstandard.ZstdError
        self._reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._stream = self._reader.decompressobj()
        self._begun = False

    def open(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_BITE):
            bite = data[at : at + _ZSTD_BITE]
            while bite:
                if self._stream.eof:
                    self._stream = self._reader.decompressobj()  # frame after frame (RFC 8878, section 3.1)
                self._begun = True
                try:
                    piece: bytes = self._stream.decompress(bite)
                except self._error:
                    raise ValueError("it is damaged") from None
                bite = self._stream.unused_data if self._stream.eof else b""
                if piece:
                    yield piece

    @property
    def complete(self) -> bool:
        return not self._begun or bool(self._stream.eof)


class _ZstdCloser:
    def __init__(self) -> None:
        import zstandard

        self._flush_block: int = zstandard.COMPRESSOBJ_FLUSH_BLOCK
        self._stream = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()

    def close(self, data: bytes) -> bytes:
        out: bytes = self._stream.compress(data)
        return out

    def flush(self) -> bytes:
        out: bytes = self._stream.flush(self._flush_block)
        return out

    def finish(self) -> bytes:
        out: bytes = self._stream.flush()
        return out


@cache
def known_codings() -> Mapping[str, Coding]:
    """Return the available codings by their names in HTTP."""
    found = dict(BUILT_IN)
    try:
        import brotli
    except ImportError:
        pass
    else:
        # Older versions have no limit on the output.
        if hasattr(brotli.Decompressor, "can_accept_more_data"):
            found["br"] = Coding(_BrotliOpener, _BrotliCloser)
    if find_spec("zstandard") is not None:
        found["zstd"] = Coding(_ZstdOpener, _ZstdCloser)
    return found


@cache
def known_names() -> frozenset[str]:
    """Return the names of :func:`known_codings`."""
    return frozenset(known_codings())
