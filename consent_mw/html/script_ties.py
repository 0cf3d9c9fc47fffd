"""
What the statements of a script have to do with each other, and which of them are held with the vendor's.

:mod:`consent_mw.html.script_cut` tells the rules.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from itertools import groupby
from itertools import pairwise
from typing import NamedTuple
from typing import Protocol

from consent_mw.html.code import Code
from consent_mw.html.code import Ids
from consent_mw.html.definitions import defined_in
from consent_mw.html.script_names import StatementNames
from consent_mw.html.script_names import names_of
from consent_mw.html.script_names import with_members
from consent_mw.html.script_reading import asks_whether
from consent_mw.html.statements import Statements

__all__ = ["PieceReader", "ScriptPart", "Ties", "texts_of", "ties_of", "with_owners"]

#: The most objects that held statements fill whose other statements are looked for.
_MOST_FILLED = 32
#: Objects that every script may fill.
_OF_BROWSERS = frozenset(b"document globalThis history location navigator self this top window $ jQuery".split())
_MAKES_ELEMENT = re.compile(rb"createElement|\bnew\s+Image\b")
#: White space that may have been a comment.
_GAP = re.compile(rb"\s{3,}+")
_DOT = re.compile(rb"\.")


class PieceReader(Protocol):
    """Reads pieces of the script."""

    def script_code(self, text: bytes) -> Code:
        """Return the services that a script loads and calls, without those allowed."""
        ...

    def mentions(self, text: bytes) -> Ids:
        """Return the services with a call or an address anywhere in a text, without those allowed."""
        ...

    def addresses_in(self, text: bytes) -> Ids:
        """Return the services whose addresses a text contains, without those allowed."""
        ...

    def globals_of(self, ids: Ids) -> frozenset[str]:
        """Return the globals of services."""
        ...


class ScriptPart(NamedTuple):
    """A part of a script: offsets in its content, and whether it is held."""

    start: int
    end: int
    held: bool


def with_owners(paths: Iterable[bytes]) -> set[bytes]:
    """Return names with the objects that they are members of: ``app.cfg`` and ``app``."""
    return {path[:end] for path in paths for end in (*(dot.start() for dot in _DOT.finditer(path)), len(path))}


def _without_comments(code: bytes, text: bytes, start: int, end: int) -> bytes:
    """Return a piece of a script without its comments, which are white space in the masked text."""
    kept: list[bytes] = []
    for gap in _GAP.finditer(text, start, end):
        kept += [code[start : gap.start()], gap.group()]
        start = gap.end()
    return b"".join([*kept, code[start:end]])


def texts_of(code: bytes, found: Statements) -> list[bytes]:
    """Return the statements of a script without their comments."""
    return [_without_comments(code, found.text, *span) for span in pairwise([0, *found.ends])]


def ties_of(code: bytes, found: Statements, roots: frozenset[bytes], ids: Ids) -> Ties:
    """Return the ties between the statements of a script."""
    names = names_of(with_members(code, found.text), found.ends)
    return Ties(names, texts_of(code, found), roots, ids)


class Ties:
    """
    What the statements of a script have to do with each other.

    Args:
        names: The names of each statement.
        texts: The statements without their comments.
        roots: The globals of the services for which the script is held.
        ids: The ids of these services.
    """

    #: Whether the statements are those of a function: nothing can stand in for what they declare.
    in_function = False

    def __init__(self, names: list[StatementNames], texts: list[bytes], roots: frozenset[bytes], ids: Ids) -> None:
        self.names = names
        self.texts = texts
        self._roots = roots
        self._ids = ids
        self._held: set[int] = set()
        #: The numbers of the statements by the names that they write, call at once, and use, now or later. A user of a
        #: member is one of the object as well; those of just the name are apart.
        self._makers: dict[bytes, set[int]] = {}
        self._callers: dict[bytes, set[int]] = {}
        self._users: dict[bytes, set[int]] = {}
        self._later: dict[bytes, set[int]] = {}
        self._of_all: dict[bytes, set[int]] = {}
        for number, one in enumerate(names):
            for by_name, found in (
                (self._makers, one.written),
                (self._callers, one.called),
                (self._users, with_owners(one.paths)),
                (self._later, with_owners(one.later_paths)),
                (self._of_all, (one.paths | one.later_paths) - one.written),
            ):
                for name in found:
                    by_name.setdefault(name, set()).add(number)

    def held(self, reader: PieceReader) -> set[int]:
        """Return the numbers of the statements to hold; empty if the script cannot be cut."""
        first = [number for number in range(len(self.texts)) if self.is_the_service(number, reader)]
        self._held = set(first)
        self._spread()
        # In the simplest snippets no function contains the statements that make a script element.
        for name in sorted({name for number in self._held for name in self.names[number].filled})[:_MOST_FILLED]:
            self._held |= self._around(name)
        self._held |= self._settings()
        self._spread()
        shared = {name for number in self._held for name in with_owners(self.names[number].paths)}
        return set() if any(len(self._makers.get(name, set()) - self._held) > 1 for name in shared) else self._held

    def is_the_service(self, number: int, reader: PieceReader) -> bool:
        """Return whether a statement has to be held by itself."""
        one = self.names[number]
        if not self._roots.isdisjoint(one.at_once | one.written):
            return True
        text = self.texts[number]
        if not reader.mentions(text):
            return False
        # Only a function that is called later may call the service, whose stand-in answers it.
        code = reader.script_code(text)
        return bool(code.ids or not set(code.calls) <= set(self._ids) or reader.mentions(self._only_data(number)))

    def _only_data(self, number: int) -> bytes:
        """Return a statement without the calls of the services' globals."""
        text, names = self.texts[number], self._roots & self.names[number].later
        if not names:
            return text
        named = b"|".join(sorted(map(re.escape, names)))
        return re.sub(rb"(?<![\w$.'\"`])(?:(?:window|self|globalThis)\.)?(?:" + named + rb")(?![\w$])", b"_", text)

    def _around(self, name: bytes) -> set[int]:
        """Return the statements that have to do with one new element, if all that they make is only used by them."""
        if not any(_MAKES_ELEMENT.search(self.texts[maker]) for maker in self._makers.get(name, ())):
            return set()
        circle = {*self._makers[name], *self._users.get(name, ())} - self._held
        made = {other for number in circle for other in self.names[number].written}
        users = (user for other in made for user in (*self._users.get(other, ()), *self._later.get(other, ())))
        return circle if circle.union(self._held).issuperset(users) else set()

    def _settings(self) -> set[int]:
        """Return the statements that fill an object of somebody else's which held ones use: the vendor's settings."""
        used = {name for number in self._held for name in self.names[number].at_once}
        used -= _OF_BROWSERS.union(self._makers)
        return {number for number, one in enumerate(self.names) if not used.isdisjoint(one.filled)}

    def _spread(self) -> None:
        """Hold what uses or writes what a held statement writes."""
        todo = sorted(self._held)
        missing: set[bytes] = set()
        while todo:
            number = todo.pop()
            functions, objects = self._stand_ins(number)
            for name in self.names[number].written - missing:
                missing.add(name)
                if name.partition(b".")[0] in self._roots:
                    continue
                more = {*self._makers[name], *self._needing(name, number, functions, objects)} - self._held
                self._held |= more
                todo += more

    def _needing(self, name: bytes, number: int, functions: set[bytes], objects: set[bytes]) -> Iterator[int]:
        """Yield the statements that need what a held one writes under a name, and for which no stand-in is enough."""
        owners = with_owners([name]) - {name} - _OF_BROWSERS
        of_all = {user for owner in owners for user in self._of_all.get(owner, ())}
        is_local = self.in_function and name in self.names[number].declared
        for user in {*self._users.get(name, ()), *self._later.get(name, ()), *of_all}:
            one = self.names[user]
            if is_local or (user < number and name in with_owners(one.paths)):
                yield user
            used = {path for path in (*one.paths, *one.later_paths) if name in with_owners([path]) or path in owners}
            if all(not functions.isdisjoint(with_owners([path])) for path in used):
                continue
            is_asked = name in with_owners(one.later_paths - one.paths) and name not in objects
            if not is_asked or not asks_whether(self.texts[user], [name]):
                yield user

    def _stand_ins(self, number: int) -> tuple[set[bytes], set[bytes]]:
        """Return the functions of a held statement that other code can call while it is held, and its objects."""
        functions, objects = set[bytes](), set[bytes]()
        for word in defined_in(self.texts[number].decode("utf-8", "replace")):
            (functions if word[0] in "+?" else objects).add(re.split(r"[(\[{]", word.lstrip("+?"))[0].encode())
        return functions, objects

    def are_in_order(self, parts: Sequence[ScriptPart], ends: Sequence[int]) -> bool:
        """Return whether no part needs at once what only a later part of its kind declares."""
        part_of = [bisect_right([part.start for part in parts], end - 1) - 1 for end in ends]
        declared: dict[bytes, tuple[int, bool]] = {}
        for number, one in enumerate(self.names):
            for name in one.declared:
                declared.setdefault(name, (part_of[number], number in self._held))
        for part, group in groupby(range(len(ends)), key=part_of.__getitem__):
            numbers = list(group)
            seen: set[bytes] = set()
            todo = {
                name: name in self.names[number].called for number in numbers for name in self.names[number].at_once
            }
            while todo:
                name, is_called = todo.popitem()
                seen.add(name)
                later, is_held = declared.get(name, (-1, False))
                if later > part and is_held == (numbers[-1] in self._held):
                    return False
                for maker in self._makers.get(name, ()) if is_called else ():
                    todo |= {one: True for one in self.names[maker].later if one not in seen}
        return True
