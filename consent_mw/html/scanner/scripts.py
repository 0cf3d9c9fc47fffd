"""
Scripts: held by their address or by their content.

Theory of operation. The start tag of an inline script can only be planned when its content is known. So mode SCRIPT
keeps the tag back until the end tag has arrived, matches the content, and then applies the plan. A script with an
address is planned at once (unless held scripts are left out with their content), and its content is passed over in mode
SCRIPT_TEXT. The end tag is found by :class:`~consent_mw.html.chunks.ScriptEnd`. A script whose bytes are remembered
skips all of this.

What was held earlier in the page matters too: a call of a held service's functions is answered by its queue, which
sends nothing. An import map stays in the page, but the held addresses in it lead to an empty module, and scripts that
import one of them are held until the page is loaded again.
"""

from __future__ import annotations

import re

from consent_mw.html.chunks import ScriptEnd
from consent_mw.html.code import Ids
from consent_mw.html.holder import TOO_LONG
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.cursor import Mode
from consent_mw.html.scanner.document import Document
from consent_mw.html.scanner.script_cutter import ScriptCutter
from consent_mw.html.scanner.text import TextReader
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import end_tag

_IMPORTED = re.compile(rb"\b(?:from|import)\s*+\(?\s*+[\"'`]([^\"'`]++)[\"'`]")


