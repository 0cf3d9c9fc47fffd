"""
Where a reading of the page is: its position in the bytes at hand, and the edits it has made.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from consent_mw.html.hold_policy import Edit


class Mode(IntEnum):
    """What the bytes at the position are part of."""

    DATA = 0
    COMMENT = 1
    BOGUS = 2
    CDATA = 3
    RAW_TEXT = 4
    STYLE = 5
    STYLE_COMMENT = 6
    STYLE_TOKEN = 7
    SCRIPT = 8
    SCRIPT_TEXT = 9
    PLAINTEXT = 10
    LONG_VALUE = 11
    LONG_TAG = 12


class Cursor:
    """
    The one position that all parts of a reading share.

    Args:
        hold_back: The most bytes of one construct that are kept back.
        longest_script: The same for a script with its content.
    """

    __slots__ = ("buffer", "edits", "final", "hold_back", "longest_script", "mode", "origin", "position")

    def __init__(self, hold_back: int, longest_script: int) -> None:
        self.hold_back = hold_back
        self.longest_script = longest_script
        #: The bytes at hand; all readings of a page look at the same.
        self.buffer = bytearray()
        #: Offset in the page at which the buffer begins.
        self.origin = 0
        #: Offset in the buffer.
        self.position = 0
        #: No more bytes will come.
        self.final = False
        self.mode = Mode.DATA
        #: Edits not yet made, by offset in the page.
        self.edits: list[Edit] = []

    @property
    def offset(self) -> int:
        """Offset in the page."""
        return self.origin + self.position

    def copy(self) -> Cursor:
        """Return another cursor at the same place, between tags and without edits."""
        twin = Cursor(self.hold_back, self.longest_script)
        twin.buffer, twin.origin, twin.final, twin.position = self.buffer, self.origin, self.final, self.position
        return twin

    def edit(self, offset: int, left_out: int, inserted: bytes) -> None:
        """Note an edit at ``offset`` of the buffer."""
        self.edits.append((self.origin + offset, left_out, inserted))

    def add_edits(self, edits: Iterable[Edit], start: int) -> None:
        """Note edits whose offsets are relative to ``start`` of the buffer."""
        base = self.origin + start
        self.edits += [(base + at, left_out, inserted) for at, left_out, inserted in edits]

    def is_too_long(self, start: int) -> bool:
        """Whether what began at ``start`` is longer than what may be kept back."""
        return self.room(start) <= 0

    def room(self, start: int | None = None) -> int:
        """Return how many more bytes it takes for what began at ``start``, or the position, to be too long."""
        most = self.longest_script if self.mode is Mode.SCRIPT else self.hold_back
        return most + 1 - len(self.buffer) + (self.position if start is None else start)

    def pass_until(self, end: bytes) -> bool:
        """Pass on everything up to ``end``, then go on between tags; return False to wait for more."""
        at = self.buffer.find(end, self.position)
        if at < 0:
            self.position = max(self.position, len(self.buffer) - len(end) + 1)
            return False
        self.position = at + len(end)
        self.mode = Mode.DATA
        return True
