"""
The state that the parts of a reading share: its position in the buffer, its mode, and the edits not yet made.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from consent_mw.html.hold_policy import Edit


class Mode(IntEnum):
    """The kind of construct that the bytes at the position are part of."""

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
    The position that all parts of a reading share.

    Args:
        hold_back: The most bytes of one construct that are kept back.
        longest_script: The same limit for a script with its content.
    """

    __slots__ = ("buffer", "edits", "final", "hold_back", "longest_script", "mode", "origin", "position")

    def __init__(self, hold_back: int, longest_script: int) -> None:
        self.hold_back = hold_back
        self.longest_script = longest_script
        #: The bytes at hand; all readings of a page share the buffer.
        self.buffer = bytearray()
        #: Offset in the page at which the buffer starts.
        self.origin = 0
        #: The position, as an offset in the buffer.
        self.position = 0
        #: Whether the page ends with the buffer.
        self.final = False
        self.mode = Mode.DATA
        #: Edits not yet made, at offsets in the page.
        self.edits: list[Edit] = []

    @property
    def offset(self) -> int:
        """The position, as an offset in the page."""
        return self.origin + self.position

    def copy(self) -> Cursor:
        """Return another cursor at the same position, in mode DATA and without edits."""
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
        """Return whether the construct that starts at ``start`` is too long to keep back."""
        return self.room(start) <= 0

    def room(self, start: int | None = None) -> int:
        """Return how many more bytes make the construct at ``start``, or at the position, too long to keep back."""
        most = self.longest_script if self.mode is Mode.SCRIPT else self.hold_back
        return most + 1 - len(self.buffer) + (self.position if start is None else start)

    def pass_until(self, end: bytes) -> bool:
        """Pass everything up to and including ``end``, and enter mode DATA; return False to wait for more bytes."""
        at = self.buffer.find(end, self.position)
        if at < 0:
            self.position = max(self.position, len(self.buffer) - len(end) + 1)
            return False
        self.position = at + len(end)
        self.mode = Mode.DATA
        return True
