"""Followers with and without known steps, for comparison: the tests, the fuzz target and the sanitizers use them."""

from __future__ import annotations

import random
from unittest.mock import patch

from consent_mw.errors import RefusedMarkup
from consent_mw.html import scan
from consent_mw.html.scanner.follower import Follower
from consent_mw.html.scanner.known_steps import KnownSteps
from consent_mw.html.scanner.known_steps import StepBounds
from consent_mw.html.scanner.known_steps import follow_in_python
from consent_mw.html.scanner.modes import new_tree
from consent_mw.html.scanner.tree import Dialect
from consent_mw.html.scanner.tree import Tree

NAMES = (  # noqa: SIM905 -- a list of names reads best as one
    "p b i a nobr div span li ul dd h1 form button table tr td th caption col colgroup tbody select option optgroup svg"
    " math desc title foreignobject mi mo mtext annotation-xml mglyph g path template object applet ruby rt hr br input"
    " font image em body frameset style xmp textarea"
).split()
_EXTRAS = [
    "",
    "",
    "",
    " class=x",
    " class=y",
    " type=hidden",
    " color=red",
    " encoding=text/html",
    " t='>'",
    "/",
    " t=/",
]
_TEXTS = ["x", " ", "\n", " x ", "&nbsp;", "&#32;", "a & b", "\0", "<!--c-->", "<!-->", "<![CDATA[x]]>", "<", "<?x>"]


def repetitive_page(chosen: random.Random) -> bytes:
    """Return a page that repeats a few pieces of markup."""
    names = chosen.sample([*NAMES, "script", "a", "b", "x" * 64, "y" * 65], chosen.randint(2, 8))
    pieces = []
    for _ in range(chosen.randint(2, 10)):
        name = chosen.choice(names)
        start, end = f"<{name}{chosen.choice(_EXTRAS)}>", f"</{name}{chosen.choice(['', '', ' ', ' x=y'])}>"
        pieces.append(chosen.choice([start, start + end, end, start + "x" + end, chosen.choice(_TEXTS)]))
    page = "".join(chosen.choice(pieces) for _ in range(chosen.randint(10, 120)))
    return (chosen.choice(["<!doctype html>", ""]) + page).encode()


class NoSteps(KnownSteps):
    """Knows no steps."""

    def state_of(self, tree: Tree) -> None:
        """Return none."""


def followed(page: bytes, cut: int, known: KnownSteps) -> list[object]:
    """Return the state of each tree after a page that came in two parts, the work that was counted, and the place."""
    waiting = [Follower(new_tree(Dialect()), known=known)]
    done: list[object] = []
    while waiting:
        follower = waiting.pop()
        try:
            field = follower.read(page[follower.offset : cut], follower.offset, complete=False)
            field = field or follower.read(page[follower.offset :], follower.offset, complete=False)
        except RefusedMarkup:
            done.append("refused")
            continue
        if field:
            waiting += follower.split(field)
            continue
        tree = follower.tree
        for link in [one for one in tree.formatting if one is not None and one.name == b"a"]:
            tree.anonymise(link)
        where = follower.offset, follower.between_tags, follower.lost
        done.append((tree.key(), tree.dialect, tree.steps, tree.tokens, where))
    return done


def check(page: bytes, cut: int) -> None:
    """Assert that known steps, in C and in Python, lead where the tree goes."""
    own = followed(page, cut, NoSteps())
    assert followed(page, cut, KnownSteps()) == own
    with patch("consent_mw.html.scanner.follower.pass_known", follow_in_python):
        assert followed(page, cut, KnownSteps()) == own
    few = patch("consent_mw.html.scanner.known_steps._MOST_KEPT", 60)
    poor = patch("consent_mw.html.scanner.known_steps._FIRST_CREDIT", 60)
    with few, poor:
        assert followed(page, cut, KnownSteps()) == own


def follow_from_all(buffer: memoryview | bytes) -> int:
    """
    Assert that the scanner in C follows a page from each state that a tree is in as Python does.

    Returns:
        The number of states.
    """
    page = bytes(buffer)
    known = KnownSteps()
    followed(page, 0, known)
    states = list(known._states.values())
    for state in states:
        for start, longest, allowance in ((0, len(page), 10_000), (len(page) // 2, 8, 10_000), (0, len(page), 3)):
            bounds = StepBounds(longest, allowance, 2)
            ours = follow_in_python(page, start, state, bounds)
            if scan.follow is not None:
                theirs = scan.follow(buffer, start, state, bounds)
                place = page[start:], bounds
                assert (ours[0], ours[2], ours[3]) == (theirs[0], theirs[2], theirs[3]), place
                assert ours[1] is theirs[1], place
    return len(states)
