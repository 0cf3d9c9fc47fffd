"""
Short names for what a script of ours declares: every page carries some of them, and names are a sixth of their bytes.

It works on tokens: a name is replaced everywhere or nowhere, and two names
get the same short one only where the outermost scopes that declare them are
apart. So it changes nothing that our scripts do, provided that

- no name that a script declares is also that of a global it uses, but for those in :data:`_GLOBALS`, which stay;
- scripts share no variables: each is a function called at once;
- an identifier is written without escapes.

A name stays as it is where it is, anywhere in the script, a property, a key
or part of a short-hand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence

__all__ = ["short_names", "shortened"]

#: Properties of a window that one might well use for a variable.
_GLOBALS = frozenset(
    [
        "caches",
        "close",
        "closed",
        "document",
        "event",
        "external",
        "fetch",
        "find",
        "focus",
        "frames",
        "history",
        "length",
        "location",
        "name",
        "navigator",
        "open",
        "opener",
        "origin",
        "parent",
        "performance",
        "print",
        "screen",
        "self",
        "status",
        "stop",
        "top",
        "window",
    ]
)
#: The words of the language that are as short as two letters.
_RESERVED = frozenset({"as", "do", "if", "in", "is", "of"})
_WORD = re.compile(r"[A-Za-z_$][\w$]*\Z")
_INNER = re.compile(r"\$\{([^{}]*)\}")
_IN_INNER = re.compile(r"(?<![\w$.])[A-Za-z_$][\w$]*")
_BEFORE_BLOCK = frozenset({">", ")", "else", "try", "finally", "do"})
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$"
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def short_names(pieces: Sequence[str]) -> dict[str, str]:
    """
    Return what the names in a script may be called instead.

    Args:
        pieces: The script without space and comments; a text, a pattern and a word are one piece each.
    """
    around = _brackets(pieces)
    spans: dict[str, tuple[int, int]] = {}
    for name, start, end in _declared(pieces, around):
        known = spans.get(name, (start, end))
        spans[name] = min(start, known[0]), max(end, known[1])
    kept = set(_GLOBALS)
    uses: Counter[str] = Counter()
    for at, piece in enumerate(pieces):
        if piece[0] == "`":
            for inner in _INNER.findall(piece):
                words = _IN_INNER.findall(inner)
                uses.update(words)
                if "'" in inner or '"' in inner:
                    kept.update(words)
        elif _WORD.match(piece):
            uses[piece] += 1
            if _is_property(pieces, at, around):
                kept.add(piece)
    wanted = [name for name, _ in uses.most_common() if name in spans.keys() - kept and len(name) > 1]
    taken = set(uses) - set(wanted)
    names: dict[str, str] = {}
    holders: dict[str, list[tuple[int, int]]] = {}
    for name in wanted:
        start, end = spans[name]
        for short in _names():
            others = holders.setdefault(short, [])
            if short not in taken and all(end < first or last < start for first, last in others):
                break
        if len(short) < len(name):
            others.append((start, end))
            names[name] = short
        else:
            taken.add(name)
    return names


def _names() -> Iterator[str]:
    yield from _LETTERS
    for first in _LETTERS:
        yield from (first + second for second in _LETTERS if first + second not in _RESERVED)


def shortened(pieces: Sequence[str]) -> list[str]:
    """
    Return the pieces of a script with short names.

    Args:
        pieces: All of it but space and comments; a text, a pattern and a word are one piece each.
    """
    names = short_names(pieces)

    def in_text(inner: re.Match[str]) -> str:
        return "${" + _IN_INNER.sub(lambda word: names.get(word[0], word[0]), inner[1]) + "}"

    return [
        _INNER.sub(in_text, piece) if piece[0] == "`" else piece if _after_dot(pieces, at) else names.get(piece, piece)
        for at, piece in enumerate(pieces)
    ]


def _after_dot(pieces: Sequence[str], at: int) -> bool:
    """Whether the piece is behind a dot that is none of three."""
    return _at(pieces, at - 1) == "." and not (_at(pieces, at - 2) == "." and _at(pieces, at - 3) == ".")


def _brackets(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Return for each piece where the bracket around it opens, and for each that opens where it closes."""
    around = []
    closes = dict[int, int]()
    stack = [-1]
    for at, piece in enumerate(pieces):
        if piece in _PAIRS.values() and len(stack) > 1:
            closes[stack.pop()] = at
        around.append(stack[-1])
        if piece in _PAIRS:
            stack.append(at)
    return [(opened, closes.get(at, -1)) for at, opened in enumerate(around)]


def _at(pieces: Sequence[str], at: int) -> str:
    return pieces[at] if 0 <= at < len(pieces) else ""


def _is_property(pieces: Sequence[str], at: int, around: Sequence[tuple[int, int]]) -> bool:
    """Whether the word stands for a property, so that it must keep its name."""
    before, after = _at(pieces, at - 1), _at(pieces, at + 1)
    if _after_dot(pieces, at):
        return True
    if after == ":" and before in ("{", ","):
        return True
    opened = around[at][0]
    if opened >= 0 and pieces[opened] == "{" and before in ("{", ","):
        if after in (",", "}"):
            return True
        if after == "=":
            # A pattern with a default, or the first statement of a block.
            return not (before == "{" and _at(pieces, opened - 1) in _BEFORE_BLOCK)
        if after == "(":
            return _at(pieces, around[at + 1][1] + 1) == "{"
    return False


def _declared(pieces: Sequence[str], around: Sequence[tuple[int, int]]) -> Iterator[tuple[str, int, int]]:
    """Yield the names of variables and parameters, each with the first and the last piece of what may use it."""
    for at, piece in enumerate(pieces):
        if piece in ("const", "let", "catch"):
            start = at
            while start >= 0 and (pieces[start] != "{" or start == at):
                start = around[start][0]
            end = around[start][1] if start >= 0 else len(pieces)
            for name in _bound(pieces, at + (2 if piece == "catch" else 1), around):
                yield name, start, end
        elif (piece, _at(pieces, at + 1)) == ("=", ">"):
            opened = at - 1
            if pieces[opened] == ")":
                opened = next(place for place in range(at - 2, -1, -1) if around[place][1] == at - 1)
            places = [
                place for place in range(opened, at) if _at(pieces, place - 1) in ("(", ",", ".") or place == opened
            ]
            end = _end_of_arrow(pieces, at + 2, around)
            for place in places:
                if place == at - 1 == opened or around[place][0] == opened:
                    for name in _bound(pieces, place, around):
                        yield name, opened, end


def _end_of_arrow(pieces: Sequence[str], at: int, around: Sequence[tuple[int, int]]) -> int:
    """Return the last piece of the function whose body begins at ``at``."""
    if pieces[at] == "{":
        return around[at][1]
    while at < len(pieces) and pieces[at] not in (",", ";", ")", "]", "}"):
        at = max(at, around[at][1]) + 1
    return at


def _bound(pieces: Sequence[str], at: int, around: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Yield the names that the pattern at ``at`` binds."""
    if _WORD.match(_at(pieces, at)):
        yield pieces[at]
    elif _at(pieces, at) in ("[", "{"):
        for place in range(at + 1, around[at][1]):
            if _WORD.match(pieces[place]) and _at(pieces, place + 1) in (",", "]", "}", "="):
                yield pieces[place]
