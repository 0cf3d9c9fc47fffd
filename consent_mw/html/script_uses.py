"""
Puts a function in place of its name, in copies of the statements that use it.

``function start() { menu(); LOADER } addEventListener('load', start);`` has the vendor's statements in a function that
another statement uses. With the function in place of its name, that statement can be divided
(:mod:`consent_mw.html.script_divide`): its held half has the vendor's statements, and the function keeps the others.

This works if every use is known: the function is called in a statement of its own, or it is an argument or the value
of something that is set. One that another function calls stays whole, since nobody knows when it runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

__all__ = [
    "FUNCTION",
    "NAME",
    "PATH",
    "STRING",
    "VALUE",
    "VALUES",
    "NamedFunction",
    "StatementPlace",
    "closing",
    "named_function",
]

#: The most statements that use a function; each gets a copy of it.
_MOST_USES = 4

# Masked code: strings are quotation marks, and comments are white space.
NAME = rb"[A-Za-z_$][\w$]*+"
PATH = NAME + rb"(?>(?:\s*+\.\s*+" + NAME + rb")*)"
STRING = rb"'++"
#: An argument without effect.
VALUE = rb"(?:" + PATH + rb"|" + STRING + rb"|!?[0-9.]++|\[\s*+\]|\{[\w$\s:,!'.]*+\})"
VALUES = rb"\s*+(?>(?:" + VALUE + rb"\s*+(?>(?:,\s*+" + VALUE + rb"\s*+)*))?)"
#: The head of a function up to the brace. A generator does not run when it is called.
FUNCTION = (
    rb"(?:(?:async\s++)?function(?:\s++(?P<name>" + NAME + rb"))?\s*+\((?P<inputs>[\w$\s,]*+)\)"
    rb"|(?:async\s*+(?=[\s(]))?(?:\((?P<of_arrow>[\w$\s,]*+)\)|(?P<only>" + NAME + rb"))\s*+=>)\s*+\{"
)
_DECLARATION = re.compile(
    rb"\s*+(?:(?:var|let|const)\s++(?P<variable>" + NAME + rb")\s*+=\s*+)?(?P<function>" + FUNCTION + rb")"
)
_AFTER = re.compile(rb"\}\s*+;?\s*+")
_BRACE = re.compile(rb"[{}]")


class StatementPlace(NamedTuple):
    """
    A statement among others.

    Args:
        code: The statements.
        text: The same as masked code.
        spans: Where each of them begins and ends.
        number: The number of the statement.
    """

    code: bytes
    text: bytes
    spans: Sequence[tuple[int, int]]
    number: int

    def code_of(self, number: int) -> bytes:
        """Return a statement."""
        return self.code[slice(*self.spans[number])]

    def text_of(self, number: int) -> bytes:
        """Return a statement as masked code."""
        return self.text[slice(*self.spans[number])]


class Use(NamedTuple):
    """A statement with the function in place of its name, and the offset of what is in the braces of the function."""

    code: bytes
    start: int


class NamedFunction(NamedTuple):
    """
    A function that is only used in ways that are known.

    Args:
        head: The match of its declaration up to the brace, in masked code.
        end: The offset of the brace that closes it.
        is_hoisted: Whether statements before it can use it.
        uses: The statements that use it, by their numbers.
    """

    head: re.Match[bytes]
    end: int
    is_hoisted: bool
    uses: dict[int, Use]


def closing(text: bytes, start: int) -> int:
    """Return where the brace is closed that was opened before ``start``, in masked code; -1 if it is not."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace.group() == b"{" else -1
        if not depth:
            return brace.start()
    return -1


def named_function(place: StatementPlace) -> NamedFunction | None:
    """Return the function that a statement declares; None if it declares none, or if the function has other uses."""
    text = place.text_of(place.number)
    head = _DECLARATION.match(text)
    name = head and (head["variable"] or head["name"])
    if not head or not name or (head["variable"] and head["name"]):
        return None
    end = closing(text, head.end())
    if end < 0 or not _AFTER.fullmatch(text, end):
        return None
    code = place.code_of(place.number)[head.start("function") : end + 1]
    function = Use(code, head.end() - head.start("function"))
    uses: dict[int, Use] = {}
    for number in range(len(place.spans)):
        words = len(re.findall(rb"(?<![\w$])" + re.escape(name) + rb"(?![\w$])", place.text_of(number)))
        if number == place.number or not words:
            if words > 1:
                return None  # it uses itself
            continue
        use = _with_function(place.code_of(number), place.text_of(number), name, function) if words == 1 else None
        if use is None or len(uses) == _MOST_USES:
            return None
        uses[number] = use
    return NamedFunction(head, end, not head["variable"], uses) if uses else None


def _with_function(code: bytes, text: bytes, name: bytes, function: Use) -> Use | None:
    """Return a statement with a function in place of its name; None if it is used in another way than these."""
    word = re.escape(name)
    if found := re.fullmatch(rb"\s*+(" + word + rb")\s*+\(" + VALUES + rb"\)\s*+;?\s*+", text):
        function = Use(b"(" + function.code + b")", function.start + 1)
    else:
        # An argument, or the value of something that is set.
        found = re.search(rb"[(,=]\s*+(" + word + rb")\s*+(?:[,)]|;?\s*+\Z)", text)
    if not found:
        return None
    return Use(code[: found.start(1)] + function.code + code[found.end(1) :], found.start(1) + function.start)
