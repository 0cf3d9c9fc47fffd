"""
Reads one script: its text without escapes, its words, and which of its positions are code.

Signatures and addresses are searched for in the decoded text, and the lexer (:mod:`consent_mw.html.javascript`) reads
the raw bytes. :meth:`ScriptText.raw_place` maps a position in the one to the other.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from consent_mw.html.javascript import Lexer

#: Words are collected from windows of so many bytes; the overlap is longer than any word in a signature.
_WINDOW = 1_048_576
_OVERLAP = 256
#: How many bytes before an address are searched for the code that loads it.
_BEFORE = 120
#: Escapes of ASCII, https://tc39.es/ecma262/#prod-EscapeSequence; the last group is a legacy octal one.
_ESCAPE = re.compile(
    rb"\\(?:(/)|x([0-9a-fA-F]{2})|u00([0-9a-fA-F]{2})|u\{0*([0-9a-fA-F]{2})\}|([01][0-7]{2}|[2-7][0-7]))"
)
#: Code before a string that is a message for developers.
_TELLS = re.compile(rb"\b(?:console\s*\.\s*[a-z]+|new\s+[A-Z][A-Za-z]*Error)\s*\(\s*\Z")
_SCHEME_IN_STRING = re.compile(rb"[\"'`](?:https?:)?\Z", re.I)
IDENTIFIER = re.compile(rb"[A-Za-z_$][A-Za-z0-9_$]*+")


class ScriptText:
    """A script with its escapes decoded, and a map from positions in the decoded text to its raw bytes."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.text = _ESCAPE.sub(_unescape, raw) if b"\\" in raw else raw
        self._behind: list[int] = []
        self._lost: list[int] = []
        if len(self.text) != len(raw):
            lost = 0
            for found in _ESCAPE.finditer(raw):
                lost += found.end() - found.start() - 1
                self._behind.append(found.end() - lost)
                self._lost.append(lost)

    def raw_place(self, place: int) -> int:
        """Return the position in the raw bytes of a ``place`` in the decoded text."""
        index = bisect_right(self._behind, place)
        return place + (self._lost[index - 1] if index else 0)

    def words(self) -> set[bytes]:
        """Return all words; parts of words may be among them."""
        text = self.text
        if len(text) <= _WINDOW:
            return set(IDENTIFIER.findall(text))
        words: set[bytes] = set()
        for start in range(0, len(text), _WINDOW):
            words.update(IDENTIFIER.findall(text, start, start + _WINDOW + _OVERLAP))
        return words


def _unescape(match: re.Match[bytes]) -> bytes:
    slash, *codes, octal = match.groups()
    if octal:
        return bytes([int(octal, 8)])
    return b"/" if slash else bytes([int(next(code for code in codes if code), 16)])


class ScriptReading:
    """
    Classifies positions in a script as code or data, using the lexer.

    Args:
        places: The positions in the decoded text that :meth:`is_code` and :meth:`is_code_or_quoted` will be asked for.
    """

    def __init__(self, script: ScriptText, places: Iterable[int]) -> None:
        self._script = script
        wanted = {script.raw_place(place + shift) for place in places for shift in (-1, 0)}
        self._code = Lexer(script.raw).code_among(place for place in wanted if place >= 0)
        self._data: tuple[list[int], list[int]] | None = None

    @property
    def is_sure(self) -> bool:
        """Whether the lexer could read the whole script."""
        return self._code is not None

    def is_code(self, place: int) -> bool:
        """Whether a position is code; True if the lexer is unsure."""
        return self._code is None or self._script.raw_place(place) in self._code

    def is_code_or_quoted(self, place: int) -> bool:
        """Whether a position is code, or the start of a string in code."""
        if self.is_code(place):
            return True
        before = place - 1
        return before >= 0 and self._script.text[before:place] in (b'"', b"'", b"`") and self.is_code(before)

    def counts(self, place: int) -> bool:
        """Whether a script that makes requests may run or load what is at a position."""
        return self.is_code(place) or not self.is_dead(place)

    def _intervals(self) -> tuple[list[int], list[int]]:
        if self._data is None:
            found = list(Lexer(self._script.raw).data()) if self._code is not None else []
            self._data = [start for start, _ in found], [end for _, end in found]
        return self._data

    def _around(self, place: int) -> tuple[int, int]:
        """Return start and end of the string, comment or regular expression around a raw position, or (-1, -1)."""
        starts, ends = self._intervals()
        index = bisect_right(starts, place) - 1
        return (starts[index], ends[index]) if index >= 0 and place < ends[index] else (-1, -1)

    def string_at(self, place: int) -> int:
        """Return the start of the string, comment or regular expression around a raw place, or -1."""
        return self._around(place)[0]

    def is_dead(self, place: int) -> bool:
        """Whether a position is in a comment, a regular expression or a message for the console."""
        raw = self._script.raw
        start, _ = self._around(self._script.raw_place(place))
        if start < 0:
            return False
        return raw[start : start + 1] == b"/" or _TELLS.search(raw, max(0, start - _BEFORE), start) is not None

    def before(self, place: int) -> tuple[bytes, bool]:
        """Return the code before the string around ``place``, and whether the string starts with the address there."""
        raw, at = self._script.raw, self._script.raw_place(place)
        start, _ = self._around(at)
        if start < 0:
            # The lexer is unsure: assume that the nearest quote starts the string.
            quote = _SCHEME_IN_STRING.search(raw, max(0, at - 8), at)
            start = quote.start() if quote else at
        first = start < at and _SCHEME_IN_STRING.fullmatch(raw[start:at].replace(b"\\", b"")) is not None
        return raw[max(0, start - _BEFORE) : start], first

    def code(self) -> bytes:
        """Return the script without its data."""
        kept: list[bytes] = []
        at = 0
        for start, end in zip(*self._intervals(), strict=True):
            kept.append(self._script.raw[at:start])
            at = end
        return b" ".join([*kept, self._script.raw[at:]])


def asks_whether(text: bytes, roots: Iterable[bytes]) -> bool:
    """Return whether a script checks that the globals which it calls exist."""
    names = b"(?:" + b"|".join(map(re.escape, sorted(roots))) + rb")(?![\w$])"
    held_by = rb"(?:window|self|globalThis|top)\s*+\.\s*+"
    return bool(
        re.search(
            rb"\btry\s*+\{\s*+(?:" + held_by + rb")?" + names
            + rb"|typeof\s*+\(?\s*+(?:" + held_by + rb")?" + names
            + rb"|(?:\bif\s*+\(|&&|\|\||[(!?])\s*+!?\s*+" + held_by + names
            + rb"|\bif\s*+\(\s*+!?\s*+" + names + rb"\s*+[)&|]"
            + rb"|(?<![\w$.])(?:" + held_by + rb")?" + names + rb"\s*+(?:&&|\?\.)"
            + rb"|[\"']" + names + rb"[\"']\s*+in\s++(?:window|self|globalThis)",
            text,
        )
    )  # fmt: skip
