"""
Scripts and style sheets whose text contains markup: those of SVG, MathML and XML.

Outside HTML these elements have no raw text. Their content is parsed like any other: CDATA sections and character
references are decoded, comments and tags are not part of the text, and an end tag inside a comment or CDATA section
does not end the element. :class:`MarkedText` waits for the whole element, extracts the text together with the offset of
each of its bytes in the source, and so can place its edits in the source.
"""

from __future__ import annotations

import re

from consent_mw.errors import RefusedMarkup
from consent_mw.html import css
from consent_mw.html.chunks import ScriptEnd
from consent_mw.html.code import Ids
from consent_mw.html.elements import Tag
from consent_mw.html.elements import executes
from consent_mw.html.elements import self_closing
from consent_mw.html.holder import TOO_LONG
from consent_mw.html.plan_writer import defuse
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.document import Document
from consent_mw.html.scanner.text import Forks
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import breaks_out
from consent_mw.html.tokens import MARKUP_IN_TEXT
from consent_mw.html.tokens import MARKUP_IN_TEXT_XML
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import end_tag
from consent_mw.html.tokens import text_with_markup
from consent_mw.html.urls import decode_with_offsets

#: Bytes of text above which it is examined again only after it has doubled.
_LONG = 4096
#: The most scripts and style sheets nested in one another.
_MOST_NESTED = 8
#: The bytes in which the end is looked for at first.
_WINDOW = 512
#: The most open elements inside one that are told apart; more than these are refused.
_MOST_OPEN = 64


