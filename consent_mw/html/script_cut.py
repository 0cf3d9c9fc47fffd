"""
Cuts a script that is to be held, so that the site's own statements in it go on.

Many sites have one inline script with a vendor's snippet and code of their own: a menu, a form, a variable for other
scripts. Held whole, it would take all of that from a visitor who says no. So the page gets several scripts in its
place, one after the other: those with the vendor's statements are held like any other script, the others run.

Theory of operation
-------------------

:func:`cut_of` reads the top-level statements of the script (:mod:`consent_mw.html.statements`) and the names in them
(:mod:`consent_mw.html.script_names`). It holds a statement

1. that contains an address or a call of a service which may not run, in code or in a string, or that uses one of the
   globals of the services for which the script is held, other than in a function that is called later;
2. that uses what a held statement declares or writes, at once or in a function that is called later, unless a stand-in
   is there for it (:mod:`consent_mw.html.definitions`) or the function asks whether it exists; or that writes it, too;
3. that has to do with nothing but an element which a held statement fills, such as a script in the making, or that
   fills an object of somebody else's which a held statement uses: the vendor's settings.

A script that calls a service without an address of it is not cut. It is held where no stand-in answers the call, and
then all of it belongs to that service as far as anybody can tell.

The rest is then judged as any script is: all of it together has to be one that would not be held. That is the whole
proof that nothing leaves: what the page gets is what an owner could have written, and each part is judged as such. The
names only decide how well the rest works. If anything is unclear, if the rest would be held, if a statement writes a
piece of a tag into the page, or if a part needs at once what a later part declares (one script would have hoisted it),
the script is held whole.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection
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
from consent_mw.html.definitions import renamed_in
from consent_mw.html.script_names import StatementNames
from consent_mw.html.script_names import names_of
from consent_mw.html.script_names import with_members
from consent_mw.html.script_reading import IDENTIFIER
from consent_mw.html.script_reading import asks_whether
from consent_mw.html.statements import split

__all__ = ["Cut", "ScriptPart", "PieceReader", "cut_of"]

#: The longest script that is cut, in bytes; a longer one is an application.
_LONGEST = 65_536
#: The most parts; each costs the page a start tag and an end tag.
_MOST_PARTS = 8
#: The most objects that held statements fill whose other statements are looked for.
_MOST_FILLED = 32
#: Objects that every script may fill.
_OF_BROWSERS = frozenset(b"document globalThis history location navigator self this top window $ jQuery".split())
_MAKES_ELEMENT = re.compile(rb"createElement|\bnew\s+Image\b")
#: Code that finds its own script element, which a cut would replace.
_FINDS_ITSELF = re.compile(rb"currentScript|\bscripts\s*\[|\bscripts\s*\.\s*length|scripts\s*\.\s*item\b")
#: White space that may have been a comment.
_GAP = re.compile(rb"\s{3,}+")
_SCRIPT_TAG = re.compile(rb"<script", re.I)
_WRITES = re.compile(rb"\.\s*write(?:ln)?\s*\(")
#: The start and the end of a tag, also in an encoded text.
_TAG_START, _TAG_END = re.compile(rb"<|%3c|\\x3c|\\u003c", re.I), re.compile(rb">|%3e|\\x3e|\\u003e", re.I)
#: Code that gives the window members whose names cannot be told.
_NAMES_UNKNOWN = re.compile(
    rb"\bObject\s*\.\s*(?:assign|define\w+)\s*\(\s*(?:window|self|globalThis|this)\b|\bwith\s*\("
)
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


class Cut(NamedTuple):
    """The parts of a script; ``strict`` if each must be marked as strict code, since the script is."""

    parts: tuple[ScriptPart, ...]
    strict: bool


def cut_of(code: bytes, reader: PieceReader) -> Cut | None:
    """
    Return the parts of a classic script that is to be held; None if it has to be held whole.

    Args:
        code: The text of the script, in an encoding whose bytes below 128 are ASCII.
        reader: Judges pieces of it.
    """
    if len(code) > _LONGEST or _FINDS_ITSELF.search(code):
        return None
    if b"<!--" in code and _SCRIPT_TAG.search(code):
        return None  # a start tag after this mark decides where the script ends
    whole = reader.script_code(code)
    ids = whole.all
    found = split(code) if ids else None
    if found is None or len(found.ends) - found.directives < 2:
        return None
    names = names_of(with_members(code, found.text), found.ends)
    texts = [_without_comments(code, found.text, *span) for span in pairwise([0, *found.ends])]
    ties = _Ties(names, texts, _roots(code, ids, reader), ids)
    held = ties.held(reader)
    if any(_NAMES_UNKNOWN.search(texts[number]) for number in held) or any(map(_writes_a_piece, texts)):
        return None
    named = {id_ for number in held for id_ in reader.mentions(texts[number])}
    has_calls = any(names[number].called for number in held)
    if not named.issuperset(ids) or (has_calls and not any(reader.addresses_in(texts[number]) for number in held)):
        return None
    parts = _parts(found.ends, held, found.directives)
    left = b"\n".join(texts[number] for number in range(len(texts)) if number not in held)
    if not 1 < len(parts) <= _MOST_PARTS or not IDENTIFIER.search(left) or not _may_run(reader.script_code(left), ids):
        return None
    return Cut(parts, found.strict) if ties.are_in_order(parts, found.ends) else None


def _may_run(code: Code, ids: Ids) -> bool:
    """Return whether a script with this code may run if these services are held in the same page."""
    return not code.ids and not code.names and set(code.calls) <= set(ids)


def _with_owners(paths: Iterable[bytes]) -> set[bytes]:
    """Return names with the objects that they are members of: ``app.cfg`` and ``app``."""
    return {path[:end] for path in paths for end in (*(dot.start() for dot in _DOT.finditer(path)), len(path))}


def _writes_a_piece(text: bytes) -> bool:
    """Return whether a statement may write a part of a tag into the page, which the next statement completes."""
    ends = len(_TAG_END.findall(text.replace(b"=>", b"")))
    return bool(_WRITES.search(text)) and len(_TAG_START.findall(text)) != ends


def _without_comments(code: bytes, text: bytes, start: int, end: int) -> bytes:
    """Return a piece of a script without its comments, which are white space in the masked text."""
    kept: list[bytes] = []
    for gap in _GAP.finditer(text, start, end):
        kept += [code[start : gap.start()], gap.group()]
        start = gap.end()
    return b"".join([*kept, code[start:end]])


def _roots(code: bytes, ids: Ids, reader: PieceReader) -> frozenset[bytes]:
    """Return the globals of the services for which a script is held, also those to which it gave other names."""
    roots = reader.globals_of(ids)
    return frozenset(name.encode() for name in (*roots, renamed_in(code.decode("latin-1"), roots)) if name)


def _parts(ends: Iterable[int], held: Collection[int], directives: int) -> tuple[ScriptPart, ...]:
    """Return the parts of a script; its directives go with what follows them."""
    spans = list(enumerate(pairwise([0, *ends])))
    kinds = ((number in held or (number < directives and directives in held), span) for number, span in spans)
    parts: list[ScriptPart] = []
    for is_held, group in groupby(kinds, key=lambda one: one[0]):
        several = [span for _, span in group]
        parts.append(ScriptPart(several[0][0], several[-1][1], is_held))
    return tuple(parts)


class _Ties:
    """
    What the statements of a script have to do with each other.

    Args:
        names: The names of each statement.
        texts: The statements without their comments.
        roots: The globals of the services for which the script is held.
        ids: The ids of these services.
    """

    def __init__(self, names: list[StatementNames], texts: list[bytes], roots: frozenset[bytes], ids: Ids) -> None:
        self._names = names
        self._texts = texts
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
                (self._users, _with_owners(one.paths)),
                (self._later, _with_owners(one.later_paths)),
                (self._of_all, (one.paths | one.later_paths) - one.written),
            ):
                for name in found:
                    by_name.setdefault(name, set()).add(number)

    def held(self, reader: PieceReader) -> set[int]:
        """Return the numbers of the statements to hold; empty if the script cannot be cut."""
        first = [number for number in range(len(self._texts)) if self._is_the_service(number, reader)]
        self._held = set(first)
        self._spread()
        # In the simplest snippets no function contains the statements that make a script element.
        for name in sorted({name for number in self._held for name in self._names[number].filled})[:_MOST_FILLED]:
            self._held |= self._around(name)
        self._held |= self._settings()
        self._spread()
        shared = {name for number in self._held for name in _with_owners(self._names[number].paths)}
        return set() if any(len(self._makers.get(name, set()) - self._held) > 1 for name in shared) else self._held

    def _is_the_service(self, number: int, reader: PieceReader) -> bool:
        """Return whether a statement has to be held by itself."""
        one = self._names[number]
        if not self._roots.isdisjoint(one.at_once | one.written):
            return True
        text = self._texts[number]
        if not reader.mentions(text):
            return False
        # Only a function that is called later may call the service, whose stand-in answers it.
        code = reader.script_code(text)
        return bool(code.ids or not set(code.calls) <= set(self._ids) or reader.mentions(self._only_data(number)))

    def _only_data(self, number: int) -> bytes:
        """Return a statement without the calls of the services' globals."""
        text, names = self._texts[number], self._roots & self._names[number].later
        if not names:
            return text
        named = b"|".join(sorted(map(re.escape, names)))
        return re.sub(rb"(?<![\w$.'\"`])(?:(?:window|self|globalThis)\.)?(?:" + named + rb")(?![\w$])", b"_", text)

    def _around(self, name: bytes) -> set[int]:
        """Return the statements that have to do with one new element, if all that they make is only used by them."""
        if not any(_MAKES_ELEMENT.search(self._texts[maker]) for maker in self._makers.get(name, ())):
            return set()
        circle = {*self._makers[name], *self._users.get(name, ())} - self._held
        made = {other for number in circle for other in self._names[number].written}
        users = (user for other in made for user in (*self._users.get(other, ()), *self._later.get(other, ())))
        return circle if circle.union(self._held).issuperset(users) else set()

    def _settings(self) -> set[int]:
        """Return the statements that fill an object of somebody else's which held ones use: the vendor's settings."""
        used = {name for number in self._held for name in self._names[number].at_once}
        used -= _OF_BROWSERS.union(self._makers)
        return {number for number, one in enumerate(self._names) if not used.isdisjoint(one.filled)}

    def _spread(self) -> None:
        """Hold what uses or writes what a held statement writes."""
        todo = sorted(self._held)
        missing: set[bytes] = set()
        while todo:
            number = todo.pop()
            functions, objects = self._stand_ins(number)
            for name in self._names[number].written - missing:
                missing.add(name)
                if name.partition(b".")[0] in self._roots:
                    continue
                more = {*self._makers[name], *self._needing(name, number, functions, objects)} - self._held
                self._held |= more
                todo += more

    def _needing(self, name: bytes, number: int, functions: set[bytes], objects: set[bytes]) -> Iterator[int]:
        """Yield the statements that need what a held one writes under a name, and for which no stand-in is enough."""
        owners = _with_owners([name]) - {name} - _OF_BROWSERS
        of_all = {user for owner in owners for user in self._of_all.get(owner, ())}
        for user in {*self._users.get(name, ()), *self._later.get(name, ()), *of_all}:
            one = self._names[user]
            if user < number and name in _with_owners(one.paths):
                yield user
            used = {path for path in (*one.paths, *one.later_paths) if name in _with_owners([path]) or path in owners}
            if all(not functions.isdisjoint(_with_owners([path])) for path in used):
                continue
            is_asked = name in _with_owners(one.later_paths - one.paths) and name not in objects
            if not is_asked or not asks_whether(self._texts[user], [name]):
                yield user

    def _stand_ins(self, number: int) -> tuple[set[bytes], set[bytes]]:
        """Return the functions of a held statement that other code can call while it is held, and its objects."""
        functions, objects = set[bytes](), set[bytes]()
        for word in defined_in(self._texts[number].decode("utf-8", "replace")):
            (functions if word[0] in "+?" else objects).add(re.split(r"[(\[{]", word.lstrip("+?"))[0].encode())
        return functions, objects

    def are_in_order(self, parts: Sequence[ScriptPart], ends: Sequence[int]) -> bool:
        """Return whether no part needs at once what only a later part of its kind declares."""
        part_of = [bisect_right([part.start for part in parts], end - 1) - 1 for end in ends]
        declared: dict[bytes, tuple[int, bool]] = {}
        for number, one in enumerate(self._names):
            for name in one.declared:
                declared.setdefault(name, (part_of[number], number in self._held))
        for part, group in groupby(range(len(ends)), key=part_of.__getitem__):
            numbers = list(group)
            seen: set[bytes] = set()
            todo = {
                name: name in self._names[number].called for number in numbers for name in self._names[number].at_once
            }
            while todo:
                name, is_called = todo.popitem()
                seen.add(name)
                later, is_held = declared.get(name, (-1, False))
                if later > part and is_held == (numbers[-1] in self._held):
                    return False
                for maker in self._makers.get(name, ()) if is_called else ():
                    todo |= {one: True for one in self._names[maker].later if one not in seen}
        return True
