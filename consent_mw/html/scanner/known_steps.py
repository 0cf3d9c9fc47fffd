"""
The known steps of tree construction: an automaton that learns its states from one page.

Theory of operation. What a piece of a page does to the open elements depends only on the state of the tree and on a few
properties of the piece: an ordinary tag on its name, text on whether it has characters other than white space. Those
properties are the *key* of the piece. A page repeats itself, so the same keys lead to the same states again and again.
:class:`KnownSteps` keeps each state that a tree was in, with the states that were reached from it. As long as the step
of each piece is known, a tree need not move. :func:`~consent_mw.html.scan.follow` then passes over the page in C, tag
by tag, with one look-up for each. A piece whose step is not known is processed by the tree, and the step is learnt.

A learnt step includes the work of the tree's walks over the stack. So a page that is nested too deeply is refused at
the same place, whether its steps were known or not.

Keys are chosen so that no two pieces with the same key can act differently:

=====================  ================================================================================================
``name``               The start tag of an element that is handled by its name alone, or of a link (see below).
``/name``              An end tag.
``<b class=x>``        A whole start tag, if attributes matter: formatting elements are compared by them.
``<name``, ``<name/``  The start tag of an element that may be foreign: it matters whether it closes itself.
``!name``, ``!name/``  A start tag after which raw text may begin. The scanner in C makes no such keys, and stops.
``=``, `` ``           Text, white space, or both: `` =``. A ``0`` stands for NULs. If none of the first three changes
                       the state, any text with character references is passed.
=====================  ================================================================================================

The attributes of a link (``a``) decide nothing unless four links are open at once, and a link closes the one before it
in all pages but contrived ones. So a state forgets them, and a tree that would have to compare them refuses the page.

Time and memory. Each piece that is passed earns credit, and making a state's key costs as much as the stack is deep. A
state is only looked for if its cost was earned, so the work is linear for any page. If the states and steps exceed a
fixed number, all are forgotten, and learning starts again.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import NamedTuple

from consent_mw.html.elements import self_closing
from consent_mw.html.scanner.modes import characters
from consent_mw.html.scanner.modes.body import FORMATTING
from consent_mw.html.scanner.modes.rules import Characters
from consent_mw.html.scanner.tree import MATH
from consent_mw.html.scanner.tree import SVG
from consent_mw.html.scanner.tree import Element
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree
from consent_mw.html.tokens import PIECE
from consent_mw.html.tokens import RAW_TEXT

#: The longest numeric reference that is waited for, in bytes; all names are shorter.
LONGEST_REFERENCE = 256
#: The longest tag, and the longest name of a tag, that is a key, in bytes; LONGEST_KEY in _scan.c.
LONGEST_KEY = 64
#: The most states, open elements in them, and steps that are kept, in all.
_MOST_KEPT = 20_000
#: The credit of a new page, the credit that each piece earns, and the cost of a state besides its open elements.
_FIRST_CREDIT = 4_096
_EARNED = 4
_COST = 16

#: Elements whose attributes matter: they are compared, or tell what the element is.
_BY_TAG = FORMATTING | frozenset(b"nobr input font annotation-xml".split())
#: Elements in which raw text may begin.
_MAY_BEGIN_TEXT = RAW_TEXT | {b"script", b"noscript"}
#: Modes in which the type of an input element only matters for a frameset after it.
_ANY_INPUT = frozenset({"in body", "in cell", "in caption"})
_LESS_THAN = 0x3C
_TEXT_KEYS = {Characters.SPACE: b" ", Characters.NUL: b"0", Characters.TEXT: b"="}
_TEXTS = ([Characters.SPACE], [Characters.TEXT], [Characters.SPACE, Characters.TEXT])


class State(dict[bytes, tuple["State", int]]):
    """A state of a tree, with the known steps from it: for each key the next state, and the work that was counted."""

    __slots__ = ("tree",)

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        #: A tree in this state, which must not be changed.
        self.tree = tree


class KnownSteps:
    """The known states of the trees of one page."""

    def __init__(self) -> None:
        self._states: dict[Hashable, State] = {}
        self._credit = _FIRST_CREDIT
        self._kept = 0

    def earn(self, pieces: int) -> None:
        """Add to the credit for pieces of the page that were passed."""
        self._credit += _EARNED * pieces

    def state_of(self, tree: Tree) -> State | None:
        """Return the state that a tree is in; None if it cannot be a key, or would cost more than the credit."""
        size = _COST + len(tree.stack) + len(tree.formatting)
        if size > self._credit or tree.mode == "initial":
            return None
        self._credit -= size
        links = [one for one in tree.formatting if one is not None and one.name == b"a"]
        if len(links) > 1:
            return None
        link: Element | None = links[0] if links else None
        key = (tree.dialect, tree.key(link))
        state = self._states.get(key)
        if state is None:
            self._keep(size)
            own = tree.twin()
            if link is not None:
                own.anonymise(link)
            state = self._states[key] = State(own)
        return state

    def learn(self, state: State, key: bytes, after: State, steps: int) -> None:
        """Note the step from a state to the one ``after`` it, in which the tree's walks took ``steps``."""
        self._keep(1)
        state[key] = (after, steps)

    def learn_texts(self, state: State) -> None:
        """Learn what text does in a state, whatever its character references mean."""
        for kinds in _TEXTS:
            key = text_key(kinds)
            if key in state:
                continue
            tree = state.tree.twin()
            tree.steps = 0
            for kind in kinds:
                characters(tree, kind)
            after = self.state_of(tree)
            if after is None:
                return
            self.learn(state, key, after, tree.steps)

    def _keep(self, size: int) -> None:
        self._kept += size
        if self._kept > _MOST_KEPT:
            self.clear()
            self._kept = size

    def clear(self) -> None:
        """Forget everything; the states refer to each other, and would wait for the garbage collector."""
        for state in self._states.values():
            state.clear()
        self._states.clear()
        self._kept = 0


