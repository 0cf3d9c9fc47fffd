"""
Tags that a chunk cut, and tags that are too long to keep back: those are settled attribute by attribute.
"""

from __future__ import annotations

import re

from consent_mw.errors import RefusedMarkup
from consent_mw.html.elements import Tag
from consent_mw.html.elements import executes
from consent_mw.html.hold_policy import KEY
from consent_mw.html.holder import TOO_LONG
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.cursor import Mode
from consent_mw.html.scanner.document import Document
from consent_mw.html.tokens import ATTRIBUTE
from consent_mw.html.tokens import OPEN_VALUE
from consent_mw.html.tokens import TagWatch

_GAP = re.compile(rb"[ \t\n\r\f/]*+")
_SPACES = re.compile(rb"[ \t\n\r\f]*+")
_NAME = re.compile(rb"</?([^ \t\n\r\f/>]*+)")
#: The end of an attribute's value, by its quote.
_END_OF_LONG = {b'"': re.compile(rb'"'), b"'": re.compile(rb"'"), b"": re.compile(rb"(?=[ \t\n\r\f>])")}


class LongTag:
    """Waits for the end of a tag, and settles one whose end does not come in time."""

    def __init__(self, cursor: Cursor, document: Document) -> None:
        self._cursor = cursor
        self._document = document
        self._watch: TagWatch | None = None
        #: Offset in the page of the tag that is watched.
        self._watched = -1
        #: The element that is too long.
        self.name = b""
        #: Whether it is one of SVG, MathML or XML.
        self.foreign = False
        #: Whether the last byte between its attributes was a slash.
        self.slash = False
        #: Names of the attributes that came, and the bytes of these.
        self._seen: set[bytes] = set()
        self._names = 0
        self._quote = b""

    def waits(self) -> bool:
        """Whether the tag at the position was cut and cannot be complete yet."""
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
        """Return the name of the element whose tag begins at ``start``, in lower case where case does not count."""
        name = bytes(_NAME.match(self._cursor.buffer, start).group(1))  # type: ignore[union-attr]
        return name if self._document.holder.xml else name.lower()

    def begin(self, start: int, *, foreign: bool) -> None:
        """
        Settle the beginning of a start tag that is longer than what may be kept back.

        The attributes that are there are settled as in any tag; those that
        follow are, each by itself.
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
            # Its content is not waited for as well.
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
        """Pass the rest of a long attribute value on."""
        cursor = self._cursor
        found = _END_OF_LONG[self._quote].search(cursor.buffer, cursor.position)
        if found is None:
            cursor.position = len(cursor.buffer)
            return False
        cursor.position = found.end()
        cursor.mode = Mode.LONG_TAG
        return True

    def attributes(self) -> bool:
        """Settle the attributes that follow, each by itself; the mode is DATA where the tag ends."""
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
        """Take an attribute whose end is not there; return False to wait for it."""
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
        """Settle the attribute at the position; of a value that is cut, ``raw`` has the beginning."""
        if key in self._seen:
            return
        self._seen.add(key)
        self._names += len(key)
        if self._names > self._cursor.hold_back:
            raise RefusedMarkup("the names of a tag's attributes are longer than hold_back", "hold_back")
        cursor, document = self._cursor, self._document
        holder = document.holder
        tag = Tag.read(self.name, b"<" + self.name + b" " + raw + b">", xml=holder.xml, foreign=self.foreign)
        plan = holder.plan(tag._replace(late=True, cut=cut, removable=False))
        if plan is None:
            return
        if holder.xml or key == b"data-consent":
            # An attribute more than once is no XHTML, and what the author's mark is for is out already.
            raise RefusedMarkup("a tag is longer than hold_back", "hold_back")
        document.page.held.update(plan.held)
        held = b"data-cmw-held=" + ",".join(plan.held).encode() + KEY + b" " if plan.held else b""
        cursor.edit(cursor.position, 0, held + b"data-cmw-")


def _is_whole(data: bytearray, found: re.Match[bytes], opened: re.Match[bytes] | None) -> bool:
    """Whether an attribute of a tag that goes on ends where it seems to, of which ``opened`` is up to its value."""
    if found.lastindex == 1:
        # Its value may be cut, or still to come behind white space.
        end = _SPACES.match(data, found.end()).end()  # type: ignore[union-attr]
        return end < len(data) and (opened is None or opened.end() <= found.end())
    return found.lastindex != 4 or found.end() < len(data)