class ScriptReader:
    """Applies the plan of a script, after waiting for its content if that matters, and finds its end."""

    def __init__(self, cursor: Cursor, document: Document, text: TextReader) -> None:
        self._cursor = cursor
        self._document = document
        self._text = text
        #: The script in progress: its kind, and the offset in the page at which its content starts.
        self._kind = ""
        self._content = 0
        self._end = ScriptEnd()
        #: The ids held in the page before the script, and whether the script's plan depends on them.
        self._held_before: set[str] = set()
        self._calls = False
        self._cutter = ScriptCutter(cursor, document)
        #: Whether the script was cut, and so has all that is inserted before its parts.
        self._is_cut = False
        #: The services whose embeds the script names in data.
        self._names: Ids = ()

    def begin(self, found: re.Match[bytes]) -> None:
        """Handle the start tag of a script; if its content matters, wait for its end."""
        cursor, document = self._cursor, self._document
        page, holder, buffer = document.page, document.holder, cursor.buffer
        start, end = found.span()
        tag = found.group()
        close = end_tag(b"script").search(buffer, end)
        piece = code = b""
        if close is not None and not document.mapped and buffer.find(b"<!--", end, close.start()) < 0:
            piece = bytes(buffer[start : close.start()])
            code = piece[end - start :]
            known = holder.memory.pieces.get(piece)
            if known is not None and not (known.held and self._cutter.would_cut(tag, code)):
                before = len(cursor.edits)
                document.apply(known, start)
                document.before_script(before, start, known.held, tag, code)
                cursor.position = close.start()
                return
        before, held, page.held = len(cursor.edits), page.held, set()
        self._held_before = held
        self._settle(tag, start, end, code if piece else None)
        if (
            piece
            and not self._calls
            and not self._names
            and not self._is_cut
            and self._kind != "importmap"
            and cursor.mode is Mode.DATA
            and not holder.policy.remove
        ):
            document.remember(piece, start, before)
        if cursor.mode is not Mode.SCRIPT and not self._is_cut:
            document.before_script(before, start, page.held, tag, code)
            self._before_user(before, start, tag, code)
        held.update(page.held)
        page.held = held

    def _before_user(self, before: int, start: int, tag: bytes, code: bytes) -> None:
        """
        Insert what has to precede a script that is not held.

        This is a panel if it creates an embed of a service held earlier, and the guard if it names embeds in data.
        """
        if self._document.page.held:
            return
        if self._calls and self._held_before:
            self._document.panel_before(before, start, tag, code, self._held_before)
        if self._names:
            self._document.guard_before(before, start, self._names)

    def pass_text(self, position: int) -> None:
        """Pass over the content that starts at ``position``; the start tag has been planned."""
        self._content = self._cursor.origin + position
        self._end = ScriptEnd()
        self._cursor.position = position
        self._cursor.mode = Mode.SCRIPT_TEXT

    def _settle(self, tag: bytes, start: int, end: int, code: bytes | None) -> None:
        """
        Plan a script as far as it has arrived.

        Args:
            code: The text of the script if it is complete and has no comment in it that may hide its end, or None.
        """
        cursor, holder = self._cursor, self._document.holder
        self._kind, fetched = holder.script(tag)
        self._calls, self._names, self._is_cut = False, (), False
        if self._kind and (not fetched or holder.policy.remove):
            self._content = cursor.origin + end
            cursor.position = start
            cursor.mode = Mode.SCRIPT
            if code is None or not self._judge(tag, code, end + len(code)):
                self._end = ScriptEnd()
                self._take()
            return
        plan = holder.script_plan(tag, ())
        if plan is not None:
            self._document.apply(plan, start)
        if code is not None:
            cursor.position = end + len(code)
            return
        self.pass_text(end)
        self.script_text()

    def script_text(self) -> bool:
        """Pass over the content of a script whose start tag has been planned."""
        cursor = self._cursor
        content = self._content - cursor.origin
        end = self._end.find(cursor.buffer, content, final=cursor.final)
        if end < 0:
            cursor.position = max(cursor.position, min(content + self._end.at, len(cursor.buffer)))
            return False
        cursor.position = end
        cursor.mode = Mode.DATA
        return True

    def script(self) -> bool:
        """Plan a script as soon as its content has arrived; return False to wait for more bytes."""
        cursor, page = self._cursor, self._document.page
        before, start, begins = len(cursor.edits), cursor.position, self._content - cursor.origin
        held, page.held = page.held, set()
        taken = self._take()
        if taken and not self._is_cut:
            tag, code = bytes(cursor.buffer[start:begins]), bytes(cursor.buffer[begins : cursor.position])
            self._document.before_script(before, start, page.held, tag, code)
            self._before_user(before, start, tag, code)
        held.update(page.held)
        page.held = held
        return taken

    def _take(self) -> bool:
        cursor = self._cursor
        buffer, start, begins = cursor.buffer, cursor.position, self._content - cursor.origin
        end = self._end.find(buffer, begins, final=cursor.final)
        if end < 0 and not cursor.final and not cursor.is_too_long(start):
            return False
        return self._judge(bytes(buffer[start:begins]), bytes(buffer[begins : end if end >= 0 else len(buffer)]), end)

    def _judge(self, tag: bytes, content: bytes, end: int) -> bool:
        """
        Apply the plan of the script at the position; return False to wait for more bytes.

        Args:
            end: Offset in the buffer of its end tag; -1 if there is none.
        """
        cursor, document = self._cursor, self._document
        buffer, start = cursor.buffer, cursor.position
        too_long = end < 0 and cursor.is_too_long(start)
        mapped = self._kind == "importmap" and not too_long
        ids = (TOO_LONG,) if too_long else () if mapped else self._ids(content)
        if ids and end >= 0 and self._cutter.apply(tag, content, start, ids):
            self._is_cut = True
            cursor.position = end
            cursor.mode = Mode.DATA
            return True
        plan = document.holder.script_plan(tag, ids)
        if plan is not None and plan.remove:
            closing = TAG.match(buffer, end) if end >= 0 else None
            if end >= 0 and closing is None and not cursor.final:
                return False
            document.page.held.update(plan.held)
            stop = closing.end() if closing else len(buffer)
            cursor.edit(start, stop - start, b"")
            cursor.position = stop
            cursor.mode = Mode.DATA
            if too_long:
                self._text.begin_raw_text(b"script", leave_out=True)
            return True
        if plan is not None:
            document.apply(plan, start)
        elif mapped:
            document.take_map(tag, content, start)
        cursor.position = end if end >= 0 else start + len(tag)
        cursor.mode = Mode.DATA if end >= 0 else Mode.SCRIPT_TEXT
        return True

    def _ids(self, content: bytes) -> Ids:
        document = self._document
        holder = document.holder
        if self._kind in ("speculationrules", "webbundle"):
            return holder.listed(content, self._kind)
        code = holder.script_code(content)
        # A script that is not held may still create an embed, through the stand-in for its service.
        self._calls = bool(code.calls) or bool(holder.script_panel(b"<script>", content))
        self._names = code.names
        # A service that was held earlier has a queue, and calls to that send nothing.
        ids = (*code.ids, *(id_ for id_ in code.calls if id_ not in self._held_before))
        if document.mapped and not ids:
            for found in _IMPORTED.finditer(content):
                name = found.group(1).decode("utf-8", "replace")
                ids = holder.not_allowed(holder.specifiers.ids(holder.specifier(name)))
                if ids:
                    break
        return ids
