"""
Comments, CDATA sections, raw text and style sheets: everything between tags except scripts.

There is one method for each mode. It returns True when the mode has changed, so that the reading goes on in the new
mode, and False to wait for more bytes.

A style sheet is read as it arrives: :func:`consent_mw.html.css.scan` visits each complete token, and only the token
that the chunk cut is kept back. If the whole element is at hand, as it usually is, its edits are remembered by its
bytes. A URL or string that is too long to keep back is judged by its beginning.
"""

from __future__ import annotations

from typing import Protocol

from consent_mw.html import css
from consent_mw.html.code import Ids
from consent_mw.html.plan_writer import defuse
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.cursor import Mode
from consent_mw.html.scanner.document import Document
from consent_mw.html.tokens import COMMENT_END
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import end_tag

#: Bytes of a style sheet's token above which it is examined again only after it has doubled, not with every chunk.
_LONG_TOKEN = 4096

#: The longest incomplete end tag, in bytes: "</style" and the byte that must follow.
_STYLE_TAIL = 8


class Forks(Protocol):
    """Starts other readings of the page."""

    def follow_flat(self, position: int) -> None:
        """Follow a flat reading (the preload scanner's) from ``position`` on."""

    def pass_section(self, text: bytes) -> None:
        """Process the text of a CDATA section."""

    def follow_style(self, mark: Ids, searched: int, wide: str) -> None:
        """Follow a reading that takes the bytes of the style sheet at the position as ``wide``."""


class TextReader:
    """
    Passes over what is not markup, and defuses the URLs of style sheets.

    Args:
        forks: Starts other readings.
    """

    def __init__(self, cursor: Cursor, document: Document, forks: Forks) -> None:
        self._cursor = cursor
        self._document = document
        self._forks = forks
        #: The element of the raw text, and whether the text is left out of the page.
        self._name = b""
        self.leave_out = False
        #: Whether a flat reading has already been started in this CDATA section.
        self._followed = False
        #: Offsets in the page: of the style sheet's start, and up to which its end tag was searched for.
        self._content = 0
        self._searched = 0
        #: The length that a token must reach before it is examined again.
        self._again = 0
        #: The way to read the bytes of the style sheet; None until it makes a difference.
        self._wide: str | None = None
        #: The services for which the author's mark holds the style element.
        self._mark: Ids = ()
        #: The terminator of a token that was too long to keep back.
        self._terminator = b""

    def begin_raw_text(self, name: bytes, *, leave_out: bool = False) -> None:
        """Enter the raw text of an element; only the element's own end tag ends it."""
        self._cursor.mode = Mode.RAW_TEXT
        self._name = name
        self.leave_out = leave_out or self.leave_out

    def comment(self) -> bool:
        """Pass over the rest of a comment."""
        cursor = self._cursor
        found = COMMENT_END.search(cursor.buffer, cursor.position)
        if found is None:
            cursor.position = max(cursor.position, len(cursor.buffer) - 3)
            return False
        cursor.position = found.end()
        cursor.mode = Mode.DATA
        return True

    def bogus(self) -> bool:
        """Pass over the rest of a bogus comment, which ends at the first ">"."""
        return self._cursor.pass_until(b">")

    def cdata(self) -> bool:
        """
        Pass over the rest of a CDATA section.

        The preload scanner ignores foreign content: to it the section is a bogus comment, which ends at the first ">".
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
        """Pass over everything: nothing ends ``plaintext``."""
        self._cursor.position = len(self._cursor.buffer)
        return False

    def raw_text(self) -> bool:
        """Pass over the text of an element up to its end tag."""
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

    def begin_style(self, mark: Ids = (), *, searched: int = 0, wide: str | None = None) -> None:
        """
        Enter the style sheet that starts at the position.

        Args:
            mark: The services for which the author's mark holds it.
            searched: Offset in the page up to which it has no end tag.
            wide: The way to read its bytes; None if not determined.
        """
        self._cursor.mode = Mode.STYLE
        self._content = self._cursor.offset
        self._searched = max(searched, self._content)
        self._again = 0
        self._wide = wide
        self._mark = mark

    def style(self) -> bool:
        """Defuse the URLs of a style element."""
        cursor = self._cursor
        end, ends, closed = self._style_region()
        if not ends and end - cursor.position < self._again:
            return False
        wide = self._read_bytes_as(end)
        if closed and cursor.offset == self._content and self._wide is None:
            # The style sheet is complete, as usual: other pages may have the same one, so its edits are remembered.
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
            # The bytes at hand decide about the token; the rest of it is passed over.
            css.scan(css.Part(cursor.buffer, cursor.position, end), self._defuse, final=True, wide=wide)
            self._terminator = css.terminator(cursor.buffer, cursor.position, end, wide)
            cursor.position = end
            cursor.mode = Mode.STYLE_TOKEN
            return True
        if pending > _LONG_TOKEN:
            self._again = min(2 * pending, most + 1)
        return False

    def style_comment(self) -> bool:
        """Pass over a comment in a style sheet."""
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
        """Pass over the rest of a string or URL that was too long to keep back."""
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
        """Return how far the style sheet is known to extend, whether it ends there, and whether by an end tag."""
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
        """Return the way to read the style sheet's bytes; for other possible ways, follow another reading each."""
        cursor = self._cursor
        first, *others = self._document.holder.wide
        if self._wide is None and others and css.AMBIGUOUS.search(cursor.buffer, cursor.position, end):
            self._wide = first
            for wide in others:
                self._forks.follow_style(self._mark, self._searched, wide)
        return first if self._wide is None else self._wide

    def _whole_style(self, end: int, wide: str) -> None:
        cursor, document = self._cursor, self._document
        page, memory = document.page, document.holder.memory
        start, text = cursor.position, bytes(cursor.buffer[cursor.position : end])
        cursor.position = end
        cursor.mode = Mode.DATA
        key = (b"<style>" if not self._mark else b"<style %s>" % ",".join(self._mark).encode()) + text
        known = memory.pieces.get(key)
        if known is not None:
            document.apply(known, start)
            return
        before, held, page.held = len(cursor.edits), page.held, set()
        if not document.holder.is_local_sheet(text):
            css.scan(css.Part(cursor.buffer, start, end), self._defuse, final=True, wide=wide)
        document.remember(key, start, before)
        held.update(page.held)
        page.held = held

    def _defuse(self, offset: int, raw: bytes) -> None:
        ids = self._document.holder.css_url(raw, self._mark)
        if ids:
            self._document.page.held.update(ids)
            self._cursor.edit(offset, 0, defuse(ids))
