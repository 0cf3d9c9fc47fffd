"""
URLs in style sheets and style attributes, by the tokens of CSS Syntax 3.

A style sheet fetches by ``url(...)`` and by the strings of ``@import``,
``image-set()``, ``src()`` and ``url()``. Strings after ``=`` (attribute
selectors) and ``:`` (``content``) fetch nothing and are passed over; every
other string is looked at. The scanner streams: it says how far it got.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_WS = rb"[ \t\r\n\f]"
#: What may begin something of interest: a comment, a string (with what tells that it fetches nothing), or "url(" with
#: any letter escaped.
_ANCHOR = re.compile(
    rb"/\*|[=:]%(w)s{0,64}+[\"']|[\"']"
    rb"|(?:[uU]|\\[uU]|\\0{0,4}[57]5%(w)s?)(?:[rR]|\\[rR]|\\0{0,4}[57]2%(w)s?)(?:[lL]|\\[lL]|\\0{0,4}[46][cC]%(w)s?)\(%(w)s*+"
    % {b"w": _WS}
)
#: The beginning of an anchor at the end of a chunk; an escaped "url(" is at most 28 bytes long.
_ANCHOR_SIZE = 28
_STRING_REST = {
    # The last branch: see tokens.
    0x22: re.compile(rb"(?:[^\"\\\n\r\f]|\\(?:\r\n|.)|(?!))*+", re.DOTALL),
    0x27: re.compile(rb"(?:[^'\\\n\r\f]|\\(?:\r\n|.)|(?!))*+", re.DOTALL),
}
_UNQUOTED_REST = re.compile(rb"(?:[^)\\\"' \t\r\n\f(]|\\[0-9a-fA-F]{1,6}+%b?|\\.|(?!))*+" % _WS, re.DOTALL)
_ANCHOR_TAIL = re.compile(rb"[=:]%b{0,64}+\Z" % _WS)
_TAIL_SIZE = 66
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})(?:\r\n|[ \t\r\n\f])?|(\r\n|[\n\r\f])|(.))", re.DOTALL)


def _escape(match: re.Match[str]) -> str:
    digits, newline, other = match.groups()
    if digits:
        code = int(digits, 16)
        return "\ufffd" if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)
    return "" if newline else other or ""


def unescape(text: str) -> str:
    """Decode the escapes of a CSS string or URL."""
    return _ESCAPE.sub(_escape, text) if "\\" in text else text


def scan(
    data: bytes | bytearray,
    start: int,
    end: int,
    visit: Callable[[int, bytes], None],
    *,
    final: bool,
) -> tuple[int, bool]:
    """
    Call ``visit(offset, raw)`` for each URL of ``data[start:end]``, escapes and all.

    Args:
        final: Whether the style sheet ends at ``end``; otherwise a token that
            touches the end is left for the next call.

    Returns:
        How far the scan got, and whether that is inside a comment.
    """
    position = start
    while True:
        found = _ANCHOR.search(data, position, end)
        if found is None:
            if final:
                return end, False
            tail = _ANCHOR_TAIL.search(data, max(position, end - _TAIL_SIZE), end)
            return max(position, min(end - _ANCHOR_SIZE, tail.start() if tail else end)), False
        at, after = found.span()
        if data[at] == 0x2F:
            close = data.find(b"*/", after, end)
            if close < 0:
                return (end, True) if final else (max(after, end - 1), True)
            position = close + 2
            continue
        fetches = data[at] not in b"=:"
        quote = data[after - 1]
        if quote not in _STRING_REST and after < end and data[after] in _STRING_REST:
            quote = data[after]
            after += 1
        stop = _stop(_STRING_REST.get(quote, _UNQUOTED_REST), data, after, end)
        cut = stop >= end or (stop == end - 1 and data[end - 1] == 0x5C)
        if cut and not final:
            return at, False
        if fetches and stop > after:
            visit(after, bytes(data[after:stop]))
        position = min(stop + 1, end) if quote in _STRING_REST else stop


def _stop(pattern: re.Pattern[bytes], data: bytes | bytearray, start: int, end: int) -> int:
    """Return where a match of ``pattern`` at ``start`` stops; the patterns match the empty string at least."""
    found = pattern.match(data, start, end)
    return found.end() if found else start


def terminator(data: bytes | bytearray, start: int, end: int) -> bytes:
    """Return what ends the token at ``start``: a quote, or ``)`` for an unquoted URL."""
    found = _ANCHOR.match(data, start, end)
    if found is None:
        return b")"
    last = data[found.end() - 1]
    if last not in _STRING_REST and found.end() < end:
        last = data[found.end()]
    return bytes([last]) if last in _STRING_REST else b")"


def rest_of_token(data: bytes | bytearray, start: int, end: int, ends_with: bytes) -> int:
    """Return where a token ends that goes on at ``start``, or ``end``."""
    return _stop(_STRING_REST.get(ends_with[0], _UNQUOTED_REST), data, start, end)


def urls(text: bytes) -> list[bytes]:
    """Return the raw URLs of a whole style sheet or of a declaration list."""
    found: list[bytes] = []
    scan(text, 0, len(text), lambda _, raw: found.append(raw), final=True)
    return found
