"""Content codings are opened and closed again without loss, in a stream, and within bounds."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from collections.abc import Mapping

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.engine.codings import known_codings
from consent_mw.errors import RefusedMarkup
from consent_mw.http.content_coding import CodedStream
from consent_mw.http.content_coding import narrowed


def raw_deflate(data: bytes) -> bytes:
    """Compress without the zlib header, as some servers do under the name of deflate."""
    stream = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def stored(data: bytes, padding: int = 0) -> bytes:
    """Return a block of deflate that is not the last and compresses nothing (RFC 1951, section 3.2.4)."""
    size = len(data)
    return bytes([padding << 3]) + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + data


def seeming_zlib(data: bytes) -> bytes:
    """Compress without the zlib header, with a first block that begins like one: 0x78, then 94 or 1."""
    size = 94 if len(data) >= 94 else len(data[:1])
    return (stored(data[:size], 0x78 >> 3) if size else b"") + raw_deflate(data[size:])


def unzstd(data: bytes) -> bytes:
    """Open one frame of zstd."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


#: Form: the coding's name, what makes it, what opens it.
FORMS: Mapping[str, tuple[str, Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress, gzip.decompress),
    "x-gzip": ("x-gzip", gzip.compress, gzip.decompress),
    "gzip in members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]), gzip.decompress),
    "deflate": ("deflate", zlib.compress, zlib.decompress),
    "deflate without a header": ("deflate", raw_deflate, zlib.decompress),
    "deflate that seems to have a header": ("deflate", seeming_zlib, zlib.decompress),
    "br": ("br", brotli.compress, brotli.decompress),
    "zstd": ("zstd", zstandard.compress, unzstd),
}
ALL = pytest.mark.parametrize("form", FORMS)


class Marking:
    """Puts a mark at the end of a page, and nothing else."""

    def feed(self, chunk: bytes) -> bytes:
        """Pass it on."""
        return chunk

    def finish(self) -> bytes:
        """Return the mark."""
        return b"!"


def stream(form: str) -> CodedStream:
    """Return a stream of the form's coding."""
    return CodedStream(Marking(), known_codings()[FORMS[form][0]])


def through(form: str, data: bytes, size: int) -> bytes:
    """Send bytes through in pieces of one size."""
    coded = stream(form)
    return b"".join(coded.feed(data[at : at + size]) for at in range(0, len(data), size)) + coded.finish()


@ALL
@given(page=st.binary(max_size=300), times=st.integers(1, 400), size=st.integers(1, 5000))
def test_a_page_comes_out_as_it_went_in(form: str, page: bytes, times: int, size: int) -> None:
    """Whatever the page and however it is cut, it is the same once it is opened again."""
    _, pack, unpack = FORMS[form]
    assert unpack(through(form, pack(page * times), size)) == page * times + b"!"


@ALL
def test_an_empty_body_is_an_empty_page(form: str) -> None:
    """A response that announces a coding may have no bytes at all."""
    assert FORMS[form][2](stream(form).finish()) == b"!"


def test_a_chunk_in_gives_the_chunk_out() -> None:
    """What the app has flushed the browser can read, before the next chunk comes."""
    app, browser = zlib.compressobj(6, zlib.DEFLATED, 31), zlib.decompressobj(31)
    coded = stream("gzip")
    read = [
        browser.decompress(coded.feed(app.compress(text) + app.flush(zlib.Z_SYNC_FLUSH)))
        for text in (b"<p>one", b"<p>two")
    ]
    assert read == [b"<p>one", b"<p>two"]


def test_what_is_not_flushed_is_shorter() -> None:
    """A page in one piece pays nothing for a stream that it is not."""
    page = gzip.compress(b"<p>text")
    assert len(stream("gzip").feed(page, flush=False)) < len(stream("gzip").feed(page))


@ALL
def test_a_body_that_is_not_of_its_coding_is_refused(form: str) -> None:
    """Bytes that cannot be opened are not passed on in hope."""
    with pytest.raises(RefusedMarkup, match="it is damaged"):
        through(form, b"<html> this is no compressed page </html>", 1000)


@ALL
@pytest.mark.parametrize("left", [1, 40])
def test_a_body_that_ends_too_early_is_refused(form: str, left: int) -> None:
    """A page of which a part is missing is not taken for the whole."""
    packed = FORMS[form][1](bytes(range(256)) * 40)
    with pytest.raises(RefusedMarkup, match="ends too early"):
        through(form, packed[:left], 7)


@ALL
def test_a_bomb_is_refused_before_it_is_opened_whole(form: str) -> None:
    """A body of some kilobytes that unfolds without end is given up on at 16 MiB."""
    bomb = FORMS[form][1](bytes(64_000_000))
    seen = 0

    class Counting(Marking):
        def feed(self, chunk: bytes) -> bytes:
            nonlocal seen
            seen += len(chunk)
            return b""

    coded = CodedStream(Counting(), known_codings()[FORMS[form][0]])
    with pytest.raises(RefusedMarkup, match="unfolds to more than"):
        coded.feed(bomb)
        coded.finish()
    assert seen < 20_000_000


@pytest.mark.parametrize("size", [1, 3, 100_000])
def test_deflate_that_seems_to_have_no_header_is_opened(size: int) -> None:
    """A zlib stream may begin like a stored block that gives its length twice (0x9C and 0x63), however it is cut."""
    page = bytes(0xFF63)
    packed = b"\x78\x9c" + stored(page) + raw_deflate(b"") + zlib.adler32(page).to_bytes(4, "big")
    coded = stream("deflate")
    out = b"".join(coded.feed(packed[at : at + size], flush=False) for at in range(0, len(packed), size))
    assert zlib.decompress(out + coded.finish()) == page + b"!"


def test_endless_padding_takes_no_memory() -> None:
    """What is kept of the bytes behind a stream is bounded."""
    coded = stream("gzip")
    coded.feed(gzip.compress(b"page"))
    tracemalloc.start()
    for _ in range(200):
        coded.feed(bytes(100_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_what_follows_a_stream_is_ignored() -> None:
    """Padding behind the end is not part of the page; browsers do not show it either."""
    assert gzip.decompress(through("gzip", gzip.compress(b"page") + b"\0" * 9, 5)) == b"page!"


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("gzip, deflate, br, zstd", "gzip, br"),
        ("GZip;q=0.5,br;q=1", "GZip;q=0.5, br;q=1"),
        ("*", ""),
        ("identity", ""),
        (",, ,", ""),
    ],
)
def test_codings_that_are_not_known_are_taken_out(given: str, left: str) -> None:
    """What remains keeps its order and its weights (RFC 9110, section 12.5.3)."""
    assert narrowed(given, frozenset({"gzip", "br"})) == left
