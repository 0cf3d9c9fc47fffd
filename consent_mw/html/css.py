"""
Finds URLs in style sheets and style attributes, by the tokens of CSS Syntax 3.

A style sheet fetches the URLs in ``url(...)`` and in the strings of ``@import``, ``image-set()``, ``src()`` and
``url()``, also through custom properties. Strings in attribute selectors and in ``content`` fetch nothing and are
skipped; every other string counts as a URL.

Theory of operation. :func:`scan` does not parse rules. It searches for the next *anchor*, a place where a URL may start
or where the bytes that follow must not be searched: a comment, a quote, ``url(`` in any spelling, an escape, or a
two-byte character. Then it reads the token from there to its end, reports the URL, and searches again. Most tokens are
plain ASCII and are matched by one short pattern; the long patterns cover escapes and two-byte characters.

The scan streams. If a token may continue after the end of the data, the scan returns the position before it, and the
caller starts there again with more bytes. ``x-url(`` is not ``url(``, so the character or escape before an anchor has
to be examined as well, and kept.

In Shift_JIS, GBK and Big5 a backslash byte may be the second half of a character, which decides where a string ends.
So there is a set of patterns for each of these encodings; the parameter ``wide`` selects it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from consent_mw.errors import RefusedMarkup

_WS = rb"[ \t\r\n\f]"
#: The optional white space after the digits of an escape, of which CR LF counts as one
#: (https://drafts.csswg.org/css-syntax/#consume-escaped-code-point).
_END_OF_HEX = rb"(?:\r\n|[ \t\r\n\f])?"
_HEX = rb"\\[0-9a-fA-F]{1,6}+" + _END_OF_HEX

#: The ways to read bytes: each as a character, as Shift_JIS, as GBK, as Big5.
PLAIN = ""
SHIFT_JIS = "shift_jis"
GBK = "gbk"
BIG5 = "big5"
#: The first bytes of two-byte characters; those among them that do not form a character with a backslash, which is then
#: read by itself (https://encoding.spec.whatwg.org/#shift_jis-decoder, the last step of "lead"); and the second bytes.
_PAIRS = {
    SHIFT_JIS: (rb"\x81-\x9f\xe0-\xfc", rb"\x82\x85\x86\x88\xeb\xec\xef\xfc", rb"\x40-\x7e\x80-\xff"),
    GBK: (rb"\x81-\xfe", rb"", rb"\x40-\x7e\x80-\xff"),
    BIG5: (rb"\x81-\xfe", rb"\x81-\x86", rb"\x40-\x7e\x80-\xff"),
}
_NEVER = rb"(?!)"


def _second(wide: str) -> bytes:
    """Return the pattern of a two-byte character after its first byte."""
    first, alone, second = _PAIRS[wide]
    not_alone = rb"(?!(?<=[%b])\\)" % alone if alone else b""
    return rb"(?<=[%b])%b[%b]" % (first, not_alone, second)


def _pair(wide: str) -> bytes:
    """Return the pattern of a two-byte character."""
    return rb"[%b]%b" % (_PAIRS[wide][0], _second(wide)) if wide else _NEVER


#: The ways to read the bytes of a codec; an undeclared charset is read in all of them.
READINGS = {"": (PLAIN, SHIFT_JIS, GBK, BIG5), "cp932": (SHIFT_JIS,), "gb18030": (GBK,), "big5hkscs": (BIG5,)}
#: Bytes on which the readings differ.
AMBIGUOUS = re.compile(rb"[\x81-\xfe]\\")

#: An anchor. The branches, in order: "url("; a quote; the start of a comment; a quote after "=" or "content:", whose
#: string fetches nothing; an escape, which may be the "u" of "url("; a run of two-byte characters. The set of all first
#: bytes comes first, and each branch looks back at it, so that a search skips other bytes without trying the branches.
_ANCHOR = (
    rb"[=\"'/uU\\;{ \t\r\n\f%(first)s](?:"
    rb"(?<=[uU])%(r)s%(l)s\(%(w)s*+"
    rb"|(?<=[\"'])"
    rb"|(?<=/)\*"
    rb"|(?:(?<==)|(?<=[;{ \t\r\n\f])[cC][oO][nN][tT][eE][nN][tT]%(w)s{0,8}+:)%(w)s{0,8}+[\"']"
    rb"|(?<=\\)(?:(?:[uU]|0{0,4}[57]5%(e)s)%(r)s%(l)s\(%(w)s*+|%(pair)s|[^\n\r\f])"
    rb"|%(second)s(?:%(pair)s|(?!))*+)"
)
#: The bytes at the end of a chunk that may be the start of an anchor: an escaped "url(" has at most 28 bytes without
#: white space, and an escape before it has nine.
_ANCHOR_SIZE = 48


class _Syntax(NamedTuple):
    """The patterns of one way to read bytes."""

    anchor: re.Pattern[bytes]
    #: The rest of a string, by its quote.
    string: dict[int, re.Pattern[bytes]]
    url: re.Pattern[bytes]
    #: The rest of an invalid URL, https://drafts.csswg.org/css-syntax/#consume-remnants-of-bad-url
    bad_url: re.Pattern[bytes]


def _syntax(wide: str) -> _Syntax:
    pair = _pair(wide)
    # The first half of a character does not match before the second half has arrived.
    half, other = (rb"\x81-\xfe", rb"|[\x81-\xfe](?=.)") if wide else (b"", b"")
    anchor = _ANCHOR % {
        b"w": _WS,
        b"e": _END_OF_HEX,
        b"r": rb"(?:[rR]|\\[rR]|\\0{0,4}[57]2%b)" % _END_OF_HEX,
        b"l": rb"(?:[lL]|\\[lL]|\\0{0,4}[46][cC]%b)" % _END_OF_HEX,
        b"first": _PAIRS[wide][0] if wide else b"",
        b"second": _second(wide) if wide else _NEVER,
        b"pair": pair,
    }
    # The last branch of each group always fails: see consent_mw.html.grammar.BACK.
    return _Syntax(
        re.compile(anchor, re.DOTALL),
        {
            quote: re.compile(
                rb"(?:%b|[^%c\\\n\r\f%b]%b|%b|\\(?:\r\n|%b|.)|(?!))*+" % (pair, quote, half, other, _HEX, pair),
                re.DOTALL,
            )
            for quote in b"\"'"
        },
        re.compile(
            rb"(?:%b|[^)\\\"' \t\r\n\f(%b]%b|%b|\\(?:%b|.)|(?!))*+" % (pair, half, other, _HEX, pair),
            re.DOTALL,
        ),
        re.compile(rb"(?:%b|[^)\\%b]%b|\\(?:%b|.)|(?!))*+" % (pair, half, other, pair), re.DOTALL),
    )


_SYNTAX = {wide: _syntax(wide) for wide in (PLAIN, *_PAIRS)}
#: The rest of a token without escapes and non-ASCII bytes: of a string, by its quote, or (0) of an unquoted URL.
#: A token that does not match needs the patterns of :class:`_Syntax`.
_PLAIN_TOKENS = {
    0: re.compile(rb"(?:[!#$%&*+,\-.0-9:;<=>?@A-Z\[\]^_`a-z{|}~]|/(?!\*)|(?!))*+\)"),
    0x22: re.compile(rb"[ !#-\[\]-~]*+\""),
    0x27: re.compile(rb"[ -&(-\[\]-~]*+'"),
}
#: A style sheet of ASCII without strings, comments and escapes, all of whose URLs are plain paths from the root.
LOCAL = re.compile(
    rb"(?:[^uU\"'/\\\x80-\xff]++|[uU](?![rR][lL]\()"
    rb"|[uU][rR][lL]\((?:/[A-Za-z0-9_\-][A-Za-z0-9_\-.]*+|(?!))++\)|(?!))*+\Z"
)
_QUOTES = frozenset(b"\"'")
#: Everything up to the first byte that distinguishes an unquoted URL from the arguments of a function.
_PLAIN_ARGUMENT = re.compile(rb"(?:[^)\"'\\(/]|/(?!\*)|(?!))*+")
#: Bytes of a name (https://drafts.csswg.org/css-syntax/#ident-code-point), and those that start a token with a name.
_NAME = frozenset(b"-_#@\0" + bytes(range(0x30, 0x3A)) + bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B)))
_ESCAPE_BEFORE = re.compile(rb"\\(?:[0-9a-fA-F]{1,6}(?:\r\n|[ \t\r\n\f])?|[^\n\r\f0-9a-fA-F])\Z", re.DOTALL)
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


class Part(NamedTuple):
    """A view of ``data[start:end]`` without a copy."""

    data: bytes | bytearray
    start: int
    end: int


def scan(
    part: Part,
    visit: Callable[[int, bytes], None],
    *,
    final: bool,
    wide: str = PLAIN,
) -> tuple[int, bool]:
    """
    Call ``visit(offset, raw)`` for each URL of ``part``, with its escapes still encoded.

    Args:
        part: A part of a style sheet. Offsets count from the start of its data.
        final: Whether the style sheet ends at ``end``; otherwise a token that
            touches the end is left for the next call.

    Returns:
        How far the scan got, and whether that is inside a comment.
    """
    data, position, end = part
    syntax = _SYNTAX[wide]
    while True:
        found = syntax.anchor.search(data, position, end)
        if found is None:
            return (end if final else max(position, end - _ANCHOR_SIZE)), False
        at, after = found.span()
        first = data[at]
        if first == 0x2F:
            close = data.find(b"*/", after, end)
            if close < 0:
                return (end, True) if final else (max(after, end - 1), True)
            position = close + 2
            continue
        is_url = first in b"uU" or _is_url(data, at, after)
        quote = 0 if is_url else data[after - 1]
        if is_url and after < end and data[after] in _QUOTES:
            quote = data[after]
            after += 1
        if not is_url and (first == 0x5C or first > 0x7F):
            # An escape, or a two-byte character with a byte that looks like something else.
            if not final and after > end - _ANCHOR_SIZE:
                # It may turn out to be a letter of "url(".
                return min(at, max(position, end - _ANCHOR_SIZE)), False
            position = after
            continue
        plain = _PLAIN_TOKENS[quote].match(data, after, end)
        if plain is not None:
            # A complete URL, which is fetched even as an argument of another function.
            stop = rest = plain.end() - 1
        elif is_url and not quote and _is_other_function(data, at, after, end):
            if data[at - 1] > 0x7F or (wide and at > 1 and data[at - 2] > 0x7F):
                raise RefusedMarkup("whether a function of a style sheet is url() depends on the browser")
            position = after
            continue
        else:
            stop = _stop(syntax.string[quote] if quote else syntax.url, data, after, end)
            rest = stop if quote else _stop(syntax.bad_url, data, stop, end)
            if _is_cut(data, rest, end) and not final:
                return max(position, _joined(data, at)) if is_url else at, False
        fetches = is_url or first == quote
        if fetches and stop > after:
            visit(after, bytes(data[after:stop]))
        position = min(rest + 1, end)


def _is_url(data: bytes | bytearray, at: int, after: int) -> bool:
    """Whether an anchor is "url(": it starts with the letter, or with an escape that "rl(" follows."""
    return data[at] in b"uU" or (data[at] == 0x5C and after > at + 3)


def _is_other_function(data: bytes | bytearray, at: int, after: int, end: int) -> bool:
    """Whether "url(" at ``at`` is the end of another function's name ("x-url("), with arguments that are not a URL."""
    if _joined(data, at) == at:
        return False
    first = _PLAIN_ARGUMENT.match(data, after, end).end()  # type: ignore[union-attr]
    return first < end and data[first] != 0x29


