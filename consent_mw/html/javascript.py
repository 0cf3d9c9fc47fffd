"""
Distinguishes the code in a script from its data: strings, templates, comments, regular expressions.

Theory of operation
-------------------

A script that contains the string ``"fbq('init')"`` differs from one that calls ``fbq('init')``. Telling them apart
takes the lexical grammar of ECMAScript (https://tc39.es/ecma262/#sec-ecmascript-language-lexical-grammar) but not its
syntax, with one exception: whether a slash divides or starts a regular expression depends on the preceding token.

No caller needs the tokens. A matcher has a few positions in a text, mostly none, and asks whether each one is code. So
the lexer scans the text once for all positions, and three patterns do the work at the speed of C:

- ``_RUN`` matches code without slashes and back quotes, including whole strings. Most of the state that servers embed
  in pages is one run.
- ``_TEMPLATE`` matches the text of a template up to its end or to ``${``, where code resumes. A stack records the open
  constructs: a brace in code, or a template to return to. While a template is open, runs stop at braces as well.
- ``_REGEX`` matches a regular expression, in which a class (``[/]``) may contain a slash.

A slash starts a regular expression unless the preceding token ends an operand: a name that is not a keyword, a
number, a string, ``)``, ``]``, ``++`` or ``--``. Two cases depend on syntax and are guessed: after ``)`` a slash
divides (although ``if (a) /b/.test(c)`` is possible), and after ``}`` it starts a regular expression (although
``({}) / 2`` is possible). A wrong guess nearly always leads to a string that is not closed on its line. If that
happens, or any other construct is not closed, the lexer reports that it is unsure, and the caller treats everything as
code: when in doubt, hold.

Every byte is scanned a bounded number of times, so the running time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator

#: A quoted string ends on its line; a backslash escapes the next character, including a line break.
_DOUBLE = rb"\"(?:[^\"\\\n\r]++|\\(?:\r\n|.)|(?!))*+\""
_SINGLE = rb"'(?:[^'\\\n\r]++|\\(?:\r\n|.)|(?!))*+'"
#: The possible start of an HTML-like comment (https://tc39.es/ecma262/#sec-html-like-comments) is left to the loop.
_PLAIN = rb"[^\"'`/<\-%b]++|<(?!!--)|-(?!->)"
_RUN = re.compile(rb"(?:" + _PLAIN.replace(b"%b", b"") + rb"|" + _DOUBLE + rb"|" + _SINGLE + rb"|(?!))*+", re.DOTALL)
#: The same for code inside a template, where braces count.
_RUN_INSIDE = re.compile(
    rb"(?:" + _PLAIN.replace(b"%b", b"{}") + rb"|" + _DOUBLE + rb"|" + _SINGLE + rb"|(?!))*+", re.DOTALL
)
#: Code without strings and braces.
_CODE = re.compile(rb"(?:[^\"'`/<\-{}]++|<(?!!--)|-(?!->)|(?!))*+")
_DOUBLE_QUOTED, _SINGLE_QUOTED = re.compile(_DOUBLE, re.DOTALL), re.compile(_SINGLE, re.DOTALL)
_TEMPLATE = re.compile(rb"(?:[^`\\$]++|\\.|\$(?!\{)|(?!))*+(`|\$\{)", re.DOTALL)
_REGEX = re.compile(
    rb"/(?![*/])(?:[^/\\\[\n\r]++|\\[^\n\r]|\[(?:[^\]\\\n\r]++|\\[^\n\r]|(?!))*+\]|(?!))++/[A-Za-z]*+", re.DOTALL
)
_LINE_END = re.compile(rb"[\n\r]|\xe2\x80[\xa8\xa9]|\Z")
_LAST_WORD = re.compile(rb"(?<![A-Za-z0-9_$.])[a-z]+\Z")
#: Keywords before an operand: a slash after them starts a regular expression.
_BEFORE_OPERAND = frozenset(b"await case delete do else in instanceof new of return throw typeof void yield".split())
_ENDS_OPERAND = re.compile(rb"(?:[A-Za-z0-9_$)\]\"'`\x80-\xff]|[0-9]\.)\Z")
_SPACES = b" \t\n\r\v\f"
#: How many bytes to look back for the preceding token.
_LOOK_BACK = 64


class Lexer:
    """
    Distinguishes code from data in a script.

    Args:
        text: The script, in any ASCII-compatible encoding.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        #: Open constructs around the position: a brace in code, or a template.
        self._open: list[bytes] = []
        #: The last token ends an operand, so a slash divides.
        self._operand = False
        self._sure = True

    def code_among(self, places: Iterable[int]) -> set[int] | None:
        """
        Return those ``places`` that are code: the start of a token, or inside a name.

        Returns:
            None if a construct in the script is not closed, so that nothing is certain.
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
                # Limited to this position, the run matches whole strings only: it stops before a string around it.
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
                # An HTML-like comment in a classic script is code in a module.
                markup = text[at : at + 1] in (b"<", b"-")
                while place < end:
                    if place == at or markup:
                        code.add(place)
                    place = next(todo, size)
                at = end
        return code if self._sure and not self._open else None

    def data(self) -> Iterator[tuple[int, int]]:
        """Yield start and end of each string, template, comment and regular expression, until something is unsure."""
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
        """Consume the construct at ``at``, which runs do not match, and return its end."""
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
            self._operand = operand
            return _LINE_END.search(text, at).start()  # type: ignore[union-attr]
        return at + 1

    def _string(self, at: int, quote: bytes) -> int:
        found = (_DOUBLE_QUOTED if quote == b'"' else _SINGLE_QUOTED).match(self._text, at)
        self._operand = True
        if found is None:
            # Not closed on its line: either this is not a string, or an earlier slash was guessed wrong.
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
        """Whether only white space or a comment precedes ``at`` on its line; looks back a limited number of bytes."""
        before = self._text[max(0, at - _LOOK_BACK) : at].rstrip(b" \t")
        return not before or before[-1:] in (b"\n", b"\r") or before.endswith(b"*/")

    def _ends_operand(self, start: int, end: int) -> bool:
        """Whether the run from ``start`` to ``end`` ends an operand; white space does not change that."""
        tail = self._text[max(start, end - _LOOK_BACK) : end].rstrip(_SPACES)
        if not tail:
            return self._operand if end - start <= _LOOK_BACK else False
        if tail.endswith((b"++", b"--")):
            return True
        word = _LAST_WORD.search(tail)
        if word and word.group() in _BEFORE_OPERAND:
            return False
        return _ENDS_OPERAND.search(tail) is not None