class MarkedText:
    """Handles an element whose text contains markup, as soon as it is complete."""

    def __init__(self, cursor: Cursor, document: Document, forks: Forks) -> None:
        self._cursor = cursor
        self._document = document
        self._forks = forks
        #: The length that the element must reach before its end is searched for again.
        self._again = 0
        #: Offset in the page at which the text of the last such element ends, and how many others started inside it.
        self._end = -1
        self._nested = 0

    def settle(self, name: bytes, found: re.Match[bytes]) -> bool:
        """
        Defuse the URLs of a style sheet, or apply the plan of a script with this content.

        Args:
            found: The start tag.

        Returns:
            False if the end has not arrived yet.
        """
        cursor = self._cursor
        start, end = found.span()
        size = len(cursor.buffer)
        if size - start < self._again and not cursor.final:
            return False
        xml = self._document.holder.xml
        stop, complete = self._end_of(name, end)
        too_long = False
        if not complete:
            too_long = cursor.is_too_long(start)
            if not cursor.final and not too_long:
                # Do not search with every chunk, so that each byte is examined only a few times.
                self._again = min(2 * (size - start), cursor.hold_back + 1) if size - start > _LONG else 0
                return False
            stop = size
        self._again = 0
        self._count_nested(cursor.origin + start, cursor.origin + stop)
        raw = bytes(cursor.buffer[end:stop])
        if too_long and name != b"script":
            raise RefusedMarkup("text in SVG or XHTML is longer than hold_back", "hold_back")
        if name == b"style":
            self._defuse(raw, end, self._document.holder.sheet_mark(found.group()))
        elif name == b"script":
            self._settle_script(found, raw, too_long=too_long)
        if not xml:
            # A preload scanner also ends raw text at an end tag in a comment.
            flat = ScriptEnd().find(raw, 0, final=True) if name == b"script" else _first(end_tag(name), raw)
            if flat >= 0:
                self._forks.follow_flat(end + flat)
        return True

    def _end_of(self, name: bytes, at: int) -> tuple[int, bool]:
        """
        Return where the text from ``at`` ends, and whether the end has arrived.

        It ends at its own end tag, not at that of an element with the same name inside it, or where the drawing ends.
        The search uses growing windows, so that the work depends on the text and not on what follows it.
        """
        buffer = self._cursor.buffer
        xml = self._document.holder.xml
        inside, end_of_it = text_with_markup(name, xml=xml)
        open_: list[bytes] = []
        window = _WINDOW
        while True:
            limit = at + window
            stop = inside.match(buffer, at, limit).end()  # type: ignore[union-attr]
            for found in (MARKUP_IN_TEXT_XML if xml else MARKUP_IN_TEXT).finditer(buffer, at, stop):
                tag = TAG.match(buffer, found.start(), stop)
                if tag is not None:
                    if not open_ and _leaves(tag, xml=xml):
                        return found.start(), True
                    _step(open_, tag)
            closing = end_of_it.match(buffer, stop)
            if closing is None:
                if limit >= len(buffer):
                    return stop, False
                at = stop
                window *= 2
                continue
            if name not in open_:
                return stop, True
            while open_.pop() != name:
                pass
            at = closing.end()

    def _count_nested(self, start: int, stop: int) -> None:
        """Refuse deeply nested elements and repeated ones without an end: each would be read to the same end."""
        self._nested = self._nested + 1 if start < self._end else 0
        self._end = max(self._end, stop)
        if self._nested > _MOST_NESTED:
            raise RefusedMarkup("scripts or style sheets in SVG or MathML stand in one another")

    def _settle_script(self, found: re.Match[bytes], raw: bytes, *, too_long: bool) -> None:
        holder = self._document.holder
        tag = Tag.read(b"script", found.group(), xml=holder.xml, foreign=True)._replace(removable=False)
        kind = executes(tag.attributes, holder.text, foreign=True)
        texts = [text for text, _ in self._texts(raw)]
        text = texts[0]
        ids: Ids
        if too_long:
            ids = (TOO_LONG,)
        elif kind == "importmap":
            # Its addresses may contain character references, so it is held as a whole.
            maps = [holder.import_map(found.group(), text) for text in texts]
            ids = tuple(id_ for found_map in maps if found_map is not None for id_ in found_map.held)
        elif kind in ("speculationrules", "webbundle"):
            ids = tuple(id_ for text in texts for id_ in holder.listed(text, kind))
        else:
            ids = tuple(id_ for text in texts for id_ in holder.code(text))
        ids = tuple(dict.fromkeys(ids))
        plan = holder.plan(tag._replace(code=ids))
        if plan is not None:
            before = len(self._cursor.edits)
            self._document.apply(plan, found.start())
            if holder.xml:
                self._document.before_script(before, found.start(), frozenset(plan.held), found.group(), text)

    def _texts(self, raw: bytes) -> list[tuple[bytes, list[int]]]:
        """
        Return the text of an element that contains markup, and the offset in ``raw`` of each byte of the text.

        Browsers run the text that is directly in the element, without the text of elements inside it
        (https://dom.spec.whatwg.org/#concept-child-text-content). The first text returned is all of it; if there are
        elements inside, a second one is the element's own.
        """
        whole: tuple[bytearray, list[int]] = (bytearray(), [])
        direct: tuple[bytearray, list[int]] = (bytearray(), [])
        open_: list[bytes] = []
        has_elements = False
        at = 0
        xml = self._document.holder.xml
        for found in (MARKUP_IN_TEXT_XML if xml else MARKUP_IN_TEXT).finditer(raw):
            for text, offsets in (whole,) if open_ else (whole, direct):
                _add_text(text, offsets, raw[at : found.start()], at)
                if found.group(1) is not None:
                    text += found.group(1)
                    offsets += range(*found.span(1))
            at = found.end()
            tag = TAG.match(raw, found.start())
            if tag is not None:
                has_elements = True
                _step(open_, tag)
        for text, offsets in (whole,) if open_ else (whole, direct):
            _add_text(text, offsets, raw[at:], at)
        return [(bytes(text), offsets) for text, offsets in ((whole, direct) if has_elements else (whole,))]

    def _defuse(self, raw: bytes, offset: int, mark: Ids) -> None:
        """Defuse the URLs of a style sheet in which character references are decoded."""
        holder = self._document.holder
        places: dict[int, Ids] = {}
        for text, offsets in self._texts(raw):

            def visit(at: int, url: bytes, offsets: list[int] = offsets) -> None:
                ids = holder.css_url(url, mark)
                if ids:
                    places[offsets[at]] = ids

            for wide in holder.wide:
                css.scan(css.Part(text, 0, len(text)), visit, final=True, wide=wide)
        for at, ids in sorted(places.items()):
            self._document.page.held.update(ids)
            self._cursor.edit(offset + at, 0, defuse(ids))


def _leaves(tag: re.Match[bytes], *, xml: bool) -> bool:
    """Return whether a tag in the text itself ends the drawing, and with it the element."""
    return not (xml or tag.group(1)) and breaks_out(TagToken(tag.group(2).lower(), tag.group()))


def _step(open_: list[bytes], tag: re.Match[bytes]) -> None:
    """Take a tag's step among the open elements inside an element with text."""
    name = tag.group(2).lower().rpartition(b":")[2]
    if not tag.group(1):
        if not (tag.group().endswith(b"/>") and self_closing(tag)):
            open_.append(name)
        if len(open_) > _MOST_OPEN:
            raise RefusedMarkup("a script or style sheet in SVG or MathML contains too many elements in one another")
    elif name in open_:
        while open_.pop() != name:
            pass


def _add_text(text: bytearray, offsets: list[int], piece: bytes, at: int) -> None:
    plain, places = decode_with_offsets(piece)
    text += plain
    offsets += [at + place for place in places]


def _first(pattern: re.Pattern[bytes], data: bytes) -> int:
    found = pattern.search(data)
    return found.start() if found else -1
