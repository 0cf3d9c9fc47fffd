"""
Custom elements that must not run yet: they are renamed until their service is granted.

Theory of operation. The code of ``<lite-youtube>`` is served by the site, so it runs. When the element enters the page,
that code requests a picture from YouTube, and no held attribute would prevent it. So the element is renamed, by a
prefix before its name in the start tag and in the end tag.

The rest of the page must still be parsed in the same way, since holds depend on it. It is if every end tag closes the
same element as before. So the tags of a name are renamed in pairs, and only as long as every element of that name was
renamed. An end tag is accepted only if nothing before it could hide it: no raw text, no comment, no element of the same
name, and no more than :data:`REACH` bytes. If it is not found, the element keeps its name, and its attributes are held
like those of any other element.
"""

from __future__ import annotations

from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import TAG

__all__ = ["PREFIX", "end_of"]

#: The prefix of a renamed element.
PREFIX = b"cmw-"
#: The greatest distance of an end tag from the start tag, in bytes.
REACH = 16_384
#: Elements that change how the following text is read, or which end tags count.
_CHANGES_READING = RAW_TEXT | frozenset(
    b"script noscript plaintext select template frameset math foreignobject desc html body base".split()
)
#: Result of a search if the end tag may still come.
_MAY_COME = -2


def end_of(cursor: Cursor, name: bytes, start: int, at: int) -> int | None:
    """
    Find the end tag of the custom element whose start tag is from ``start`` to ``at``.

    Returns:
        Its offset in the buffer; -1 if no end tag surely closes the element; None to wait for more bytes.
    """
    found = _search(cursor.buffer, name, at)
    if found != _MAY_COME:
        return found
    return -1 if cursor.final or cursor.is_too_long(start) else None


def _search(buffer: bytearray, name: bytes, at: int) -> int:
    limit = at + REACH
    while True:
        at = buffer.find(b"<", at, limit)
        if at < 0:
            return -1 if len(buffer) >= limit else _MAY_COME
        found = TAG.match(buffer, at, limit)
        if found is None:
            begins = bytes(buffer[at + 1 : at + 3]).removeprefix(b"/")
            if begins[:1].isalpha() or not begins:
                return -1 if len(buffer) >= limit else _MAY_COME
            if begins[:1] in (b"!", b"?", b">") or buffer[at + 1] == 0x2F:
                return -1
            at += 1
            continue
        here = found.group(2).lower()
        if here == name:
            return at if found.group(1) else -1
        if here in _CHANGES_READING:
            return -1
        at = found.end()