class StepBounds(NamedTuple):
    """
    The limits of one call.

    Args:
        longest: The size of the longest piece that may be passed over, in bytes.
        allowance: The steps that the trees' walks may take.
        for_tag: The steps that each tag adds to the allowance.
    """

    longest: int
    allowance: int
    for_tag: int


def follow_in_python(buffer: bytes, position: int, state: State, bounds: StepBounds) -> tuple[int, State, int, int]:
    """
    Pass over the pieces of a page from ``position`` whose steps are known: the function ``follow`` of _scan.c.

    Returns:
        The position and the state reached, the tags passed, and what is left of the allowance.
    """
    longest, allowance, for_tag = bounds
    tags = 0
    size = len(buffer)
    while (found := PIECE.match(buffer, position)) is not None:
        kind, end = found.lastindex, found.end()
        if end - position > longest or kind == 4:
            break
        if kind is None:
            if not buffer.startswith(b"<!--", position):
                break
            position = end
            continue
        step: tuple[State, int] | None
        if kind == 3:
            name = found.group(3).lower()
            step = state.get(name) or state.get(found.group()) or state.get(b"<" + name + _slash(found))
        elif kind == 2:
            step = state.get(b"/" + found.group(2).lower())
        elif end == size or buffer[position] == _LESS_THAN:
            break
        else:
            step = _text_step(found.group(), state)
        earned = for_tag if kind != 1 else 0
        if step is None or allowance + earned < step[1]:
            break
        position = end
        state = step[0]
        allowance += earned - step[1]
        tags += kind != 1
    return position, state, tags, allowance


def _slash(found: re.Match[bytes]) -> bytes:
    return b"/" if found.group().endswith(b"/>") and self_closing(found) else b""


def _text_step(text: bytes, state: State) -> tuple[State, int] | None:
    if b"\0" in text:
        return None
    if b"&" in text:
        # Whatever the references mean, the state stays.
        idle = all((step := state.get(key)) and step[0] is state and not step[1] for key in (b" ", b"=", b" ="))
        return (state, 0) if idle and len(text) < LONGEST_REFERENCE - 1 else None
    rest = text.strip(b" \t\n\r\f")
    return state.get((b" " if len(rest) < len(text) else b"") + (b"=" if rest else b""))


def text_key(kinds: list[Characters]) -> bytes:
    """Return the key of a piece of text with these kinds of characters."""
    return b"".join([_TEXT_KEYS[kind] for kind in kinds])


def end_key(name: bytes) -> bytes:
    """Return the key of an end tag, or an empty one."""
    return b"/" + name if len(name) <= LONGEST_KEY else b""


def start_key(name: bytes, found: re.Match[bytes], state: State) -> bytes:
    """Return the key of a start tag in a state, or an empty one if its step cannot be known."""
    tag, tree = found.group(), state.tree
    if name == b"input" and not tree.frameset_ok and tree.mode in _ANY_INPUT and not tree.in_foreign:
        return name
    if name in _BY_TAG:
        return tag if len(tag) <= LONGEST_KEY else b""
    if name == b"plaintext" or len(name) > LONGEST_KEY:
        return b""
    foreign = tree.in_foreign or name in (SVG, MATH)
    slash = _slash(found) if foreign else b""
    if name in _MAY_BEGIN_TEXT:
        return b"!" + name + slash
    if foreign:
        return b"<" + name + slash
    return name


def begins_text(name: bytes, state: State) -> bool:
    """Return whether raw text follows the start tag that led to this state."""
    return name in _MAY_BEGIN_TEXT and state.tree.mode == "text"


def token_of(name: bytes, found: re.Match[bytes]) -> TagToken:
    """Return the token of a start tag."""
    tag = found.group()
    return TagToken(name, tag, bool(_slash(found)))
