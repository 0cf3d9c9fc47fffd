"""
Where what the rewriter holds stands in the page.

A :class:`WatchedRewriter` rewrites as ever, and tells a :class:`HoldWatch` of each hold: for which services, in which
line and column, and how the application wrote it. It reads this from what goes out: the rewriter says where it
inserted something (:attr:`Rewriter.trace`), and whatever holds carries a mark with the ids. So nothing has to be kept
in step with how a tag is held, and a page that nobody watches costs nothing more.

What is kept is bounded by ``most``; what comes after is counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from consent_mw.html.iso2022jp import Piece
from consent_mw.html.rewriter import Rewriter

__all__ = ["HoldWatch", "SeenHold", "WatchedRewriter"]

#: How a hold says for which services it stands: on an element, or in an address.
_HELD = re.compile(rb"data-cmw-held=(?:\"([^\"]*)\"|([^\s\"'>]+))|about:invalid#cmw=([^#]*)#")
_NAME = re.compile(rb"<([A-Za-z][^\s/>]*)")
_WHITE = re.compile(r"\s+")
#: Characters of markup that are shown.
_SHOWN = 160
#: Bytes before a hold inside a style sheet that are shown.
_BEFORE = 60


@dataclass(frozen=True, slots=True)
class SeenHold:
    """
    Something that is held.

    Args:
        ids: The services that it waits for.
        element: The name of the element in lower case; ``header`` for a field of the response's head.
        markup: How it begins as the application wrote it, in one line.
        line: Where it stands in the page, from 1; 0 for a header.
        column: The character of that line, from 1; 0 for a header.
    """

    ids: tuple[str, ...]
    element: str
    markup: str
    line: int = 0
    column: int = 0


class HoldWatch:
    """
    Hears of the holds in one page.

    Args:
        most: How many are kept.
    """

    def __init__(self, most: int = 200) -> None:
        #: What was held, in the order of the page.
        self.holds: list[SeenHold] = []
        #: How many more there were.
        self.more = 0
        self._most = most
        self._line = 1
        #: What the current line began with, as far as it was sent before.
        self._begun = b""

    def read(self, out: bytes, inserted: list[tuple[int, int]], charset: str) -> None:
        """
        Take the next bytes that go out.

        Args:
            inserted: Offsets in ``out`` and lengths of what the application did not write.
            charset: The Python codec of the page; empty where none is known.
        """
        if not inserted:
            self._pass(out)
            return
        parts: list[bytes] = []
        marks: list[tuple[int, tuple[str, ...]]] = []
        at = length = 0
        for offset, size in inserted:
            parts.append(out[at:offset])
            length += len(parts[-1])
            at = offset + size
            if found := _HELD.search(out, offset, at):
                ids = next(filter(None, found.groups()), b"").decode("ascii", "replace")
                marks.append((length, tuple(ids.split(","))))
        parts.append(out[at:])
        page = b"".join(parts)
        for position, ids_held in marks:
            self._add(page, position, ids_held, charset or "utf-8")
        self._pass(page)

    def _add(self, page: bytes, position: int, ids: tuple[str, ...], charset: str) -> None:
        if len(self.holds) >= self._most:
            self.more += 1
            return
        start = max(page.rfind(b"<", 0, position), 0)
        named = _NAME.match(page, start)
        element = named[1].decode("ascii", "replace").lower() if named else ""
        end = start + 4 * _SHOWN
        if b">" in page[start:position]:
            # Inside a style sheet: show where it stands, not the element that is far above.
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
        # A page in one line: columns are counted as far as anybody would look.
        self._begun = rest[:65_536]


class WatchedRewriter(Rewriter):
    """A rewriter that tells of what it holds, to the :class:`HoldWatch` in ``watch``."""

    watch: HoldWatch | None = None

    def feed(self, chunk: bytes, pieces: list[Piece] | None = None) -> bytes:
        """Take the next bytes of the page and return what can be sent on."""
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
