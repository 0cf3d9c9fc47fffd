"""
Comments, CDATA sections, raw text and style sheets: what is between tags, scripts apart.

Each method reads on in its mode and returns whether the mode changed, so that
there is more to read; otherwise it waits for more bytes.
"""

from __future__ import annotations

from typing import Protocol

from consent_mw.html import css
from consent_mw.html.holder import defuse
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.cursor import Mode
from consent_mw.html.scanner.document import Document
from consent_mw.html.tokens import COMMENT_END
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import end_tag

#: A style sheet's token that is longer is looked at again when it has doubled, not with every chunk.
_LONG_TOKEN = 4096

#: An end tag that is not complete: "</style" and what must follow.
_STYLE_TAIL = 8


class Forks(Protocol):
    """Follows other readings of the page besides this one."""

    def follow_flat(self, position: int) -> None:
        """Follow from ``position`` on who reads the page without knowing foreign content."""

    def pass_section(self, text: bytes) -> None:
        """Take note of the text of a CDATA section."""

    def follow_style(self, searched: int, wide: str) -> None:
        """Follow who reads the bytes of the style sheet at the position as ``wide``."""


class TextReader:
    """
    Reads what is no markup, and defuses the URLs of style sheets.

    Args:
        forks: Where a browser that looks ahead reads on elsewhere.
    """

    def __init__(self, cursor: Cursor, document: Document, forks: Forks) -> None:
        self._cursor = cursor
        self._document = document
        self._forks = forks
        #: Raw text: the element it is in, and whether it is left out of the page.
        self._name = b""
        self.leave_out = False
        #: A CDATA section in which those who only look ahead have been followed already.
        self._followed = False
        #: Offset in the page at which the style sheet begins, and how far the search for its end tag got.
        self._content = 0
        self._searched = 0
        #: How long a token must be before it is looked at again.
        self._again = 0
        #: How the bytes of the style sheet are read; None until it matters.
        self._wide: str | None = None
        #: What ends a token that was too long to keep back.
        self._terminator = b""

    def begin_raw_text(self, name: bytes, *, leave_out: bool = False) -> None:
        """Go on with the text of an element that ends at its own end tag only."""
        self._cursor.mode = Mode.RAW_TEXT
        self._name = name
        self.leave_out = leave_out or self.leave_out

    def comment(self) -> bool:
        """Pass a comment on to its end."""
        cursor = self._cursor
        found = COMMENT_END.search(cursor.buffer, cursor.position)
        if found is None:
            cursor.position = max(cursor.position, len(cursor.buffer) - 3)
            return False
        cursor.position = found.end()
        cursor.mode = Mode.DATA
        return True

    def bogus(self) -> bool:
        """Pass a bogus comment on, which ends at the first ">"."""
        return self._cursor.pass_until(b">")

    def cdata(self) -> bool:
        """
        Pass a CDATA section on.

        A browser that looks ahead for what to fetch knows no foreign content:
        to it the section is a comment that ends at the first ">".
        """
        cursor = self._cursor
        if not self._followed and not self._document.holder.xml:
            at = cursor.buffer.find(b">", cursor.position)
            if at < 0:
                cursor.position = max(cursor.position, len(cursor.buffer) - 2)
                return False
            cursor.position = max(cursor.position, at - 2)
            if cursor.buffer[cursor.position : at] != b"]]":
                self._forks.follow_flat(at + 1)
                self._followed = True
        start = cursor.position
        ended = cursor.pass_until(b"]]>")
        self._forks.pass_section(bytes(cursor.buffer[start : cursor.position - 3 if ended else cursor.position]))
        self._followed = self._followed and not ended
        return ended

    def plaintext(self) -> bool:
        """Pass everything on: nothing ends ``plaintext``."""
        self._cursor.position = len(self._cursor.buffer)
        return False

    def raw_text(self) -> bool:
        """Pass the text of an element on to its end tag."""
        cursor = self._cursor
        buffer, name = cursor.buffer, self._name
        found = end_tag(name).search(buffer, cursor.position)
        stop = found.start() if found else max(cursor.position, len(buffer) - len(name) - 2)
        if self.leave_out:
            if found is not None:
                closing = TAG.match(buffer, stop)
                if closing is None and not cursor.final:
                    return False
                stop = closing.end() if closing else len(buffer)
                self.leave_out = False
            cursor.edit(cursor.position, stop - cursor.position, b"")
        cursor.position = stop
        if found is None:
            return False
        cursor.mode = Mode.DATA
        return True

    # -- style sheets

    def begin_style(self, *, searched: int = 0, wide: str | None = None) -> None:
        """
        Go on with the style sheet that begins at the position.

        Args:
            searched: Offset in the page up to which it has no end tag.
            wide: How to read its bytes.
        """
        self._cursor.mode = Mode.STYLE
        self._content = self._cursor.offset
        self._searched = max(searched, self._content)
        self._again = 0
        self._wide = wide

    def style(self) -> bool:
        """Defuse the URLs of a style element."""
        cursor = self._cursor
        end, ends, closed = self._style_region()
        if not ends and end - cursor.position < self._again:
            return False
        wide = self._read_bytes_as(end)
        if closed and cursor.offset == self._content and self._wide is None:
            # The whole style sheet is there, as it mostly is: it may be one that other pages have too.
            self._whole_style(end, wide)
            return True
        cursor.position, in_comment = css.scan(
            css.Part(cursor.buffer, cursor.position, end), self._defuse, final=ends, wide=wide
        )
        self._again = 0
        if ends:
            cursor.mode = Mode.DATA if closed else cursor.mode
            return closed
        if in_comment:
            cursor.mode = Mode.STYLE_COMMENT
            return True
        return self._wait_for_token(end, wide)

    def _wait_for_token(self, end: int, wide: str) -> bool:
        """Wait for the rest of a token, unless it is too long to keep back."""
        cursor = self._cursor
        pending = end - cursor.position
        most = cursor.hold_back - _STYLE_TAIL
        if pending > most:
            # What is at hand of the token decides; the rest of it passes.
            css.scan(css.Part(cursor.buffer, cursor.position, end), self._defuse, final=True, wide=wide)
            self._terminator = css.terminator(cursor.buffer, cursor.position, end, wide)
            cursor.position = end
            cursor.mode = Mode.STYLE_TOKEN
            return True
        if pending > _LONG_TOKEN:
            self._again = min(2 * pending, most + 1)
        return False

    def style_comment(self) -> bool:
        """Pass a comment of a style sheet on."""
        cursor = self._cursor
        end, ends, closed = self._style_region()
        at = cursor.buffer.find(b"*/", cursor.position, end)
        if at >= 0:
            cursor.position = at + 2
            cursor.mode = Mode.STYLE
            return True
        cursor.position = end if ends else max(cursor.position, end - 1)
        if closed:
            cursor.mode = Mode.DATA
        return closed

    def style_token(self) -> bool:
        """Pass the rest of a string or URL on that was too long to keep back."""
        cursor = self._cursor
        end, ends, closed = self._style_region()
        wide = self._read_bytes_as(end)
        cursor.position, over = css.rest_of_token(cursor.buffer, cursor.position, end, self._terminator, wide)
        if over:
            cursor.position += 1
            cursor.mode = Mode.STYLE
            return True
        if ends:
            cursor.position = end
        if closed:
            cursor.mode = Mode.DATA
        return closed

    def _style_region(self) -> tuple[int, bool, bool]:
        """Return how far the style sheet is known to go, whether it ends there, and whether its end tag is there."""
        cursor = self._cursor
        searched = max(cursor.position, self._searched - cursor.origin)
        found = end_tag(b"style").search(cursor.buffer, searched)
        if found:
            return found.start(), True, True
        size = len(cursor.buffer)
        searched = max(cursor.position, size - _STYLE_TAIL)
        self._searched = cursor.origin + searched
        return (size, True, False) if cursor.final else (searched, False, False)

    def _read_bytes_as(self, end: int) -> str:
        """Return how to read the style sheet's bytes; where it cannot be told, follow the other ways besides."""
        cursor = self._cursor
        first, *others = self._document.holder.wide
        if self._wide is None and others and css.AMBIGUOUS.search(cursor.buffer, cursor.position, end):
            self._wide = first
            for wide in others:
                self._forks.follow_style(self._searched, wide)
        return first if self._wide is None else self._wide

    def _whole_style(self, end: int, wide: str) -> None:
        cursor, document = self._cursor, self._document
        page, memory = document.page, document.holder.memory
        start, text = cursor.position, bytes(cursor.buffer[cursor.position : end])
        cursor.position = end
        cursor.mode = Mode.DATA
        key = b"<style>" + text
        known = memory.pieces.get(key)
        if known is not None:
            document.apply(known, start)
            return
        before, held, page.held = len(cursor.edits), page.held, set()
        css.scan(css.Part(cursor.buffer, start, end), self._defuse, final=True, wide=wide)
        document.remember(key, start, before)
        held.update(page.held)
        page.held = held

    def _defuse(self, offset: int, raw: bytes) -> None:
        ids = self._document.holder.css_url(raw)
        if ids:
            self._document.page.held.update(ids)
            self._cursor.edit(offset, 0, defuse(ids))
