"""
Custom elements that must not come to life: they get another name until their service is granted.

Theory of operation. The code of ``<lite-youtube>`` is the site's own and runs; when the element enters the page, that
code asks YouTube for a picture. No attribute can be held that would stop it. So the element is renamed, by a few bytes
before its name, in the start tag and in the end tag.

A page must go on meaning the same to a browser, for all that is held behind it. It does if every end tag goes on
closing what it closed: the tags of a name are renamed in pairs, and only while no element of that name kept it. An end
tag is found where nothing between could hide it: no text that is no markup, no comment, no element of the same name,
and not further away than :data:`REACH`. Where it is not found, the element keeps its name, and its attributes are held
like any other's.
"""

from __future__ import annotations

from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import TAG

__all__ = ["PREFIX", "end_of"]

#: What is put before the name.
PREFIX = b"cmw-"
#: How far away an end tag may be, in bytes.
REACH = 16_384
#: What changes how the text behind it is read, or which end tags count.
_CHANGES_READING = RAW_TEXT | frozenset(
    b"script noscript plaintext select template frameset math foreignobject desc html body base".split()
)
#: Stands for an end tag that may still come.
_MAY_COME = -2


def end_of(cursor: Cursor, name: bytes, start: int, at: int) -> int | None:
    """
    Return where the end tag of the custom element begins whose start tag is from ``start`` to ``at``.

    Returns:
        An offset in the buffer; -1 where no end tag is found that surely closes it; None to wait for more bytes.
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
