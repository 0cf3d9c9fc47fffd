"""
The mark of a video, audio or picture element, which counts for the sources inside it.

Theory of operation. An author who writes ``<video data-consent="analytics">`` means what the video loads, and the
addresses of that are in elements inside it. A mark may also exempt (``necessary``), so it must not reach beyond the
element. Hence the end tag is found first, and the mark counts up to there. The end tag must be at most :data:`REACH`
bytes away. Nothing before it may hide it or close the element: no script, no template, no second element of the same
name, no end of an element around it. If the end is not certain, the mark counts for its own element only.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from consent_mw.html.elements import Attribute
from consent_mw.html.elements import attributes
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.tokens import NO_TAGS
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import end_tag

__all__ = ["COVERED", "MARK", "MEDIA", "Cover", "cover_of"]

#: The elements whose mark counts for what is inside, and the elements inside for which it counts.
MEDIA = frozenset({b"video", b"audio", b"picture"})
COVERED = frozenset({b"source", b"track", b"img", b"image"})
#: The greatest distance of an end tag from the start tag, in bytes.
REACH = 16_384
MARK = b"data-consent"
_DECLARES = re.compile(rb"<[!?]")
#: Elements after which it is not certain which end tags count.
_UNCLEAR = frozenset(
    b"script noscript plaintext select template frameset math svg foreignobject desc html body base table"
    b" td th caption button object applet marquee".split()
)


class Cover(NamedTuple):
    """A marked element: its mark, and the offset in the page of its end tag."""

    mark: list[Attribute]
    end: int


def cover_of(cursor: Cursor, name: bytes, start: int, at: int, *, xml: bool = False) -> Cover | bool:
    """
    Return what the mark of an element counts for.

    Args:
        name: The name of the element, lower-case; with its prefix in XML.
        start: Where its start tag begins in the buffer.
        at: Where its start tag ends.

    Returns:
        False for nothing inside it; True to wait for more bytes.
    """
    mark = attributes(bytes(cursor.buffer[start:at]), 1 + len(name)).get(MARK)
    if not mark:
        return False
    end = _end(cursor.buffer, name, at)
    if end is None:
        return not (cursor.final or cursor.is_too_long(start))
    # Sections and instructions of XML end elsewhere than the comments that HTML takes them for.
    if end < 0 or (xml and _DECLARES.search(cursor.buffer, at, end)):
        return False
    return Cover(mark, cursor.origin + end)


def _end(buffer: bytearray, name: bytes, at: int) -> int | None:
    """Return the offset of the end tag; -1 if it is not certain, None if it may still come."""
    limit = at + REACH
    opened: Counter[bytes] = Counter()
    while at < limit:
        at = NO_TAGS.match(buffer, at, limit).end()  # type: ignore[union-attr]
        found = TAG.match(buffer, at, limit)
        if found is None:
            break
        here = found.group(2).lower()
        if here == name:
            return at if found.group(1) else -1
        opened[here] += -1 if found.group(1) else 1
        if here in _UNCLEAR or opened[here] < 0:
            return -1
        at = found.end()
        if here in RAW_TEXT and not found.group(1):
            close = end_tag(here).search(buffer, at, limit)
            if close is None:
                break
            at = close.start()
    return -1 if len(buffer) >= limit else None
