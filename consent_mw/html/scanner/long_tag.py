"""
Tags that a chunk cut, and tags that are too long to keep back.

Theory of operation. A tag is normally planned as a whole, so one that is cut has to wait for its end. :class:`LongTag`
watches it, so that its bytes are not searched again with every chunk. If the tag exceeds the limit, its complete
attributes are planned as if the tag ended there, and the beginning is sent. Each later attribute is then planned alone.
It can still be disarmed, since that takes an insertion before its name only. Of a value that is itself too long, the
beginning decides. Whatever cannot be decided in this way is refused.
"""

from __future__ import annotations

import re

from consent_mw.errors import RefusedMarkup
from consent_mw.html.chunks import TagWatch
from consent_mw.html.elements import Tag
from consent_mw.html.elements import executes
from consent_mw.html.hold_policy import KEY
from consent_mw.html.holder import TOO_LONG
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.cursor import Mode
from consent_mw.html.scanner.document import Document
from consent_mw.html.tokens import ATTRIBUTE
from consent_mw.html.tokens import OPEN_VALUE

_GAP = re.compile(rb"[ \t\n\r\f/]*+")
_SPACES = re.compile(rb"[ \t\n\r\f]*+")
_NAME = re.compile(rb"</?([^ \t\n\r\f/>]*+)")
#: The end of an attribute's value, by its quote.
_END_OF_LONG = {b'"': re.compile(rb'"'), b"'": re.compile(rb"'"), b"": re.compile(rb"(?=[ \t\n\r\f>])")}


