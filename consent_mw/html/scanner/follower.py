"""
One tree that follows a page: it reads the bytes that have passed, piece by piece.

A follower is always behind the reading that it serves. It reads by :mod:`~.known_steps` as long as the step of each
piece is known, and by the rules of :mod:`~.modes` otherwise.
"""

from __future__ import annotations

import re

from consent_mw.errors import RefusedMarkup
from consent_mw.html import scan
from consent_mw.html.chunks import ScriptEnd
from consent_mw.html.scanner.known_steps import LONGEST_REFERENCE
from consent_mw.html.scanner.known_steps import KnownSteps
from consent_mw.html.scanner.known_steps import State
from consent_mw.html.scanner.known_steps import StepBounds
from consent_mw.html.scanner.known_steps import begins_text
from consent_mw.html.scanner.known_steps import end_key
from consent_mw.html.scanner.known_steps import follow_in_python
from consent_mw.html.scanner.known_steps import start_key
from consent_mw.html.scanner.known_steps import text_key
from consent_mw.html.scanner.known_steps import token_of
from consent_mw.html.scanner.modes import characters
from consent_mw.html.scanner.modes import doctype
from consent_mw.html.scanner.modes import end_tag
from consent_mw.html.scanner.modes import start_tag
from consent_mw.html.scanner.modes.rules import Characters
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import STEPS_FOR_TAG
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree
from consent_mw.html.tokens import CDATA_START
from consent_mw.html.tokens import PIECE
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import end_tag as end_of_raw_text
from consent_mw.html.urls import unescape_text

_WHITE = b" \t\n\r\f"
#: The beginning of a character reference that may continue in the next bytes.
OPEN_REFERENCE = re.compile(rb"&(?:#[0-9a-zA-Z]*|[a-zA-Z0-9]*)\Z")
LONG_REFERENCE = re.compile(rb"&#[0-9a-zA-Z]{%d}" % (LONGEST_REFERENCE - 2))
_DOCTYPE = re.compile(
    rb"<!doctype[ \t\n\r\f]*([^ \t\n\r\f>]*)[ \t\n\r\f]*"
    rb"(?:(public|system)[ \t\n\r\f]*(?:\"([^\"]*)\"|'([^']*)')[ \t\n\r\f]*(?:\"([^\"]*)\"|'([^']*)')?[ \t\n\r\f]*)?>",
    re.I,
)
#: Prefixes of public identifiers: no or limited quirks; limited quirks only with a system identifier; full quirks.
_NO_QUIRKS = (b"-//w3c//dtd xhtml 1.", b"-//w3c//dtd html 4.01//")
_LIMITED_WITH_SYSTEM = (b"-//w3c//dtd html 4.01 frameset//", b"-//w3c//dtd html 4.01 transitional//")
_QUIRKS = (b"-//w3c//dtd html 3", b"-//w3c//dtd html 4.0 ", b"-//ietf//dtd html")
#: The most bytes of the page that are kept in case a tree needs them, and so the longest construct that a tree reads.
MOST_HISTORY = 4 * 1024 * 1024

#: Passes over the pieces of a page whose steps are known.
pass_known = scan.follow or follow_in_python


