"""
Divides a statement whose block has both a vendor's statements and the site's own into two, so that one can be held.

``addEventListener('load', function () { menu(); LOADER })`` becomes the same statement twice, one after the other: with
``menu()`` alone and with ``LOADER`` alone. An owner could have written it so. What is held of the result is decided by
:mod:`consent_mw.html.script_cut`, like for any script, so a mistake here cannot let anything out.

Theory of operation
-------------------

A statement can be divided if what is around its block may be evaluated twice: a listener, a timer, a function that is
called at once, ``if``, ``try``, a plain block. :class:`_Shape` lists these. The statements of the block are told apart
and judged as those of a script are (:mod:`consent_mw.html.script_ties`), after those inside them were divided.

A function with a name is divided with the statements that use it (:mod:`consent_mw.html.script_uses`), and functions
are taken out of an object that has them (:mod:`consent_mw.html.script_members`).

The held half is a function of its own, so it needs its own copies of the local names that it uses:

- declarations without effect, such as ``var d = document``, and functions, stand in both halves;
- so does ``if (…) return`` before a held statement, if its condition has no effect;
- if a held statement needs any other name that an own statement declares, or a value that an own statement changes,
  the statement stays as it is. It also does if one of the held statements returns, if a named function uses its own
  name, or if nothing but declarations would be left in a half.

At most :data:`_DEEPEST` blocks within each other are divided, and each is read a constant number of times.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from consent_mw.html.code import Ids
from consent_mw.html.script_members import members_apart
from consent_mw.html.script_names import names_of
from consent_mw.html.script_ties import PieceReader
from consent_mw.html.script_ties import Ties
from consent_mw.html.script_ties import ties_of
from consent_mw.html.script_ties import with_owners
from consent_mw.html.script_uses import FUNCTION
from consent_mw.html.script_uses import NAME
from consent_mw.html.script_uses import PATH
from consent_mw.html.script_uses import STRING
from consent_mw.html.script_uses import VALUE
from consent_mw.html.script_uses import VALUES
from consent_mw.html.script_uses import StatementPlace
from consent_mw.html.script_uses import closing
from consent_mw.html.script_uses import named_function
from consent_mw.html.statements import Statements
from consent_mw.html.statements import masked
from consent_mw.html.statements import split

__all__ = ["Divider"]

#: The most blocks within each other that are divided.
_DEEPEST = 4
#: The most names for which a half gets copies of declarations.
_MOST_COPIES = 16

# Masked code: strings are quotation marks, and comments are white space.
#: What has the listener: a path, or an element or a jQuery object that is looked up.
_RECEIVER = (
    rb"(?:(?>(?:(?:window|document|self|globalThis)\s*+\.\s*+)?)(?:querySelector|getElementById|\$|jQuery)"
    rb"\s*+\(\s*+(?>(?:" + STRING + rb"|" + PATH + rb")?)\s*+\)\s*+\.\s*+"
    rb"|(?>(?:" + NAME + rb"\s*+\.\s*+)*))"
)
#: Functions that call another one later and do nothing else.
_LISTENS = (
    rb"(?:addEventListener|attachEvent|setTimeout|setInterval|requestIdleCallback|requestAnimationFrame|queueMicrotask"
    rb"|on|one|bind|ready|load|click|submit|scroll|domReady|jQuery|\$)"
)
_CALLED_LATER = _RECEIVER + _LISTENS + rb"\s*+\(\s*+(?>(?:" + STRING + rb"\s*+,\s*+){0,2})" + FUNCTION
_CALLED_NOW = rb"(?>(?:[!+~;-]|void\b)?)\s*+\(?\s*+" + FUNCTION
_AFTER_CALL = rb"\s*+\)?\s*+(?:\.\s*+(?:call|apply)\s*+)?\(" + VALUES + rb"\)\s*+\)?\s*+;?\s*+"
#: What is set to a function that runs when the page has loaded.
_ONLOAD = rb"(?>(?:(?:window|self|globalThis|document|body)\s*+\.\s*+)*)on(?P<event>load|pageshow)\s*+=\s*+" + FUNCTION
#: The same with jQuery, in code with its strings.
_LOAD_BY_JQUERY = re.compile(
    rb"\s*+(?:\$|jQuery)\s*+\(\s*+(window|document)\s*+\)\s*+\.\s*+"
    rb"(?:(?:on|one|bind)\s*+\(\s*+[\"'](load|pageshow|DOMContentLoaded)[\"']\s*+,|load\s*+\((?=\s*+(?:function|async|\()))"
)
#: A condition in parentheses: up to three pairs of them inside.
_INNER = rb"\((?>(?:[^(){}]++|\((?>(?:[^(){}]++|\([^(){}]*+\))*)\))*)\)"
_CATCH = rb"\s*+catch\s*+(?>(?:\(\s*+" + NAME + rb"\s*+\)\s*+)?)\{[^{}]*+\}\s*+"


class _Shape(NamedTuple):
    """A statement with a block that can be divided: what is before the block and what follows it, in masked code."""

    before: re.Pattern[bytes]
    after: re.Pattern[bytes]


def _shape(before: bytes, after: bytes) -> _Shape:
    return _Shape(re.compile(rb"\s*+" + before), re.compile(rb"\}" + after))


_SHAPES = (
    _shape(_CALLED_LATER, rb"\s*+(?>(?:,\s*+" + VALUE + rb"\s*+)*)\)\s*+;?\s*+"),
    _shape(_CALLED_NOW, _AFTER_CALL),
    _shape(_ONLOAD, rb"\s*+;?\s*+"),
    _shape(rb"if\s*+(?P<condition>" + _INNER + rb")\s*+\{", rb"\s*+"),
    _shape(rb"try\s*+\{", _CATCH),
    _shape(rb"\{", rb"\s*+"),
)

#: Calls without effect, whose arguments have no calls in them.
_LOOKS_UP = re.compile(
    rb"(?:(?<![\w$])(?:new\s++(?:Date|URL|URLSearchParams|Map|Set)|\$|jQuery|Number|String|Boolean|parseInt|parseFloat"
    rb"|encodeURIComponent|decodeURIComponent)"
    rb"|\.\s*+(?:querySelector(?:All)?|getElements?By\w++|getItem|getAttribute|hasAttribute|indexOf|includes|startsWith"
    rb"|endsWith|test|match|matchMedia|get|has|now|contains|slice|split|trim|toLowerCase|toString|stringify|parse)"
    rb"|(?<![\w$.])matchMedia)\s*+\([^()=]*+\)"
)
_HAS_EFFECT = re.compile(rb"[(`]|=>|\+\+|--|(?<![\w$.])(?:await|class|delete|function|import|new|yield|super)(?![\w$])")
_ASSIGNS = re.compile(rb"(?<![=!<>])=(?![=>])|=>")
_DECLARES = re.compile(rb"\s*+(?:var|let|const)\b")
_SETS_NAME = re.compile(rb"[\s;]*+(?:" + NAME + rb"\s*+=(?![=>])|\Z)")
_DECLARES_FUNCTION = re.compile(rb"\s*+(?:async\s++)?function\b")
_LEAVES_IF = re.compile(rb"\s*+if\s*+(" + _INNER + rb")\s*+(\{\s*+)?return\b([^;{}]*+);?\s*+(?(2)\})\s*+")


#: Parentheses that only group, with no others inside; and how many within each other are taken off.
_GROUPED = re.compile(rb"(\A|[=!&|?:,(+*/%<>\-]\s*+|\btypeof\s*+)\(([^()]*+)\)")
_MOST_INSIDE = 3
_WORD = re.compile(NAME)
#: What follows a name or its member that is written.
_THEN_WRITTEN = rb"(?>(?:\s*+\.\s*+[\w$]++|\s*+\[[^\[\]]*+\])*)\s*+(?:=(?![=>])|[+\-*/%&|^?<>]{1,3}=(?!=)|\+\+|--)"


class _Braces(NamedTuple):
    """The block of a statement: the offsets of what is in the braces, and how the statement begins."""

    start: int
    end: int
    head: re.Match[bytes]


class Divider:
    """
    Divides statements of one script.

    Args:
        ids: The services for which the script is held.
        roots: Their globals.
        reader: Judges pieces of the script.
    """

    def __init__(self, ids: Ids, roots: frozenset[bytes], reader: PieceReader) -> None:
        self._ids = ids
        self._roots = roots
        self._reader = reader

    def divided(self, code: bytes) -> bytes:
        """Return a script in which the statements that can be divided are; the same one if none can."""
        found = split(code)
        return code if found is None else self._with_halves(code, found, 0)

    def _with_halves(self, code: bytes, found: Statements, depth: int) -> bytes:
        if depth >= _DEEPEST:
            return code
        ties = ties_of(code, found, self._roots, self._ids)
        spans = list(pairwise([0, *found.ends]))
        pieces = [code[slice(*span)] for span in spans]
        first = b""
        for number, (start, end) in enumerate(spans):
            if not ties.is_the_service(number, self._reader):
                continue
            piece, text = code[start:end], found.text[start:end]
            if halves := self._halves(piece, text, depth) or members_apart(piece, text, self._mentions):
                # A semicolon after a whole statement ends it or is an empty one.
                pieces[number] = b"\n;".join(halves)
            else:
                first += self._divide_named(pieces, StatementPlace(code, found.text, spans, number), depth)
        return b"".join([*pieces[: found.directives], first, *pieces[found.directives :]])

    def _mentions(self, code: bytes) -> bool:
        return bool(self._reader.mentions(code))

    def _divide_named(self, pieces: list[bytes], place: StatementPlace, depth: int) -> bytes:
        """
        Divide a function that other statements use by its name, together with these.

        Args:
            pieces: The statements, which change.
            place: The statement that declares the function.
            depth: The number of blocks around the statements.

        Returns:
            What goes before all statements: the function, if statements before it can use it.
        """
        named = named_function(place)
        if named is None:
            return b""
        held: dict[int, bytes] = {}
        for number, use in named.uses.items():
            text = masked(use.code)
            block = None if text is None else _block_of(text)
            is_whole = block is not None and block.start == use.start and pieces[number] == place.code_of(number)
            halves = self._halves(use.code, text, depth) if text is not None and is_whole else None
            if halves is None:
                return b""
            held[number] = halves[1]
        piece, block = pieces[place.number], _Braces(named.head.end(), named.end, named.head)
        inner = self._inner(piece[block.start : block.end], block, depth + 1)
        if inner is None:
            return b""
        for number, half in held.items():
            pieces[number] += b"\n;" + half
        own = piece[: block.start] + inner[0] + piece[block.end :]
        pieces[place.number] = b";" if named.is_hoisted else own
        return own + b"\n" if named.is_hoisted else b""

    def _halves(self, code: bytes, text: bytes, depth: int) -> tuple[bytes, bytes] | None:
        """Return the own half of a statement and the held one; None if it cannot be divided."""
        block = _block_of(text)
        if block is None:
            return None
        body, head, tail = code[block.start : block.end], code[: block.start], code[block.end :]
        # What is around the block is in both halves. The snippets of many vendors take their address as an argument.
        inner = None if self._reader.mentions(head + b" " + tail) else self._inner(body, block, depth + 1)
        if inner is None:
            return None
        own, held = inner
        first, last = head, tail
        if event := block.head.groupdict().get("event"):
            # Set a second time, it would replace the first half.
            start = text.index(b"=", block.head.end("event")) + 1
            first, last = b'window.addEventListener("' + event + b'",' + head[start:], b"});"
        elif by_jquery := _LOAD_BY_JQUERY.match(head):
            # jQuery listens once for all, and a release only knows of listeners that are added while it runs.
            what = by_jquery.group(1) + b'.addEventListener("' + (by_jquery.group(2) or b"load") + b'",'
            first = what + head[by_jquery.end() :]
        return head + own + tail, first + held + last

    def _inner(self, body: bytes, block: _Braces, depth: int) -> tuple[bytes, bytes] | None:
        """Return the statements of a block that are its own, and those that are held, with what these need."""
        found = split(body, in_function=True)
        if found is None:
            return None
        divided = self._with_halves(body, found, depth)
        if divided != body:
            body, found = divided, split(divided, in_function=True)
            if found is None:
                return None
        ties = ties_of(body, found, self._roots, self._ids)
        ties.in_function = True
        held = ties.held(self._reader)
        if not held:
            return None
        kept = _Copies(found, ties, held).kept(block.head)
        if kept is None:
            return None
        spans = list(pairwise([0, *found.ends]))
        return _only(body, spans, set(range(len(spans))) - held), _only(body, spans, kept)


def _only(body: bytes, spans: Iterable[tuple[int, int]], numbers: Collection[int]) -> bytes:
    """Return a block with these of its statements, and empty ones in place of the others."""
    return b"".join(body[slice(*span)] if number in numbers else b";" for number, span in enumerate(spans))


def _block_of(text: bytes) -> _Braces | None:
    """Return the block of a statement in masked code; None if there is none that can be divided."""
    for shape in _SHAPES:
        head = shape.before.match(text)
        if head is None:
            continue
        end = closing(text, head.end())
        if end < 0 or not shape.after.fullmatch(text, end):
            continue
        groups = head.groupdict()
        name, condition = groups.get("name"), groups.get("condition")
        if (name and _words(name).search(text, head.end())) or not _is_plain(condition or b""):
            return None
        return _Braces(head.end(), end, head)
    return None


def _words(*names: bytes) -> re.Pattern[bytes]:
    """Return the pattern of these names in masked code."""
    return re.compile(rb"(?<![\w$.])(?:" + b"|".join(map(re.escape, names)) + rb")(?![\w$])")


def _is_plain(text: bytes) -> bool:
    """Return whether an expression in masked code has no effect."""
    return not _ASSIGNS.search(text) and _has_no_effect(text)


def _has_no_effect(text: bytes) -> bool:
    """Return whether masked code has no effect besides its assignments."""
    for _ in range(_MOST_INSIDE):
        text = _GROUPED.sub(rb"\1 \2 ", _LOOKS_UP.sub(rb".x", text))
    return not _HAS_EFFECT.search(text)


class _Copies:
    """
    Finds the own statements of a block that its held half needs as well.

    Args:
        found: The statements of the block.
        ties: What they have to do with each other.
        held: The numbers of those that are held.
    """

    def __init__(self, found: Statements, ties: Ties, held: Collection[int]) -> None:
        self._spans = list(pairwise([0, *found.ends]))
        self._text = found.text
        self._names = ties.names
        self._held = set(held)
        self._directives = range(found.directives)
        self._own = [number for number in range(found.directives, len(self._spans)) if number not in self._held]

    def kept(self, head: re.Match[bytes]) -> set[int] | None:
        """Return the numbers of the statements of the held half; None if the block cannot be divided."""
        copies = self._needed(head) if self._held.difference(self._directives) else None
        if copies is None or all(number in copies or self._only_prepares(number) for number in self._own):
            return None
        return self._held.union(copies, self._directives)

    def _needed(self, head: re.Match[bytes]) -> set[int] | None:
        """Return the numbers of the own statements that the held half needs; None if the block cannot be divided."""
        groups = head.groupdict()
        condition = groups.get("condition") or b""
        read = names_of(condition, [len(condition)])[0] if condition else None
        if (read and self._changes(read.paths)) or any(self._names[number].leaves for number in self._held):
            return None
        copies = {number for number in self._own if self._names[number].leaves and number < max(self._held)}
        if not all(map(self._leaves_plainly, copies)):
            return None
        inputs = {name for key in ("inputs", "of_arrow", "only") for name in _WORD.findall(groups.get(key) or b"")}
        return self._with_declarations(copies, inputs)

    def _piece(self, number: int) -> bytes:
        return self._text[slice(*self._spans[number])]

    def _changes(self, paths: Collection[bytes]) -> bool:
        """Return whether an own statement writes one of these at once."""
        wanted = {*with_owners(paths), *(path.partition(b".")[2] for path in paths)}
        return any(not wanted.isdisjoint(self._names[number].written) for number in self._own)

    def _leaves_plainly(self, number: int) -> bool:
        """Return whether a statement does nothing but leave the function if something is the case."""
        found = _LEAVES_IF.fullmatch(self._piece(number))
        if not found or not _is_plain(found.group(1)) or not _is_plain(found.group(3)):
            return False
        return not self._changes(self._names[number].paths)

    def _declares_plainly(self, number: int) -> bool:
        """Return whether a statement only declares names, without an effect."""
        piece, names = self._piece(number), self._names[number]
        if _DECLARES_FUNCTION.match(piece):
            return True
        return bool(_DECLARES.match(piece)) and names.written == names.declared and _has_no_effect(piece)

    def _only_prepares(self, number: int) -> bool:
        """Return whether a statement does nothing by itself: it declares or sets a name, without any other effect."""
        piece = self._piece(number)
        return self._declares_plainly(number) or bool(_SETS_NAME.match(piece) and _has_no_effect(piece))

    def _with_declarations(self, copies: set[int], inputs: Collection[bytes]) -> set[int] | None:
        """Add the declarations of what the held half uses; return None if that is not enough."""
        makers: dict[bytes, set[int]] = {}
        for number in self._own:
            for name in self._names[number].declared:
                makers.setdefault(name, set()).add(number)
        used: set[bytes] = set()
        todo = [*self._held, *copies]
        while todo:
            names = self._names[todo.pop()]
            fresh = ({*names.at_once, *names.later}) - used
            used |= fresh
            more = {number for name in fresh for number in makers.get(name, ())} - copies
            if not all(map(self._declares_plainly, more)):
                return None
            copies |= more
            todo += more
        shared = sorted(used.intersection({*makers, *inputs}))
        if len(shared) > _MOST_COPIES or (shared and self._is_changed(shared, copies)):
            return None
        return copies

    def _is_changed(self, names: Collection[bytes], copies: Collection[int]) -> bool:
        """Return whether an own statement that is not copied may change one of these local names."""
        word = _words(*names).pattern
        changes = re.compile(word + _THEN_WRITTEN + rb"|(?:\+\+|--)\s*+" + word)
        return any(changes.search(self._piece(number)) for number in self._own if number not in copies)