class LongTag:
    """Waits for the end of a tag, and handles a tag whose end does not come within the limit."""

    def __init__(self, cursor: Cursor, document: Document) -> None:
        self._cursor = cursor
        self._document = document
        self._watch: TagWatch | None = None
        #: Offset in the page of the watched tag.
        self._watched = -1
        #: The name of the element whose tag is too long.
        self.name = b""
        #: Whether it is an element of SVG, MathML or XML.
        self.foreign = False
        #: Whether the last byte between its attributes was a slash.
        self.slash = False
        #: The names of the attributes so far, and the bytes of the later ones.
        self._seen: set[bytes] = set()
        self._names = 0
        self._quote = b""

    def waits(self) -> bool:
        """Return whether the tag at the position was cut and cannot be complete yet."""
        cursor = self._cursor
        if self._watch is None or self._watched != cursor.offset:
            return False
        if cursor.final or cursor.is_too_long(cursor.position):
            return False
        return not self._watch.may_end(cursor.buffer, cursor.position)

    def is_too_long(self, position: int) -> bool:
        """Watch the incomplete tag at ``position``, and return whether it is too long to wait for."""
        cursor = self._cursor
        if self._watch is None or self._watched != cursor.origin + position:
            self._watched = cursor.origin + position
            self._watch = TagWatch()
        self._watch.may_end(cursor.buffer, position)
        if not cursor.is_too_long(position):
            return False
        name = _NAME.match(cursor.buffer, position)
        if cursor.buffer[position + 1 : position + 2] == b"/" or name is None or name.end() == len(cursor.buffer):
            raise RefusedMarkup("a tag without attributes is longer than hold_back", "hold_back")
        return True

    def name_at(self, start: int) -> bytes:
        """Return the name in the tag at ``start``; in lower case, except in XML."""
        name = bytes(_NAME.match(self._cursor.buffer, start).group(1))  # type: ignore[union-attr]
        return name if self._document.holder.xml else name.lower()

    def begin(self, start: int, *, foreign: bool) -> None:
        """
        Apply a plan to the beginning of a start tag that is too long to keep back.

        The complete attributes are planned together, as in any tag. Later ones are planned one by one.
        """
        cursor, document = self._cursor, self._document
        holder = document.holder
        watch = TagWatch()
        watch.may_end(cursor.buffer, start)
        raw = bytes(cursor.buffer[start : start + watch.attribute]) + b">"
        name = self.name_at(start)
        if holder.xml:
            name = name.rpartition(b":")[2]
        tag = Tag.read(name, raw, xml=holder.xml, foreign=foreign, in_noscript=document.in_noscript)
        tag = tag._replace(removable=False)
        if name == b"script" and executes(tag.attributes, holder.text) and b"src" not in tag.attributes:
            # Its content is not waited for, so it is held.
            tag = tag._replace(code=(TOO_LONG,))
        plan = holder.plan(tag)
        if plan is not None:
            document.apply(plan, start)
        self.name = name
        self.foreign = foreign
        self.slash = False
        self._seen = set(tag.attributes)
        self._names = 0
        cursor.position = start + watch.attribute
        cursor.mode = Mode.LONG_TAG

    def value(self) -> bool:
        """Pass the rest of a long attribute value."""
        cursor = self._cursor
        found = _END_OF_LONG[self._quote].search(cursor.buffer, cursor.position)
        if found is None:
            cursor.position = len(cursor.buffer)
            return False
        cursor.position = found.end()
        cursor.mode = Mode.LONG_TAG
        return True

    def attributes(self) -> bool:
        """Plan the following attributes one by one; set the mode to DATA at the end of the tag."""
        cursor = self._cursor
        buffer = cursor.buffer
        while True:
            position = _GAP.match(buffer, cursor.position).end()  # type: ignore[union-attr]
            if position > cursor.position:
                self.slash = buffer[position - 1] == 0x2F
                cursor.position = position
            if position >= len(buffer):
                return False
            if buffer[position] == 0x3E:
                cursor.position = position + 1
                cursor.mode = Mode.DATA
                return True
            found = ATTRIBUTE.match(buffer, position)
            assert found is not None  # noqa: S101 -- any byte but a separator or ">" begins a name
            opened = OPEN_VALUE.match(buffer, position)
            if not _is_whole(buffer, found, opened):
                return self._cut_attribute(position, opened)
            end = found.end()
            self._late_attribute(found.group(1).lower(), bytes(found.group()), cut=False)
            self.slash = False
            cursor.position = end

    def _cut_attribute(self, position: int, opened: re.Match[bytes] | None) -> bool:
        """Handle an attribute whose end has not arrived; return False to wait for it."""
        cursor = self._cursor
        if not cursor.is_too_long(position):
            return False
        if opened is None or opened.end() == len(cursor.buffer):
            raise RefusedMarkup("a tag is longer than hold_back", "hold_back")
        self._quote = bytes(opened.group(2))
        self._late_attribute(opened.group(1).lower(), bytes(cursor.buffer[position:]) + self._quote, cut=True)
        cursor.position = len(cursor.buffer)
        cursor.mode = Mode.LONG_VALUE
        return True

    def _late_attribute(self, key: bytes, raw: bytes, *, cut: bool) -> None:
        """Plan the attribute at the position; if its value is cut, ``raw`` has the beginning of it."""
        if key in self._seen:
            return
        self._seen.add(key)
        self._names += len(key)
        if self._names > self._cursor.hold_back:
            raise RefusedMarkup("the names of a tag's attributes are longer than hold_back", "hold_back")
        cursor, document = self._cursor, self._document
        holder = document.holder
        if not holder.may_judge(self.name, key, foreign=self.foreign):
            return
        tag = Tag.read(self.name, b"<" + self.name + b" " + raw + b">", xml=holder.xml, foreign=self.foreign)
        plan = holder.plan(tag._replace(late=True, cut=cut, removable=False))
        if plan is None:
            return
        if holder.xml or key == b"data-consent":
            # XHTML forbids duplicate attributes; and the attributes to which the author's mark applies have been sent.
            raise RefusedMarkup("a tag is longer than hold_back", "hold_back")
        document.page.held.update(plan.held)
        held = b"data-cmw-held=" + ",".join(plan.held).encode() + KEY + b" " if plan.held else b""
        cursor.edit(cursor.position, 0, held + b"data-cmw-")


def _is_whole(data: bytearray, found: re.Match[bytes], opened: re.Match[bytes] | None) -> bool:
    """Return whether an attribute of an incomplete tag is complete; ``opened`` matches it up to its value."""
    if found.lastindex == 1:
        # Its value may be cut, or may still follow after white space.
        end = _SPACES.match(data, found.end()).end()  # type: ignore[union-attr]
        return end < len(data) and (opened is None or opened.end() <= found.end())
    return found.lastindex != 4 or found.end() < len(data)