def _joined(data: bytes | bytearray, at: int) -> int:
    """Return the start of the character or escape before ``at`` if a name continues from it; otherwise ``at``."""
    if at == 0:
        return at
    escape = _ESCAPE_BEFORE.search(data, max(0, at - 9), at)
    if escape is not None:
        slashes = escape.start()
        while slashes > 0 and data[slashes - 1] == 0x5C:
            slashes -= 1
        if (escape.start() - slashes) % 2 == 0:
            return escape.start()
    before = data[at - 1]
    return at - 1 if before in _NAME or before > 0x7F else at


def _is_cut(data: bytes | bytearray, stop: int, end: int) -> bool:
    """Whether a token that was read up to ``stop`` may continue after ``end``, which can cut an escape or character."""
    return stop >= end or (stop == end - 1 and (data[stop] == 0x5C or data[stop] > 0x80))


def _stop(pattern: re.Pattern[bytes], data: bytes | bytearray, start: int, end: int) -> int:
    """Return the end of a match of ``pattern`` at ``start``; the patterns also match the empty string."""
    found = pattern.match(data, start, end)
    return found.end() if found else start


def terminator(data: bytes | bytearray, start: int, end: int, wide: str = PLAIN) -> bytes:
    """
    Return the terminator of the string or URL at which a scan stopped: a quote, or ``)`` for an unquoted URL.

    Raises:
        RefusedMarkup: it is the argument of another function, which may contain strings.
    """
    for found in _SYNTAX[wide].anchor.finditer(data, start, end):
        at, after = found.span()
        is_url = _is_url(data, at, after)
        if not is_url and (data[at] == 0x5C or data[at] > 0x7F):
            continue  # part of the name before "url("
        last = data[after] if is_url and after < end else data[after - 1]
        if last in _QUOTES:
            return bytes([last])
        if _joined(data, at) < at:
            raise RefusedMarkup("the arguments of a function of a style sheet are longer than hold_back", "hold_back")
        break
    return b")"


def rest_of_token(
    data: bytes | bytearray, start: int, end: int, ends_with: bytes, wide: str = PLAIN
) -> tuple[int, bool]:
    """Return the end of a token that continues at ``start``, and whether it is complete."""
    syntax = _SYNTAX[wide]
    stop = _stop(syntax.string.get(ends_with[0], syntax.bad_url), data, start, end)
    return stop, not _is_cut(data, stop, end)


def urls(text: bytes, wide: str = PLAIN) -> list[bytes]:
    """Return the raw URLs of a complete style sheet or declaration list."""
    found: list[bytes] = []
    scan(Part(text, 0, len(text)), lambda _, raw: found.append(raw), final=True, wide=wide)
    return found
