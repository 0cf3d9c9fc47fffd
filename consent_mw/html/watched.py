"""
Locates the holds in a page.

A :class:`WatchedRewriter` rewrites like any other, and reports each hold to a :class:`HoldWatch`: the services, the
line and column, and the markup as the application wrote it. It derives this from the output: the rewriter records where
it inserted something (:attr:`Rewriter.trace`), and every hold carries a mark with the ids. So this code does not depend
on how a tag is held, and a page without a watch costs nothing.

At most ``most`` holds are recorded; further ones are counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from consent_mw.html.iso2022jp import Piece
from consent_mw.html.rewriter import Rewriter

__all__ = ["HoldWatch", "SeenHold", "WatchedRewriter"]

#: The mark of a hold with the ids of its services: on an element, or in an address.
_HELD = re.compile(rb"data-cmw-held=(?:\"([^\"]*)\"|([^\s\"'>]+))|about:invalid#cmw=([^#]*)#")
_NAME = re.compile(rb"<([A-Za-z][^\s/>]*)")
_WHITE = re.compile(r"\s+")
#: How many characters of markup are shown.
_SHOWN = 160
#: How many bytes before a hold in a style sheet are shown.
_BEFORE = 60


@dataclass(frozen=True, slots=True)
class SeenHold:
    """
    A hold in a page.

    Args:
        ids: The services that need consent.
        element: The name of the element in lower case; ``header`` for a response header.
        markup: The start of the markup as the application wrote it, on one line.
        line: The line in the page, from 1; 0 for a header.
        column: The character in that line, from 1; 0 for a header.
    """

    ids: tuple[str, ...]
    element: str
    markup: str
    line: int = 0
    column: int = 0


class HoldWatch:
    """
    Records the holds in one page.

    Args:
        most: The most holds to record.
    """

    def __init__(self, most: int = 200) -> None:
        #: The holds, in the order of the page.
        self.holds: list[SeenHold] = []
        #: How many further holds there were.
        self.more = 0
        self._most = most
        self._line = 1
        #: The part of the current line that was sent in earlier chunks.
        self._begun = b""

    def read(self, out: bytes, inserted: list[tuple[int, int]], charset: str) -> None:
        """
        Read the next bytes of the output.

        Args:
            inserted: Offsets in ``out`` and lengths of what the application did not write.
            charset: The Python codec of the page; empty if it is not known.
        """
        if not inserted:
            self._pass(out)
            return
        parts: list[bytes] = []
        marks: list[tuple[int, tuple[str, ...], bool]] = []
        at = length = 0
        for offset, size in inserted:
            parts.append(out[at:offset])
            length += len(parts[-1])
            at = offset + size
            if found := _HELD.search(out, offset, at):
                ids = next(filter(None, found.groups()), b"").decode("ascii", "replace")
                marks.append((length, tuple(ids.split(",")), out.startswith(b"</script>", offset)))
        parts.append(out[at:])
        page = b"".join(parts)
        for position, ids_held, is_cut in marks:
            self._add(page, position, ids_held, charset or "utf-8", is_cut=is_cut)
        self._pass(page)

    def _add(self, page: bytes, position: int, ids: tuple[str, ...], charset: str, *, is_cut: bool) -> None:
        if len(self.holds) >= self._most:
            self.more += 1
            return
        start = max(page.rfind(b"<", 0, position), 0)
        named = _NAME.match(page, start)
        element = named[1].decode("ascii", "replace").lower() if named else ""
        end = start + 4 * _SHOWN
        if is_cut:
            # A part of a script: show its code.
            element, start, end = "script", position, position + 4 * _SHOWN
        elif b">" in page[start:position]:
            # Inside a style sheet: show the surroundings, not the element far above.
            start = max(position - _BEFORE, page.rfind(b"\n", 0, position) + 1, start)
        elif element != "script" or b"src" in page[position : page.find(b">", position)].lower():
            end = page.find(b">", position) + 1 or end
        line = self._line + page.count(b"\n", 0, start)
        before = page[page.rfind(b"\n", 0, start) + 1 : start]
        if line == self._line:
            before = self._begun + before
        markup = _WHITE.sub(" ", page[start:end].decode(charset, "replace")).strip()
        shown = markup if len(markup) <= _SHOWN else markup[: _SHOWN - 1] + "…"
        self.holds.append(SeenHold(ids, element, shown, line, len(before.decode(charset, "replace")) + 1))

    def _pass(self, page: bytes) -> None:
        lines = page.count(b"\n")
        self._line += lines
        rest = page[page.rfind(b"\n") + 1 :] if lines else self._begun + page
        # A page may be one long line, so columns are counted up to a limit.
        self._begun = rest[:65_536]


class WatchedRewriter(Rewriter):
    """A rewriter that reports its holds to the :class:`HoldWatch` in ``watch``."""

    watch: HoldWatch | None = None

    def feed(self, chunk: bytes, pieces: list[Piece] | None = None) -> bytes:
        """Process the next bytes of the page and return the bytes that can be sent."""
        self.trace, sent = [], self._sent
        return self._told(super().feed(chunk, pieces), sent)

    def finish(self) -> bytes:
        """Return the rest of the page."""
        self.trace, sent = [], self._sent
        return self._told(super().finish(), sent)

    def _told(self, out: bytes, sent: int) -> bytes:
        if self.watch is not None:
            self.watch.read(out, [(at - sent, size) for at, size in self.trace or ()], self.holder.charset)
        return out
