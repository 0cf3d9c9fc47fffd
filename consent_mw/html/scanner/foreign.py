"""
Drawings and formulas in a page: SVG, MathML, and the HTML in their integration points.

https://html.spec.whatwg.org/#parsing-main-inforeign
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from consent_mw.html.elements import Tag
from consent_mw.html.elements import attributes
from consent_mw.html.elements import self_closing
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.cursor import Mode
from consent_mw.html.scanner.document import Document
from consent_mw.html.scanner.marked_text import MarkedText
from consent_mw.html.tokens import BREAKOUT
from consent_mw.html.tokens import MATH_INTEGRATION
from consent_mw.html.tokens import MATH_ONLY
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import SVG_INTEGRATION
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import VOID

HTML = b"html"
SVG = b"svg"
MATH = b"math"

#: (element name, namespace of what stands in it): only roots, integration points and what is between them.
Stack = tuple[tuple[bytes, bytes], ...]

_FONT_BREAKOUT = frozenset({b"color", b"face", b"size"})
#: What those who only look ahead take for raw text in foreign content too.
_WITH_TEXT = RAW_TEXT | {b"script", b"noscript"}


class ForeignForks(Protocol):
    """Follows other readings of the page, of which foreign content is one reason."""

    def fork_foreign(self) -> ForeignReader:
        """Follow another reading from the position on, and return what it knows of foreign content."""


class ForeignReader:
    """
    Knows which foreign elements are open, and reads what stands in them.

    Args:
        partial: Takes an incomplete construct at a position; returns False to wait for more.
    """

    def __init__(
        self,
        cursor: Cursor,
        document: Document,
        text: MarkedText,
        forks: ForeignForks,
        partial: Callable[[int], bool],
    ) -> None:
        self._cursor = cursor
        self._document = document
        self._text = text
        self._forks = forks
        self._partial = partial
        self._skip = document.holder.policy.matcher.syntax.skip_foreign.match
        self.stack: Stack = ()
        #: Open HTML elements inside an integration point.
        self.open: tuple[bytes, ...] = ()
        #: Offset in the page of a start tag that ends foreign content, which it must go on doing.
        self.breaks_out = -1

    def is_inside(self) -> bool:
        """Whether what comes next stands in a foreign element, not in HTML."""
        return bool(self.stack) and self.stack[-1][1] != HTML

    def leave(self) -> None:
        """Close the foreign elements up to HTML content."""
        depth = len(self.stack)
        while depth and self.stack[depth - 1][1] != HTML:
            depth -= 1
        self.stack = self.stack[:depth]

    def begin(self, name: bytes) -> None:
        """Open a root: ``svg`` or ``math``."""
        self.stack += ((name, name),)

    def push(self, name: bytes, tag: bytes) -> None:
        """Open an element of foreign content."""
        inside = self.stack[-1][1]
        if inside == SVG and name in SVG_INTEGRATION or inside == MATH and name in MATH_INTEGRATION:
            inside = HTML
        elif inside == MATH and name == b"annotation-xml":
            encoding = attributes(tag, len(name) + 1).get(b"encoding")
            kind = self._document.holder.text(encoding[0].raw).lower() if encoding else ""
            if kind in ("text/html", "application/xhtml+xml"):
                inside = HTML
        elif name == SVG and self.stack[-1][0] == b"annotation-xml":
            inside = SVG
        if inside == HTML:
            self.open = ()
        self.stack += ((name, inside),)

    def read(self) -> bool:
        """Read on in a foreign element; return False to wait for more."""
        cursor = self._cursor
        buffer = cursor.buffer
        skip = self._skip
        while True:
            position = skip(buffer, cursor.position).end()  # type: ignore[union-attr]
            cursor.position = position
            if position >= len(buffer):
                return False
            found = TAG.match(buffer, position)
            if found is None:
                return self._partial(position)
            if found.group(1):
                self._end_tag(found)
            elif not self._start_tag(found):
                return False
            if cursor.mode is not Mode.DATA or not self.is_inside():
                return True

    def _end_tag(self, found: re.Match[bytes]) -> None:
        name = found.group(2).lower()
        self._cursor.position = found.end()
        for depth in range(len(self.stack) - 1, -1, -1):
            if self.stack[depth][0] == name:
                if any(inside == HTML for _, inside in self.stack[depth + 1 :]):
                    self._forks.fork_foreign()
                self._pop_to(depth)
                return
        # It may close an HTML element around all this, and so this too; "p" and "br" do, but in old parsers.
        self._forks.fork_foreign().leave()

    def _pop_to(self, depth: int) -> None:
        self.stack = self.stack[:depth]
        # What is open in an outer integration point was not kept: "?" never matches, so doubt stays doubt.
        self.open = (b"?",) if any(inside == HTML for _, inside in self.stack) else ()

    def _start_tag(self, found: re.Match[bytes]) -> bool:
        """Take a start tag; return False where its content must be waited for."""
        name = found.group(2).lower()
        tag = found.group()
        start, end = found.span()
        if name in BREAKOUT or (name == b"font" and _FONT_BREAKOUT & attributes(tag, 5).keys()):
            self.leave()
            self.breaks_out = self._cursor.origin + start
            return True
        closing = self_closing(found)
        if name in _WITH_TEXT and not closing and not self._text.settle(name, found):
            return False
        if closing or name not in (b"script", b"style"):
            plan = self._plan(name, tag)
            if plan is not None:
                self._document.apply(plan, start)
        self._cursor.position = end
        if not closing:
            self.push(name, tag)
        return True

    def _plan(self, name: bytes, tag: bytes) -> TagPlan | None:
        document = self._document
        memory = document.holder.memory
        if tag in memory.foreign_plans and not document.in_noscript:
            return memory.foreign_plans[tag]
        in_noscript = document.in_noscript
        plan = document.holder.plan(Tag.read(name, tag, foreign=True, in_noscript=in_noscript, removable=False))
        if not in_noscript and memory.room_for(tag):
            memory.foreign_plans[tag] = plan
        return plan

    # -- HTML in an integration point

    def html_start_tag(self, name: bytes, found: re.Match[bytes]) -> bool:
        """Take a start tag of HTML content, and return whether it is none but foreign."""
        if name not in MATH_ONLY or not self.stack or self.stack[-1][0] not in MATH_INTEGRATION:
            return False
        # These stay MathML in its text integration points, unless an HTML element is open there.
        twin = self._forks.fork_foreign() if self.open else self
        twin._cursor.position = found.end()
        if not self_closing(found):
            twin.stack += ((name, MATH),)
        return twin is self

    def opened(self, name: bytes) -> None:
        """Take note that an HTML element was opened."""
        if self.stack and name not in VOID:
            self.open += (name,)

    def html_end_tag(self, name: bytes) -> None:
        """Close an HTML element inside foreign content, the integration point around it, or the root of it all."""
        if name in self.open:
            self.open = self.open[: len(self.open) - 1 - self.open[::-1].index(name)]
            return
        entries = [index for index, (entry, _) in enumerate(self.stack) if entry == name]
        if not entries:
            return
        if self.open:
            # Whether this end tag counts depends on what else is open: follow both readings.
            self._forks.fork_foreign()
        self._pop_to(entries[-1])
