"""
Which bytes of a script are code, and which are data: strings, templates, comments, regular expressions.

Theory of operation
-------------------

A script that says ``"fbq('init')"`` in a text does something else than one that calls ``fbq('init')``. Telling them
apart takes the lexical grammar of ECMAScript (https://tc39.es/ecma262/#sec-ecmascript-language-lexical-grammar) and
nothing of its syntax, but for one thing: whether a slash divides or begins a regular expression depends on what
stands before it.

Nobody wants the tokens. A matcher has a few places in a text, mostly none, and asks of each whether it is code. So
the lexer runs over the text once, past all the places together, and three patterns do the work at the speed of C:

- ``_RUN`` passes over code without a slash or a back quote, whole strings included. Most state that servers write
  into pages is one run.
- ``_TEMPLATE`` passes over the text of a template up to its end or to ``${``, behind which is code again. What is
  open is a stack: a brace of code, or a template to return to. While a template is open runs stop at braces as well.
- ``_REGEX`` passes over a regular expression, in which a class (``[/]``) may hold a slash.

A slash begins a regular expression unless what stands before it ends an operand: a name that is no keyword, a
number, a string, ``)``, ``]``, ``++`` or ``--``. Two cases need syntax and are guessed: behind ``)`` it divides
(though ``if (a) /b/.test(c)`` exists), and behind ``}`` it begins an expression (though ``({}) / 2`` could be
written). A wrong guess nearly always ends in a string that its line does not close. Where that happens, or any other
construct has no end, the lexer says that nothing is sure, and whoever asks takes everything for code: doubt holds.

Every byte is passed a bounded number of times, so the whole is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator

#: Quoted strings end in their line; a backslash takes the next character with it, a line break too.
_DOUBLE = rb"\"(?:[^\"\\\n\r]++|\\(?:\r\n|.)|(?!))*+\""
_SINGLE = rb"'(?:[^'\\\n\r]++|\\(?:\r\n|.)|(?!))*+'"
#: What may begin a comment of HTML (https://tc39.es/ecma262/#sec-html-like-comments) is left to the loop.
_PLAIN = rb"[^\"'`/<\-%b]++|<(?!!--)|-(?!->)"
_RUN = re.compile(rb"(?:" + _PLAIN.replace(b"%b", b"") + rb"|" + _DOUBLE + rb"|" + _SINGLE + rb"|(?!))*+", re.DOTALL)
#: The same inside a template's code, where braces count.
_RUN_INSIDE = re.compile(
    rb"(?:" + _PLAIN.replace(b"%b", b"{}") + rb"|" + _DOUBLE + rb"|" + _SINGLE + rb"|(?!))*+", re.DOTALL
)
#: Code alone, without strings and braces.
_CODE = re.compile(rb"(?:[^\"'`/<\-{}]++|<(?!!--)|-(?!->)|(?!))*+")
_DOUBLE_QUOTED, _SINGLE_QUOTED = re.compile(_DOUBLE, re.DOTALL), re.compile(_SINGLE, re.DOTALL)
_TEMPLATE = re.compile(rb"(?:[^`\\$]++|\\.|\$(?!\{)|(?!))*+(`|\$\{)", re.DOTALL)
_REGEX = re.compile(
    rb"/(?![*/])(?:[^/\\\[\n\r]++|\\[^\n\r]|\[(?:[^\]\\\n\r]++|\\[^\n\r]|(?!))*+\]|(?!))++/[A-Za-z]*+", re.DOTALL
)
_LINE_END = re.compile(rb"[\n\r]|\xe2\x80[\xa8\xa9]|\Z")
_LAST_WORD = re.compile(rb"(?<![A-Za-z0-9_$.])[a-z]+\Z")
#: Keywords behind which an operand follows, so that a slash begins one.
_BEFORE_OPERAND = frozenset(b"await case delete do else in instanceof new of return throw typeof void yield".split())
_ENDS_OPERAND = re.compile(rb"[A-Za-z0-9_$)\]\"'`\x80-\xff]\Z")
_SPACES = b" \t\n\r\v\f"
#: How far back is looked for what stands before something.
_LOOK_BACK = 64


class Lexer:
    """
    Tells code from data.

    Args:
        text: The script, in any encoding that keeps ASCII.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        #: Open constructs around the position: a brace of code, or a template.
        self._open: list[bytes] = []
        #: What was passed ends an operand, so that a slash divides.
        self._operand = False
        self._sure = True

    def code_among(self, places: Iterable[int]) -> set[int] | None:
        """
        Return those of ``places`` at which code stands: a token of its own begins, or a name goes on.

        Returns:
            None where some construct of the script has no end, so that nothing is sure.
        """
        text, size = self._text, len(self._text)
        code: set[int] = set()
        todo = iter(sorted(set(places)))
        place = next(todo, size)
        at = 0
        while at < size and self._sure:
            run = _RUN_INSIDE if self._open else _RUN
            end = run.match(text, at).end()  # type: ignore[union-attr]
            while place < end:
                # Up to here the run passes over whole strings only: it stops short of a place inside one.
                at = run.match(text, at, place).end()  # type: ignore[union-attr]
                if at == place:
                    code.add(place)
                    place = next(todo, size)
                else:
                    at = self._string(at, text[at : at + 1])
                    while place < at:
                        place = next(todo, size)
            if end > at:
                self._operand = self._ends_operand(at, end)
            at = end
            if at < size:
                end = self._construct(at)
                # What is a comment of HTML in a script is code in a module.
                markup = text[at : at + 1] in (b"<", b"-")
                while place < end:
                    if place == at or markup:
                        code.add(place)
                    place = next(todo, size)
                at = end
        return code if self._sure and not self._open else None

    def data(self) -> Iterator[tuple[int, int]]:
        """Yield where strings, templates, comments and regular expressions begin and end, as far as all is sure."""
        text, size = self._text, len(self._text)
        at = 0
        while at < size and self._sure:
            found = _CODE.match(text, at)
            end = found.end() if found else at
            if end > at:
                self._operand = self._ends_operand(at, end)
            at = end
            if at < size:
                end = self._construct(at)
                if end > at + 1:
                    yield at, end
                at = end

    def _construct(self, at: int) -> int:
        """Take what stands at ``at``, over which no run passes, and return its end."""
        text = self._text
        first = text[at : at + 1]
        operand, self._operand = self._operand, False
        if first in (b'"', b"'"):
            return self._string(at, first)
        if first == b"`":
            return self._template(at)
        if first == b"{":
            if self._open:
                self._open.append(first)
        elif first == b"}":
            if self._open and self._open.pop() == b"`":
                return self._template(at)
        elif first == b"/":
            return self._slash(at, divides=operand)
        elif text.startswith(b"<!--", at) or (text.startswith(b"-->", at) and self._begins_line(at)):
            return _LINE_END.search(text, at).start()  # type: ignore[union-attr]
        return at + 1

    def _string(self, at: int, quote: bytes) -> int:
        found = (_DOUBLE_QUOTED if quote == b'"' else _SINGLE_QUOTED).match(self._text, at)
        self._operand = True
        if found is None:
            # Its line ends before it does: this is no string, or something before it was no expression.
            self._sure = False
            return at + 1
        return found.end()

    def _template(self, at: int) -> int:
        found = _TEMPLATE.match(self._text, at + 1)
        if found is None:
            self._sure = False
            return len(self._text)
        if found.group(1) == b"`":
            self._operand = True
        else:
            self._open.append(b"`")
        return found.end()

    def _slash(self, at: int, *, divides: bool) -> int:
        text = self._text
        second = text[at + 1 : at + 2]
        if second == b"/":
            self._operand = divides
            return _LINE_END.search(text, at).start()  # type: ignore[union-attr]
        if second == b"*":
            self._operand = divides
            end = text.find(b"*/", at + 2)
            self._sure = self._sure and end >= 0
            return end + 2 if end >= 0 else len(text)
        if divides:
            return at + 1
        found = _REGEX.match(text, at)
        if found is None:
            self._sure = False
            return at + 1
        self._operand = True
        return found.end()

    def _begins_line(self, at: int) -> bool:
        """Whether white space and comments alone stand before ``at`` in its line, as far as a look back tells."""
        before = self._text[max(0, at - _LOOK_BACK) : at].rstrip(b" \t")
        return not before or before[-1:] in (b"\n", b"\r") or before.endswith(b"*/")

    def _ends_operand(self, start: int, end: int) -> bool:
        """Whether the run from ``start`` to ``end`` ends an operand; white space changes nothing."""
        tail = self._text[max(start, end - _LOOK_BACK) : end].rstrip(_SPACES)
        if not tail:
            return self._operand if end - start <= _LOOK_BACK else False
        if tail.endswith((b"++", b"--")):
            return True
        word = _LAST_WORD.search(tail)
        if word and word.group() in _BEFORE_OPERAND:
            return False
        return _ENDS_OPERAND.search(tail) is not None
