"""
The open elements around a reading: one tree for each parser dialect that the reading covers.

A dialect is a way in which browsers may parse the page: with scripting on or
off, with the old or the new rules for ``select``, with or without quirks.

Ordinary markup needs no tree. When the meaning of a tag depends on the open
elements, the trees catch up: each reads the bytes that have passed since it
stopped. Then they follow the page tag by tag until plain HTML content follows
again. A tree reads each byte at most once, so the time is linear however often
a page makes the trees catch up.

Dialects are split only when the page makes them differ: the first ``select``
makes two trees of one. Two trees in the same state are merged again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Hashable
from typing import Protocol

from consent_mw.errors import RefusedMarkup
from consent_mw.html.elements import self_closing
from consent_mw.html.scanner.modes import characters
from consent_mw.html.scanner.modes import doctype
from consent_mw.html.scanner.modes import end_tag
from consent_mw.html.scanner.modes import new_tree
from consent_mw.html.scanner.modes import start_tag
from consent_mw.html.scanner.modes.rules import Characters
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import Dialect
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree
from consent_mw.html.scanner.tree import breaks_out
from consent_mw.html.tokens import CDATA_START
from consent_mw.html.tokens import PIECE
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import ScriptEnd
from consent_mw.html.tokens import end_tag as end_of_raw_text
from consent_mw.html.urls import unescape_text

#: Modes in which tags are dropped.
_DROPPING = frozenset({"in frameset", "after frameset", "after after frameset", "in select", "in select in table"})
#: Modes that are not calm (see :meth:`Surroundings.is_calm`): in raw text the tree waits for the end tag.
_NOT_CALM = _DROPPING | {"text"}
_WHITE = b" \t\n\r\f"
#: The beginning of a character reference that may continue in the next bytes.
OPEN_REFERENCE = re.compile(rb"&(?:#[0-9a-zA-Z]*|[a-zA-Z0-9]*)\Z")
#: The longest numeric reference that is waited for, in bytes; all names are shorter.
LONGEST_REFERENCE = 256
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


class History(Protocol):
    """The bytes of the page that some tree may still have to read."""

    def since(self, offset: int, end: int) -> bytes:
        """Return the bytes from ``offset`` of the page to ``end``."""


class Follower:
    """
    A tree that follows the page, and its position.

    Args:
        tree: The state of tree construction at ``offset``.
    """

    __slots__ = ("_raw", "_script", "lost", "nested", "offset", "tree")

    def __init__(self, tree: Tree, offset: int = 0, *, nested: bool = False) -> None:
        self.tree = tree
        self.offset = offset
        self.nested = nested
        #: The element whose raw text is being passed, or empty.
        self._raw = b""
        self._script = ScriptEnd()
        #: Whether a construct was too long to be kept until the tree could read it.
        self.lost = False

    def copy(self, **dialect: bool) -> Follower:
        """Return a copy for a narrower dialect."""
        twin = Follower(self.tree.copy(), self.offset, nested=self.nested)
        twin._raw, twin.lost = self._raw, self.lost
        twin._script = self._script.copy()
        twin.tree.dialect = self.tree.dialect._replace(**dialect)
        return twin

    def split(self, field: str) -> list[Follower]:
        """Return a copy for each value of a field of the dialect; scripting on and new parsers come first."""
        first = field == "scripting"
        return [self.copy(**{field: first}), self.copy(**{field: not first})]

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
        tree = self.tree
        field = ""
        while position < size and not field:
            if self._raw:
                position = self._pass_raw(data, position)
                if self._raw:
                    break
                continue
            if tree.in_foreign and data.startswith(CDATA_START, position):
                end = data.find(b"]]>", position)
                if end < 0:
                    break
                follow_text(tree, data[position + len(CDATA_START) : end], references=False)
                position = end + 3
                continue
            found = PIECE.match(data, position)
            if found is None or (found.end() == size and not complete and OPEN_REFERENCE.search(found.group())):
                break
            field = self._take(found)
            if not field:
                self.lost = self.lost or found.end() - position > MOST_HISTORY
                position = found.end()
        self.offset = base + position
        return field

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
            if start_tag(tree, TagToken(name, found.group(), _closes_itself(found))) == HTML:
                self._begin_raw(name)
        elif kind == 4:
            doctype(tree, quirks=False)
        if begins and tree.mode != "initial":
            tree.quirks = bool(quirks)
        return ""

    def skip(self, offset: int) -> None:
        """Give up on the bytes before ``offset`` that have not been read."""
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


class Surroundings:
    """
    The trees of one reading, one for each dialect that differs.

    Args:
        history: The bytes of the page that have been passed.
        nested: Whether this is a document in an attribute, which may have no quirks even without a DOCTYPE.
    """

    def __init__(self, history: History, followers: list[Follower] | None = None, *, nested: bool = False) -> None:
        self._history = history
        self._nested = nested
        # Created on first use, since most pages never need a tree.
        self._followers = followers
        #: Whether the trees follow the reading tag by tag.
        self.live = False

    @property
    def followers(self) -> list[Follower]:
        """The trees, each with its position."""
        if self._followers is None:
            self._followers = [Follower(new_tree(Dialect()), nested=self._nested)]
        return self._followers

    @followers.setter
    def followers(self, followers: list[Follower]) -> None:
        self._followers = followers

    def copy(self) -> Surroundings:
        """Return a copy for another reading."""
        twin = Surroundings(self._history, [follower.copy() for follower in self.followers])
        twin.live = self.live
        return twin

    def may_run_scripts(self, scripting: bool) -> bool:
        """Return whether this covers browsers with scripts on, or off."""
        return any(follower.tree.dialect.scripting in (None, scripting) for follower in self.followers)

    def restrict(self, *, scripting: bool) -> None:
        """Cover only browsers with scripts on, or off."""
        for follower in self.followers:
            if follower.tree.dialect.scripting is None:
                follower.tree.dialect = follower.tree.dialect._replace(scripting=scripting)
        self.followers = [one for one in self.followers if one.tree.dialect.scripting is scripting]

    @property
    def tree(self) -> Tree:
        """The tree of the first dialect."""
        return self.followers[0].tree

    # -- catching up

    def go_live(self, offset: int) -> None:
        """
        Let the trees read the page up to the tag at ``offset``, and follow it tag by tag from there.

        Raises:
            RefusedMarkup: if the page up to ``offset`` is too long or too irregular to be read by a tree.
        """
        if self.live:
            return
        waiting, done = self.followers, []
        while waiting:
            follower = waiting.pop()
            data = self._history.since(follower.offset, offset)
            field = follower.read(data, follower.offset)
            if field:
                waiting += follower.split(field)
            elif follower.offset != offset or not follower.between_tags or follower.lost:
                raise RefusedMarkup("the page is too long or too irregular to determine which elements are open")
            else:
                done.append(follower)
        self.followers = done
        self.merge()
        self.live = True

    def fold(self, end: int) -> None:
        """Read up to ``end``, so that fewer bytes of the page must be kept; give up on what is too long."""
        waiting, done = self.followers, []
        while waiting:
            follower = waiting.pop()
            data = self._history.since(follower.offset, end)
            field = follower.read(data, follower.offset, complete=False)
            if field:
                waiting += follower.split(field)
                continue
            if end - follower.offset > MOST_HISTORY:
                follower.skip(end)
            done.append(follower)
        self.followers = done

    def join(self, other: Surroundings) -> None:
        """Cover the dialects of ``other`` as well, which has reached the same place."""
        mine = [follower.tree.dialect for follower in self.followers]
        # The state of a tree depends only on the bytes and its dialect, so one tree for each dialect is enough.
        self.followers += [one for one in other.followers if not any(_covers(d, one.tree.dialect) for d in mine)]

    def settle(self, offset: int) -> None:
        """Stop at ``offset``, since plain HTML content follows."""
        self.merge()
        self.live = False
        for follower in self.followers:
            follower.offset = offset

    @property
    def offset(self) -> int:
        """Offset in the page up to which all trees have read."""
        return min(follower.offset for follower in self.followers)

    def merge(self) -> None:
        """Merge trees that will read the rest of the page alike."""
        if len(self.followers) < 2:
            return
        kept: dict[Hashable, Follower] = {}
        for follower in self.followers:
            twin = kept.setdefault(follower.tree.state(), follower)
            if twin is not follower:
                one, other = twin.tree.dialect, follower.tree.dialect
                twin.tree.dialect = Dialect(*(a if a is b else None for a, b in zip(one, other, strict=True)))
        self.followers = list(kept.values())

    # -- following tag by tag

    def determine(self, name: bytes) -> None:
        """Split the trees if this start tag makes a difference between dialects matter."""
        told: list[Follower] = []
        for follower in self.followers:
            field = follower.undetermined(name)
            told += follower.split(field) if field else [follower]
        self.followers = told

    def start_tag(self, token: TagToken) -> list[tuple[bytes, list[Follower]]]:
        """Process a start tag; return the trees in groups, each with the namespace of the element that is opened."""
        self.determine(token.name)
        noscript = token.name == b"noscript"
        return self._grouped(
            lambda tree: start_tag(tree, token) + (b" raw" if noscript and tree.dialect.scripting else b"")
        )

    def end_tag(self, name: bytes) -> list[tuple[bytes, list[Follower]]]:
        """Process an end tag; return the trees in groups that agree on what follows."""
        token = TagToken(name)

        def process(tree: Tree) -> bytes:
            end_tag(tree, token)
            return b""

        return self._grouped(process)

    def text(self, text: bytes) -> None:
        """Process the bytes between two tags: text, comments and bogus comments."""
        for follower in self.followers:
            tree = follower.tree
            position = 0
            while position < len(text):
                if tree.in_foreign and text.startswith(CDATA_START, position):
                    end = text.find(b"]]>", position)
                    end = len(text) if end < 0 else end
                    follow_text(tree, text[position + len(CDATA_START) : end], references=False)
                    position = end + 3
                    continue
                found = PIECE.match(text, position)
                if found is None:
                    break
                if found.lastindex == 1:
                    follow_text(tree, found.group())
                position = found.end()

    def section(self, text: bytes) -> None:
        """Process the text of a CDATA section."""
        for follower in self.followers:
            follow_text(follower.tree, text, references=False)

    @property
    def in_foreign(self) -> bool:
        """Whether a CDATA section may start here; the trees agree."""
        return self.followers[0].tree.in_foreign

    def is_foreign(self, token: TagToken) -> bool:
        """Return whether a start tag opens a foreign element; the trees agree on the place."""
        return any(opens_foreign(follower.tree, token) for follower in self.followers)

    def is_calm(self) -> bool:
        """Return whether plain HTML content can be read without consulting the trees."""
        return all(_is_calm(follower.tree) for follower in self.followers)

    def _grouped(self, process: Callable[[Tree], bytes]) -> list[tuple[bytes, list[Follower]]]:
        groups: dict[tuple[bytes, bool, int], list[Follower]] = {}
        for follower in self.followers:
            tree = follower.tree
            opened = process(tree)
            groups.setdefault((opened, tree.in_foreign, len(tree.template_modes)), []).append(follower)
        return [(key[0], followers) for key, followers in groups.items()]


def opens_foreign(tree: Tree, token: TagToken) -> bool:
    """Return whether a start tag in foreign content opens a foreign element."""
    return not tree.takes_as_html(token) and not breaks_out(token)


def _covers(dialect: Dialect, other: Dialect) -> bool:
    return all(mine is None or mine is theirs for mine, theirs in zip(dialect, other, strict=True))


def _is_calm(tree: Tree) -> bool:
    if tree.in_foreign or tree.mode in _NOT_CALM or "in column group" in tree.template_modes:
        return False
    tree.count(len(tree.stack) // 8)
    old_select = tree.dialect.old_select is not False
    return not any(
        node.namespace != HTML or (old_select and node.name == b"select" and node.namespace == HTML)
        for node in tree.stack
    )


def _closes_itself(found: re.Match[bytes]) -> bool:
    return found.group().endswith(b"/>") and self_closing(found)


def follow_text(tree: Tree, text: bytes, *, references: bool = True) -> None:
    """Process a piece of text: its white space, its NULs, and the rest."""
    rest = text.strip(_WHITE)
    if references and b"&" in rest:
        if LONG_REFERENCE.search(rest):
            raise RefusedMarkup("a character reference is longer than any that is waited for")
        # Only an ASCII letter of a reference can be white space, whatever the page's charset.
        rest = unescape_text(rest.decode("latin-1")).encode("utf-8", "replace").strip(_WHITE)
    if len(rest) < len(text):
        characters(tree, Characters.SPACE)
    plain = rest.replace(b"\0", b"")
    if len(plain) < len(rest):
        characters(tree, Characters.NUL)
    if plain.strip(_WHITE):
        characters(tree, Characters.TEXT)


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
