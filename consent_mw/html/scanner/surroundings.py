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

from collections.abc import Callable
from collections.abc import Hashable
from typing import Protocol

from consent_mw.errors import RefusedMarkup
from consent_mw.html.scanner.follower import MOST_HISTORY
from consent_mw.html.scanner.follower import Follower
from consent_mw.html.scanner.follower import follow_text
from consent_mw.html.scanner.modes import end_tag
from consent_mw.html.scanner.modes import new_tree
from consent_mw.html.scanner.modes import start_tag
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import Dialect
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree
from consent_mw.html.scanner.tree import breaks_out
from consent_mw.html.tokens import CDATA_START
from consent_mw.html.tokens import PIECE

#: Modes in which tags are dropped.
_DROPPING = frozenset({"in frameset", "after frameset", "after after frameset", "in select", "in select in table"})
#: Modes that are not calm (see :meth:`Surroundings.is_calm`): in raw text the tree waits for the end tag.
_NOT_CALM = _DROPPING | {"text"}
#: The bytes that a tree is given at once, when it reads ahead of need.
_SLICE = 256 * 1024


class History(Protocol):
    """The bytes of the page that some tree may still have to read."""

    def since(self, offset: int, end: int) -> bytes:
        """Return the bytes from ``offset`` of the page to ``end``."""


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
        if self._followers is None:
            return True
        return any(follower.tree.dialect.scripting in (None, scripting) for follower in self._followers)

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
            field = self._fold(follower, end)
            if field:
                waiting += follower.split(field)
                continue
            if end - follower.offset > MOST_HISTORY:
                follower.skip(end)
            done.append(follower)
        self.followers = done

    def _fold(self, follower: Follower, end: int) -> str:
        """Let a tree read up to ``end`` in slices, which grow with long constructs; return the field to split by."""
        size = _SLICE
        while follower.offset < end:
            start = follower.offset
            stop = min(end, start + size)
            field = follower.read(self._history.since(start, stop), start, complete=False)
            if field:
                return field
            if follower.offset == start:
                if stop == end:
                    break
                size *= 2
        return ""

    def end(self) -> None:
        """Drop the references by which the trees form cycles."""
        for follower in self._followers or ():
            follower.end()

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
        split: list[Follower] = []
        for follower in self.followers:
            field = follower.undetermined(name)
            split += follower.split(field) if field else [follower]
        self.followers = split

    def start_tag(self, token: TagToken) -> list[tuple[bytes, list[Follower]]]:
        """Process a start tag; return the trees in groups, each with the namespace of the element that is opened."""
        self.determine(token.name)
        # A noscript element opens in the same namespace with scripts on and off, but its content is read differently:
        # the suffix keeps these trees in separate groups.
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
        """Apply ``process`` to each tree; return the trees in groups with equal results, which read on alike."""
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
    """Return whether a dialect includes another one: each field is equal or still undetermined."""
    return all(mine is None or mine is theirs for mine, theirs in zip(dialect, other, strict=True))


def _is_calm(tree: Tree) -> bool:
    """Return whether no tag of plain HTML content depends on what is open in a tree."""
    if tree.in_foreign or tree.mode in _NOT_CALM or "in column group" in tree.template_modes:
        return False
    # The walk over the stack below counts as work, so that deep nesting cannot make it quadratic.
    tree.count(len(tree.stack) // 8)
    old_select = tree.dialect.old_select is not False
    return not any(
        node.namespace != HTML or (old_select and node.name == b"select" and node.namespace == HTML)
        for node in tree.stack
    )