class Follower:
    """
    A tree that follows the page, and its position.

    Args:
        tree: The state of tree construction at ``offset``.
        known: The steps that the page's other trees have learnt.
    """

    __slots__ = ("_known", "_raw", "_script", "lost", "nested", "offset", "tree")

    def __init__(self, tree: Tree, offset: int = 0, *, nested: bool = False, known: KnownSteps | None = None) -> None:
        self.tree = tree
        self.offset = offset
        self.nested = nested
        self._known = KnownSteps() if known is None else known
        #: The element whose raw text is being passed, or empty.
        self._raw = b""
        self._script = ScriptEnd()
        #: Whether a construct was too long to be kept until the tree could read it.
        self.lost = False

    def copy(self, **dialect: bool) -> Follower:
        """Return a copy for a narrower dialect."""
        twin = Follower(self.tree.copy(), self.offset, nested=self.nested, known=self._known)
        twin._raw, twin.lost = self._raw, self.lost
        twin._script = self._script.copy()
        twin.tree.dialect = self.tree.dialect._replace(**dialect)
        return twin

    def split(self, field: str) -> list[Follower]:
        """Return a copy for each value of a field of the dialect; scripting on and new parsers come first."""
        first = field == "scripting"
        return [self.copy(**{field: first}), self.copy(**{field: not first})]

    def end(self) -> None:
        """Forget the known steps."""
        self._known.clear()

    @property
    def between_tags(self) -> bool:
        """Whether the position is not in raw text."""
        return not self._raw

    def undetermined(self, name: bytes) -> str:
        """Return the undetermined field of the dialect that this start tag depends on, or an empty string."""
        dialect = self.tree.dialect
        if name == b"noscript" and dialect.scripting is None:
            return "scripting"
        return "old_select" if name == b"select" and dialect.old_select is None else ""

    def read(self, data: bytes, base: int, *, complete: bool = True) -> str:
        """
        Read the page's bytes ``data``, which start at ``base``, up to the first incomplete construct.

        Args:
            complete: Whether a tag starts right after ``data``, so that its end is final.

        Returns:
            The field of the dialect to split by before more is read, or an empty string.
        """
        position = self.offset - base
        size = len(data)
        state: State | None = None
        field = ""
        while position < size and not field:
            if self._raw:
                position = self._pass_raw(data, position)
                if self._raw:
                    break
                continue
            if state is None:
                state = self._known.state_of(self.tree)
            if state is not None:
                position, state = self._follow(data, position, state)
                if position == size:
                    break
            if (state.tree if state is not None else self.tree).in_foreign and data.startswith(CDATA_START, position):
                end = data.find(b"]]>", position)
                if end < 0:
                    break
                self._leave(state)
                state = None
                follow_text(self.tree, data[position + len(CDATA_START) : end], references=False)
                position = end + 3
                continue
            found = PIECE.match(data, position)
            if found is None or (found.end() == size and not complete and OPEN_REFERENCE.search(found.group())):
                break
            self._known.earn(1)
            field, state = self._step(found, state)
            if not field:
                self.lost = self.lost or found.end() - position > MOST_HISTORY
                position = found.end()
        self._leave(state)
        self.offset = base + position
        return field

    def _follow(self, data: bytes, position: int, state: State) -> tuple[int, State]:
        """Pass over the pieces from ``position`` whose steps are known; return the position and state reached."""
        tree = self.tree
        allowance = tree.allowance
        position, state, tags, left = pass_known(
            data, position, state, StepBounds(MOST_HISTORY, allowance, STEPS_FOR_TAG)
        )
        tree.tokens += tags
        tree.steps += allowance + tags * STEPS_FOR_TAG - left
        self._known.earn(tags)
        return position, state

    def _leave(self, state: State | None) -> None:
        """Bring the tree into a state."""
        if state is not None:
            tokens, steps = self.tree.tokens, self.tree.steps
            self.tree = state.tree.twin()
            self.tree.tokens, self.tree.steps = tokens, steps

    def _step(self, found: re.Match[bytes], state: State | None) -> tuple[str, State | None]:
        """
        Process one piece of the page, from a known state or by the tree.

        Returns:
            The field of the dialect that must be determined first, or an empty string; and the state after the piece,
            or None if the tree is in it.
        """
        if state is None:
            return self._take(found), None
        kind = found.lastindex
        if kind is None:
            return "", state
        name = found.group(kind).lower() if kind in (2, 3) else b""
        key = b""
        if kind == 1:
            key = text_key(kinds_of(found.group()))
            if b"&" in found.group():
                self._known.learn_texts(state)
        elif kind == 2:
            key = end_key(name)
        elif kind == 3:
            key = start_key(name, found, state)
        tree = self.tree
        after, steps = state.get(key, (None, 0))
        if after is not None and tree.allowance + STEPS_FOR_TAG * (kind != 1) >= steps:
            tree.tokens += kind != 1
            tree.steps += steps
            if begins_text(name, after):
                self._begin_raw(name)
            return "", after
        self._leave(state)
        before = self.tree.steps
        field = self._take(found)
        if field or not key:
            return field, None
        after = self._known.state_of(self.tree)
        if after is not None:
            self._known.learn(state, key, after, self.tree.steps - before)
        return "", after

    def _take(self, found: re.Match[bytes]) -> str:
        """Process one piece of the page, or return the field of the dialect that must be determined first."""
        tree, kind = self.tree, found.lastindex
        begins = tree.mode == "initial"
        if begins:
            quirks = quirks_of(found.group()) if kind == 4 else None if self.nested else True
            if quirks is None and tree.dialect.quirks is None and kind is not None:
                return "quirks"
            quirks = tree.dialect.quirks if quirks is None else quirks
        if kind == 1:
            follow_text(tree, found.group())
        elif kind == 2:
            end_tag(tree, TagToken(found.group(2).lower()))
        elif kind == 3:
            name = found.group(3).lower()
            field = self.undetermined(name)
            if field:
                return field
            if start_tag(tree, token_of(name, found)) == HTML:
                self._begin_raw(name)
        elif kind == 4:
            doctype(tree, quirks=False)
        if begins and tree.mode != "initial":
            tree.quirks = bool(quirks)
        return ""

    def skip(self, offset: int) -> None:
        """Skip unread bytes before ``offset``, because they are no longer stored."""
        if offset > self.offset:
            self.lost = True
            self.offset = offset

    def _begin_raw(self, name: bytes) -> None:
        scripting = self.tree.dialect.scripting
        if name in RAW_TEXT or name in (b"script", b"plaintext") or (name == b"noscript" and scripting):
            self._raw = name
            self._script = ScriptEnd()

    def _pass_raw(self, data: bytes, position: int) -> int:
        """Pass over raw text from ``position``, and return the position reached."""
        name = self._raw
        if name == b"plaintext":
            return len(data)
        if name == b"script":
            end = self._script.find(data, position, final=False)
            if end < 0:
                position += self._script.at
                self._script.at = 0
                return position
        else:
            found = end_of_raw_text(name).search(data, position)
            if found is None:
                return max(position, len(data) - len(name) - 2)
            end = found.start()
        self._raw = b""
        return end


