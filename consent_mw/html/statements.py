"""
Splits a classic script into its top-level statements, or gives up.

Theory of operation
-------------------

The lexer (:mod:`consent_mw.html.javascript`) finds the strings, templates, comments and regular expressions of a
script. :func:`masked` replaces each of them by as many characters that mean the same to a reader of statements: white
space for a comment, quotation marks for a string. What is left is code in which every bracket counts, so each is
matched with its partner once, and a reader passes over a whole function in one step.

:func:`split` then follows the grammar of statements at the top level only
(https://tc39.es/ecma262/#sec-ecmascript-language-statements-and-declarations). A statement ends at its semicolon, at
the brace that closes its block, or, by the rules of automatic semicolon insertion, at a line break before a token that
cannot continue it.

Two statements that are taken for one do no harm: the caller only gets a coarser answer. One statement that is taken for
two would be broken by a caller that cuts there. So whatever is not certain is no end, and if the reader cannot go on,
there is no answer: modules, escapes in names, letters beyond ASCII in code, a slash whose meaning depends on
syntax.

The running time is linear in the length of the script.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from consent_mw.html.javascript import Lexer

__all__ = ["Statements", "split"]

#: The most statements; a script with more is an application.
_MOST = 200
#: The most statements within each other without braces between them, such as ``else if``.
_DEEPEST = 40

_NO_BREAK = re.compile(rb"[^\r\n]")
_GAP = re.compile(rb"\s*+")
_WORD = re.compile(rb"[A-Za-z_$][\w$]*+")
_OPERAND = re.compile(rb"'++|`++|\.?[0-9][\w.]*+")
_BRACKET = re.compile(rb"[()\[\]{}/]")
_LAST_WORD = re.compile(rb"(?<![\w$.])([a-z]+)\s*\Z")
_ASYNC_FUNCTION = re.compile(rb"async[ \t]++function\b")
_PARTNERS = {b")": b"(", b"]": b"[", b"}": b"{"}
#: Keywords before a parenthesis after which a statement begins, so that a slash starts a regular expression.
_HEADED = frozenset([b"if", b"for", b"while", b"with"])
#: Words with which no statement of a classic script begins at the top level, except a module's.
_NO_START = frozenset(b"import export return break continue case default else catch finally".split())
#: Words after which an operand must follow.
_BEFORE_OPERAND = frozenset(
    b"case class const delete do else extends function in instanceof new return throw typeof var void".split()
)
#: Words that are names in some places and keywords in others.
_EITHER = frozenset([b"async", b"await", b"let", b"of", b"yield"])
#: Words that continue the statement before a line break.
_CONTINUES = frozenset([b"extends", b"in", b"instanceof", b"of"])
_USE_STRICT = re.compile(rb"\s*+(?:'use strict'|\"use strict\")\s*+;?\s*+")
_DIRECTIVE = re.compile(rb"\s*+'++\s*+;?\s*+")


class _UnclearError(Exception):
    """The statements of a script cannot be told apart with certainty."""


class Statements(NamedTuple):
    """The top-level statements of a script."""

    #: The script without what its strings, templates, comments and regular expressions contain.
    text: bytes
    #: Where each statement ends; white space and comments belong to the statement after them.
    ends: tuple[int, ...]
    #: How many of the first ones are directives.
    directives: int
    #: Whether one of these is "use strict".
    strict: bool


def split(code: bytes, *, in_function: bool = False) -> Statements | None:
    """
    Return the top-level statements of a script, or None if they are not certain.

    Args:
        code: The script, in an encoding whose bytes below 128 are ASCII.
        in_function: Whether it is the body of a function, in which ``return`` may stand.
    """
    text = masked(code)
    if text is None:
        return None
    try:
        reader = _StatementReader(text, _NO_START - {b"return"} if in_function else _NO_START)
        ends = reader.ends()
    except _UnclearError:
        return None
    spans = list(pairwise([0, *ends]))
    directives = 0
    while directives < len(spans) and _DIRECTIVE.fullmatch(text, *spans[directives]):
        directives += 1
    # A directive is told by its raw text; comments before it are rare, and then the script counts as unclear.
    raw = [code[start:end] for start, end in spans[:directives]]
    strict = any(map(_USE_STRICT.fullmatch, raw))
    if not strict and any(b"use strict" in one for one in raw):
        return None
    return Statements(text, tuple(ends), directives, strict)


def masked(code: bytes) -> bytes | None:
    """Return a script with fillers for strings, templates, comments and regular expressions; None if it is unclear."""
    if b"\x1b" in code or b"\xe2\x80\xa8" in code or b"\xe2\x80\xa9" in code or Lexer(code).code_among(()) is None:
        return None
    kept: list[bytes] = []
    at = 0
    for start, end in Lexer(code).data():
        kept.append(code[at:start])
        filler = _filler(code[start:end])
        if filler[:1] == b"'" and code[start : start + 1] == b"/" and _follows_brace(kept):
            return None
        kept.append(filler)
        at = end
    kept.append(code[at:])
    text = b"".join(kept)
    return None if b"\\" in text or not text.isascii() else text


def _filler(data: bytes) -> bytes:
    """Return what stands for a string, template, comment or regular expression: as many bytes."""
    first, size = data[:1], len(data)
    if first in (b"<", b"-") or data[:2] in (b"//", b"/*"):
        return _NO_BREAK.sub(b" ", data)
    if first in (b"`", b"}"):
        # The code in a template stands between parentheses.
        return (b")" if first == b"}" else b"`") + b"`" * (size - 2) + (b"`" if data.endswith(b"`") else b"(")
    return b"'" * size


def _follows_brace(kept: list[bytes]) -> bool:
    """Whether a closing brace precedes, after which a slash may divide or not."""
    for piece in reversed(kept):
        if stripped := piece.rstrip():
            return stripped.endswith(b"}")
    return False


class _StatementReader:
    """
    Reads statements.

    Args:
        text: A masked script.
        no_start: The words with which no statement in it begins.
    """

    def __init__(self, text: bytes, no_start: frozenset[bytes]) -> None:
        self._text = text
        self._no_start = no_start
        #: Where the bracket that opens at a place is closed.
        self._close: dict[int, int] = {}
        opened: list[tuple[bytes, int]] = []
        last_headed = -1
        for found in _BRACKET.finditer(text):
            bracket, place = found.group(), found.start()
            if bracket == b"/":
                if last_headed >= 0 and not text[last_headed:place].strip():
                    raise _UnclearError
            elif bracket in _PARTNERS:
                kind, start = opened.pop() if opened else (b"", 0)
                if kind != _PARTNERS[bracket]:
                    raise _UnclearError
                self._close[start] = place
                if bracket == b")" and self._word_before(start) in _HEADED:
                    last_headed = place + 1
            else:
                opened.append((bracket, place))
        if opened:
            raise _UnclearError

    def _word_before(self, place: int) -> bytes:
        found = _LAST_WORD.search(self._text, max(0, place - 32), place)
        return found.group(1) if found else b""

    def ends(self) -> list[int]:
        """Return where each statement ends; the last one ends with the script."""
        ends: list[int] = []
        at = self._skip(0)
        while at < len(self._text):
            ends.append(self._statement(at, 0))
            at = self._skip(ends[-1])
            if len(ends) > _MOST:
                raise _UnclearError
        if ends:
            ends[-1] = len(self._text)
        return ends

    def _skip(self, at: int) -> int:
        return _GAP.match(self._text, at).end()  # type: ignore[union-attr]

    def _word(self, at: int) -> bytes:
        found = _WORD.match(self._text, at)
        return found.group() if found else b""

    def _past(self, at: int, bracket: bytes) -> int:
        """Return the end of what is in brackets after a gap at ``at``."""
        at = self._skip(at)
        if self._text[at : at + 1] != bracket:
            raise _UnclearError
        return self._close[at] + 1

    def _past_body(self, at: int) -> int:
        """Return the end of the first block after ``at``, past what is in other brackets."""
        while found := _BRACKET.search(self._text, at):
            if found.group() == b"{":
                return self._close[found.start()] + 1
            if found.group() not in (b"(", b"["):
                break
            at = self._close[found.start()] + 1
        raise _UnclearError

    def _statement(self, at: int, depth: int) -> int:
        """Return the end of the statement at ``at``, which is ``depth`` statements deep."""
        text, word = self._text, self._word(at)
        first, after = text[at : at + 1], at + len(word)
        beyond = self._skip(after)
        if depth > _DEEPEST or (word in self._no_start and text[beyond - 6 : beyond + 1] != b"import("):
            raise _UnclearError
        if first == b"{":
            return self._close[at] + 1
        if first == b";":
            return at + 1
        if word in (b"function", b"class") or _ASYNC_FUNCTION.match(text, at):
            return self._past_body(after)
        if word in _HEADED:
            return self._headed(word, after, depth)
        if word == b"do":
            return self._do(after, depth)
        if word == b"try":
            return self._try(after)
        if word == b"switch":
            return self._past(self._past(after, b"("), b"{")
        if word and text[beyond : beyond + 1] == b":":
            return self._statement(self._skip(beyond + 1), depth + 1)
        return self._expression(at)

    def _headed(self, word: bytes, at: int, depth: int) -> int:
        end = self._statement(self._skip(self._past(at, b"(")), depth + 1)
        if word == b"if" and self._word(self._skip(end)) == b"else":
            end = self._statement(self._skip(self._skip(end) + 4), depth + 1)
        return end

    def _do(self, at: int, depth: int) -> int:
        at = self._skip(self._statement(self._skip(at), depth + 1))
        if self._word(at) != b"while":
            raise _UnclearError
        end = self._past(at + 5, b"(")
        after = self._skip(end)
        return after + 1 if self._text[after : after + 1] == b";" else end

    def _try(self, at: int) -> int:
        end = self._past(at, b"{")
        after = self._skip(end)
        if self._word(after) == b"catch":
            after = self._skip(after + 5)
            if self._text[after : after + 1] == b"(":
                after = self._past(after, b"(")
            end = self._past(after, b"{")
            after = self._skip(end)
        return self._past(after + 7, b"{") if self._word(after) == b"finally" else end

    def _expression(self, at: int) -> int:
        """Return the end of a declaration of variables or of an expression."""
        text, size = self._text, len(self._text)
        end = at
        operand = either = is_member = False
        while True:
            at = self._skip(end)
            token = text[at : at + 1]
            breaks = end < at and _NO_BREAK.sub(b"", text[end:at]) != b""
            if at >= size or token == b";":
                return min(at + 1, size)
            if token in _PARTNERS or (breaks and (either or text[at : at + 2] in (b"++", b"--"))):
                raise _UnclearError
            if breaks and operand and self._starts(at):
                return end
            word = self._word(at)
            either = word in _EITHER and not is_member
            if word:
                end, operand = at + len(word), is_member or word not in _BEFORE_OPERAND
            elif at in self._close:
                end, operand = self._close[at] + 1, True
            elif found := _OPERAND.match(text, at):
                end, operand = found.end(), True
            elif text[at : at + 2] in (b"++", b"--"):
                end = at + 2
            else:
                end, operand = at + 1, False
            is_member = token == b"."

    def _starts(self, at: int) -> bool:
        """Return whether the token at ``at``, on a new line after an operand, starts a statement."""
        token = self._text[at : at + 1]
        if word := self._word(at):
            return word not in _CONTINUES
        if token in (b"!", b"~"):
            return self._text[at + 1 : at + 2] != b"="
        return token == b"'" or token.isdigit()
