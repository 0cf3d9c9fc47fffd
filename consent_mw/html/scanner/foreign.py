"""
Drawings and formulas in a page: SVG and MathML.

Most drawings are self-contained: all their tags are closed inside. For these a list of the open elements from the root
on is enough, and :class:`ForeignReader` keeps it. If a tag reaches further, to an element around the drawing or into
HTML in an integration point, the reading turns to its :mod:`~consent_mw.html.scanner.surroundings`.

https://html.spec.whatwg.org/#parsing-main-inforeign
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum

from consent_mw.html.elements import Tag
from consent_mw.html.elements import self_closing
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.cursor import Mode
from consent_mw.html.scanner.document import Document
from consent_mw.html.scanner.marked_text import MarkedText
from consent_mw.html.scanner.tree import MATH
from consent_mw.html.scanner.tree import SVG
from consent_mw.html.scanner.tree import Element
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import breaks_out
from consent_mw.html.tokens import MATH_ONLY
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import TAG

#: Elements whose content a preload scanner takes for raw text, even in foreign content.
WITH_TEXT = RAW_TEXT | {b"script", b"noscript"}


class DrawingOutcome(Enum):
    """The result of reading in a drawing."""

    #: More bytes are needed.
    WAIT = 0
    #: Read on, in the cursor's mode.
    GO_ON = 1
    #: The tag at the position depends on the open elements around the drawing.
    REACHES_OUT = 2


class ForeignReader:
    """
    Reads a drawing as long as it is self-contained.

    Args:
        text: Handles scripts and style sheets.
        partial: Handles an incomplete construct at a position; returns False to wait for more bytes.
    """

    def __init__(self, cursor: Cursor, document: Document, text: MarkedText, partial: Callable[[int], bool]) -> None:
        self._cursor = cursor
        self._document = document
        self._text = text
        self._partial = partial
        drawings = document.holder.policy.matcher.syntax.drawings
        self._skip = drawings.skip.match
        #: Matches a drawing element's tag that does not matter, and the whole element if it contains only text.
        self._drawn = drawings.drawn.match
        #: The open elements from the drawing's root on.
        self.open: list[Element] = []
        #: Offset in the page of a start tag that ends foreign content, and so must not be left out.
        self.breaks_out = -1

    def begin(self, token: TagToken) -> None:
        """Open a root: ``svg`` or ``math``."""
        if not token.self_closing:
            self.open = [Element(token.name, token.name)]

    def read(self, *, single: bool) -> DrawingOutcome:
        """
        Read on in a drawing.

        Args:
            single: Take one tag only.
        """
        cursor = self._cursor
        buffer, open_ = cursor.buffer, self.open
        while True:
            position = self._skip(buffer, cursor.position).end()  # type: ignore[union-attr]
            cursor.position = position
            if position >= len(buffer):
                return DrawingOutcome.WAIT
            drawn = self._drawn(buffer, position)
            if drawn is not None and not (open_[-1].html_point or open_[-1].math_point):
                cursor.position = drawn.end()
                if drawn.lastindex == 1:
                    open_.append(Element(drawn.group(1).lower(), open_[-1].namespace))
                if single:
                    return DrawingOutcome.GO_ON
                continue
            found = TAG.match(buffer, position)
            if found is None:
                return DrawingOutcome.GO_ON if self._partial(position) else DrawingOutcome.WAIT
            outcome = self._end_tag(found) if found.group(1) else self._start_tag(found)
            if outcome is not DrawingOutcome.GO_ON or single or not open_ or cursor.mode is not Mode.DATA:
                return outcome

    def _end_tag(self, found: re.Match[bytes]) -> DrawingOutcome:
        name = found.group(2).lower()
        open_ = self.open
        if open_[-1].name == name:
            open_.pop()
        else:
            place = len(open_) - 2
            # The end tag also closes unclosed elements inside.
            while place >= 0 and open_[place].name != name:
                place -= 1
            if place < 0:
                return DrawingOutcome.REACHES_OUT
            del open_[place:]
        self._cursor.position = found.end()
        return DrawingOutcome.GO_ON

    def _start_tag(self, found: re.Match[bytes]) -> DrawingOutcome:
        cursor = self._cursor
        name, raw = found.group(2).lower(), found.group()
        token = TagToken(name, raw, raw.endswith(b"/>") and self_closing(found))
        current = self.open[-1]
        if current.html_point or (current.math_point and name not in MATH_ONLY):
            return DrawingOutcome.REACHES_OUT
        if current.name == b"annotation-xml" and name == SVG and current.namespace == MATH:
            return DrawingOutcome.REACHES_OUT
        if breaks_out(token):
            while self.open and not (self.open[-1].html_point or self.open[-1].math_point):
                self.open.pop()
            self.breaks_out = cursor.origin + found.start()
            return DrawingOutcome.REACHES_OUT if self.open else DrawingOutcome.GO_ON
        if not self.settle(token, found):
            return DrawingOutcome.WAIT
        cursor.position = found.end()
        if not token.self_closing:
            self.open.append(Element(name, current.namespace, raw if name == b"annotation-xml" else b""))
        return DrawingOutcome.GO_ON

    def settle(self, token: TagToken, found: re.Match[bytes]) -> bool:
        """Apply the plan of a start tag in foreign content; return False to wait for its content."""
        name = token.name
        if self._drawn(found.string, found.start()):
            return True
        if name in WITH_TEXT and not token.self_closing and not self._text.settle(name, found):
            return False
        if token.self_closing or name not in (b"script", b"style"):
            plan = self._plan(name, token.raw)
            if plan is not None:
                self._document.apply(plan, found.start())
        return True

    def _plan(self, name: bytes, raw: bytes) -> TagPlan | None:
        document = self._document
        memory = document.holder.memory
        in_noscript = document.in_noscript
        if raw in memory.foreign_plans and not in_noscript:
            return memory.foreign_plans[raw]
        plan = document.holder.plan(
            Tag.read(name, raw, foreign=True, in_noscript=in_noscript)._replace(removable=False)
        )
        if not in_noscript and document.holder.room_for(raw):
            memory.foreign_plans[raw] = plan
        return plan