def kinds_of(text: bytes, *, references: bool = True) -> list[Characters]:
    """
    Return the kinds of characters in a piece of text: its white space at either end, its NULs, and the rest.

    Raises:
        RefusedMarkup: if a character reference is too long to be waited for.
    """
    rest = text.strip(_WHITE)
    if references and b"&" in rest:
        if LONG_REFERENCE.search(rest):
            raise RefusedMarkup("a character reference is longer than any that is waited for")
        # Only an ASCII letter of a reference can be white space, whatever the page's charset.
        rest = unescape_text(rest.decode("latin-1")).encode("utf-8", "replace").strip(_WHITE)
    plain = rest.replace(b"\0", b"")
    kinds = [Characters.SPACE] if len(rest) < len(text) else []
    if len(plain) < len(rest):
        kinds.append(Characters.NUL)
    if plain.strip(_WHITE):
        kinds.append(Characters.TEXT)
    return kinds


def follow_text(tree: Tree, text: bytes, *, references: bool = True) -> None:
    """Process a piece of text."""
    for kind in kinds_of(text, references=references):
        characters(tree, kind)


def quirks_of(tag: bytes) -> bool | None:
    """Return whether a DOCTYPE means quirks; None if only the long list in the standard would tell."""
    found = _DOCTYPE.fullmatch(tag)
    if found is None:
        return None
    kind = (found.group(2) or b"").lower()
    first = (found.group(3) or found.group(4) or b"").lower()
    second = (found.group(5) or found.group(6) or b"").lower()
    if found.group(1).lower() != b"html" or b"ibm.com" in first + second:
        return True
    if not kind or kind == b"system":
        return False
    if first.startswith(_LIMITED_WITH_SYSTEM):
        return not (found.group(5) or found.group(6))
    if first.startswith(_NO_QUIRKS):
        return False
    return True if first.startswith(_QUIRKS) or first == b"html" else None
