"""
XHTML and other XML: every tag counts, names are case-sensitive, and there is no raw text.

XML is simpler to read than HTML: no tag is dropped or implied, so the open elements do not matter. Two things are
harder. Entities that a DOCTYPE declares may contain markup, so such a page is refused, and nothing is sent before
the first element. Style sheets may be linked by processing instructions, which are disarmed like attributes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.errors import RefusedMarkup
from consent_mw.html.elements import Tag
from consent_mw.html.elements import self_closing
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.cursor import Mode
from consent_mw.html.scanner.document import Document
from consent_mw.html.scanner.marked_text import MarkedText
from consent_mw.html.scanner.media import MEDIA
from consent_mw.html.tokens import NO_TAGS_XML
from consent_mw.html.tokens import TAG

#: https://www.w3.org/TR/xml-stylesheet/#NT-PseudoAtt
_PSEUDO_ATTRIBUTE = re.compile(rb"[ \t\r\n]([^ \t\r\n=\"'?]++)[ \t\r\n]*+=[ \t\r\n]*+(?:\"([^\"]*+)\"|'([^']*+)')")
#: HTML elements with an href that is not an SVG link; any other element with an href in XML is taken for SVG.
_PLAIN_LINKS = frozenset({b"area", b"base", b"link"})
#: A style sheet that transforms the page (XSLT), and an address of one inside the page itself.
_COMPOSES = re.compile(rb"xsl|xml(?=[\"'])")
_IN_PAGE = re.compile(rb"[\0- ]*(?:#|d[\t\n\r]*a[\t\n\r]*t[\t\n\r]*a[\t\n\r]*:)", re.I)
_LONGEST_OPENING = len(b"<!DOCTYPE")
#: The start of a declaration: neither a comment nor a CDATA section.
_DECLARES = re.compile(rb"<!(?![-\[]|\Z)")


class XmlReader:
    """
    Reads the tags of a page by the rules of XML.

    Args:
        partial: Handles an incomplete construct at a position; returns False to wait for more bytes.
    """

    def __init__(self, cursor: Cursor, document: Document, text: MarkedText, partial: Callable[[int], bool]) -> None:
        self._cursor = cursor
        self._document = document
        self._text = text
        self._partial = partial
        #: Whether the first element is still to come.
        self._in_prolog = True

    def read(self) -> bool:
        """Read on in mode DATA; return False to wait for more bytes."""
        cursor = self._cursor
        while True:
            start = cursor.position
            position = NO_TAGS_XML.match(cursor.buffer, start).end()  # type: ignore[union-attr]
            cursor.position = position
            found = TAG.match(cursor.buffer, position)
            if found is None:
                if position >= len(cursor.buffer) or not self._no_tag(position):
                    return self._wait(start)
            elif found.group(1):
                cursor.position = found.end()
            elif not self._start_tag(found):
                return False
            if cursor.mode is not Mode.DATA:
                return self._wait(start) if self._in_prolog else True

    def _wait(self, start: int) -> bool:
        """Wait for more bytes; send nothing before the first tag, since declarations may make the page unreadable."""
        cursor = self._cursor
        if self._in_prolog and not cursor.final:
            if cursor.is_too_long(start):
                raise RefusedMarkup("what stands before the first element of an XHTML page is too long", "hold_back")
            cursor.position = start
            cursor.mode = Mode.DATA
        return False

    def _start_tag(self, found: re.Match[bytes]) -> bool:
        """Handle a start tag; return False to wait for its content."""
        cursor, document = self._cursor, self._document
        self._in_prolog = False
        start, end = found.span()
        name = found.group(2).rpartition(b":")[2]
        if name in MEDIA and document.awaits_cover(found.group(2).lower(), start, end):
            return False
        if document.before_head and name == b"html":
            document.take_language(found.group())
        elif document.before_head and name != b"head":
            document.insert_first(start)
        if name in (b"script", b"style") and not self_closing(found):
            if not self._text.settle(name, found):
                return False
        else:
            foreign = name not in _PLAIN_LINKS
            read = document.inherit(Tag.read(name, found.group(), xml=True, foreign=foreign), start)
            plan = document.holder.plan(read._replace(removable=False))
            if plan is not None:
                document.apply(plan, start)
        cursor.position = end
        if name == b"base":
            document.take_base(found)
        elif name == b"meta":
            document.take_policy(found.group(), start)
        elif name == b"head" and document.before_head:
            document.insert_first(end)
        elif name == b"body" and document.before_body:
            document.insert(end, at_end=False)
        return True

    def _no_tag(self, position: int) -> bool:
        """Handle a construct that is not a complete tag; return False to wait for more bytes."""
        cursor, document = self._cursor, self._document
        head = bytes(cursor.buffer[position : position + _LONGEST_OPENING])
        end = cursor.buffer.find(b"?>", position) if head.startswith(b"<?") else -1
        if end >= 0:
            # NO_TAGS_XML stops at xml-stylesheet instructions only.
            given = _PSEUDO_ATTRIBUTE.findall(cursor.buffer, position, end)
            addresses = [b"".join(value) for name, *value in given if name == b"href"]
            ids = [id_ for address in addresses for id_ in document.holder.link(address)]
            if not ids and _COMPOSES.search(cursor.buffer, position, end) and any(map(_IN_PAGE.match, addresses)):
                # The result of an XSLT cannot be judged by the page.
                ids = [*document.holder.not_allowed((UNKNOWN_SERVICE,))]
            if ids:
                document.page.held.update(ids)
                cursor.edit(position + 2, 0, b"cmw-")
            cursor.position = end + 2
            return True
        if _DECLARES.match(head):
            opens = b"<!DOCTYPE".startswith(head) and cursor.buffer.find(b"[", position) < 0
            if opens and not cursor.is_too_long(position):
                return False
            raise RefusedMarkup("an XHTML page declares entities of its own, in which markup can hide", "content type")
        return self._partial(position)
