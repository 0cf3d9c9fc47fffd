"""
Searches over several chunks: where the script ends, and when a tag that was cut may be complete.

Both remember how far they have searched, so that each byte is examined a bounded number of times, however small the
chunks are.
"""

from __future__ import annotations

import re

from consent_mw.html import grammar
from consent_mw.html.tokens import OPEN_VALUE

_SCRIPT_MARK = re.compile(rb"<!--|-->|<(/?)[sS][cC][rR][iI][pP][tT](?=[ \t\n\r\f/>])")


class ScriptEnd:
    """
    Finds the end tag of a script, through the escaped and double escaped states.

    It remembers how far it has searched, so that each byte is examined once. Offsets are relative to the start of the
    content.

    https://html.spec.whatwg.org/#script-data-state
    """

    __slots__ = ("_escaped", "at")

    #: The longest incomplete mark at the end of a chunk, in bytes: "</script" and the byte that must follow.
    _TAIL = 9

    def __init__(self) -> None:
        self.at = 0
        self._escaped = 0

    def copy(self) -> ScriptEnd:
        """Return a copy for another reading."""
        twin = ScriptEnd()
        twin.at, twin._escaped = self.at, self._escaped
        return twin

    def find(self, data: bytes | bytearray, start: int, *, final: bool) -> int:
        """Return the offset in ``data`` of the end tag of the script that begins at ``start``, or -1."""
        position = start + self.at
        while found := _SCRIPT_MARK.search(data, position):
            mark = found.group()
            position = found.end()
            if mark == b"<!--":
                if not self._escaped:
                    self._escaped = 1
                # The dashes of "<!-->" are also those of the end.
                position = found.end() - 2
            elif mark == b"-->":
                self._escaped = 0
            elif not found.group(1):
                if self._escaped == 1:
                    self._escaped = 2
            elif self._escaped == 2:
                self._escaped = 1
            else:
                self.at = found.start() - start
                return found.start()
        self.at = max(position, len(data) - self._TAIL) - start
        return -1


_NAME_SO_FAR = re.compile(rb"<(?:/?)[a-zA-Z][^ \t\n\r\f/>]*+")
_NEXT_ATTRIBUTE = re.compile(rb"[ \t\n\r\f/]*+(" + grammar.ATTRIBUTE + rb")")
_END_OF_NAME = re.compile(rb"[ \t\n\r\f/>]")
_END_OF_ATTRIBUTE = re.compile(rb"[ \t\n\r\f/>=]")
_END_OF_UNQUOTED = re.compile(rb"[ \t\n\r\f>]")
_END_OF_QUOTED = {b'"': re.compile(rb'"'), b"'": re.compile(rb"'")}
_SLASHES = re.compile(rb"[ \t\n\r\f/]*+")
_SPACES = re.compile(rb"[ \t\n\r\f]*+")
_NOT_SLASH = re.compile(rb"[^ \t\n\r\f/]")
_NOT_SPACE = re.compile(rb"[^ \t\n\r\f]")


class TagWatch:
    """
    Tells when a tag that a chunk cut may be complete, examining each byte a bounded number of times.

    Offsets are relative to the start of the tag.
    """

    __slots__ = ("_searched", "_wait", "attribute")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start with another tag."""
        #: Where the first incomplete attribute starts; 0 while the element's name is incomplete.
        self.attribute = 0
        self._searched = 0
        self._wait: re.Pattern[bytes] | None = None

    def may_end(self, data: bytes | bytearray, start: int) -> bool:
        """Return whether the tag at ``start`` of ``data`` may be complete now."""
        size = len(data) - start
        if self._wait is not None and not self._wait.search(data, start + self._searched):
            self._searched = size
            return False
        if not self.attribute:
            name = _NAME_SO_FAR.match(data, start)
            if name is None or name.end() == len(data):
                self._wait, self._searched = _END_OF_NAME, size
                return False
            self.attribute = name.end() - start
        self._searched = size
        while found := _NEXT_ATTRIBUTE.match(data, start + self.attribute):
            if _SPACES.match(data, found.end()).end() == len(data):  # type: ignore[union-attr]
                # The attribute may continue, even with "=" after white space.
                self._wait = _END_OF_ATTRIBUTE if found.end() == len(data) else _NOT_SPACE
                return False
            self.attribute = found.end() - start
        at = _SLASHES.match(data, start + self.attribute).end()  # type: ignore[union-attr]
        if data[at : at + 1] == b">":
            self._wait = None
            return True
        if at == len(data):
            self._wait = _NOT_SLASH
            return False
        quote = OPEN_VALUE.match(data, at).group(2)  # type: ignore[union-attr]
        self._wait = _END_OF_QUOTED.get(bytes(quote), _END_OF_UNQUOTED)
        return False
