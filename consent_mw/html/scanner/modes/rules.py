"""The type of an insertion mode, the table of all modes, and the dispatch to the current one."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree


class Characters(IntEnum):
    """The kind of characters in a run of text."""

    SPACE = 0
    NUL = 1
    TEXT = 2


class Rules(NamedTuple):
    """The functions of an insertion mode, one for each kind of token."""

    start: Callable[[Tree, TagToken], bytes]
    end: Callable[[Tree, TagToken], None]
    text: Callable[[Tree, Characters], None]


#: The rules of each insertion mode, by name; filled by the package from its modules.
RULES: dict[str, Rules] = {}

HEAD_CONTENT = frozenset(b"base basefont bgsound link meta noframes script style template title".split())
TABLE_BODIES = frozenset(b"tbody tfoot thead".split())
CELLS = frozenset({b"td", b"th"})


def start_by_mode(tree: Tree, token: TagToken) -> bytes:
    """Process a start tag by the rules of the current insertion mode."""
    return RULES[tree.mode].start(tree, token)


def end_by_mode(tree: Tree, token: TagToken) -> None:
    """Process an end tag by the rules of the current insertion mode."""
    RULES[tree.mode].end(tree, token)


def text_by_mode(tree: Tree, text: Characters) -> None:
    """Process characters by the rules of the current insertion mode."""
    RULES[tree.mode].text(tree, text)


def start_in(mode: str, tree: Tree, token: TagToken) -> bytes:
    """Process a start tag by the rules of a mode other than the current one."""
    return RULES[mode].start(tree, token)


def no_text(tree: Tree, text: Characters) -> None:
    """Insert the characters, which does not change the open elements."""


def reset_mode(tree: Tree) -> None:
    """https://html.spec.whatwg.org/#reset-the-insertion-mode-appropriately"""
    tree.mode = _mode_for(tree)


_MODES = {
    b"tr": "in row",
    **dict.fromkeys(TABLE_BODIES, "in table body"),
    b"caption": "in caption",
    b"colgroup": "in column group",
    b"table": "in table",
    b"body": "in body",
    b"frameset": "in frameset",
}


def _mode_for(tree: Tree) -> str:
    stack = tree.stack
    for place in range(len(stack) - 1, 0, -1):
        node = stack[place]
        tree.count(1)
        if node.namespace != HTML:
            continue
        name = node.name
        if name == b"select" and tree.dialect.old_select:
            around = next((e.name for e in reversed(stack[:place]) if e.name in (b"template", b"table")), b"")
            return "in select in table" if around == b"table" else "in select"
        if name in CELLS:
            return "in cell"
        if name == b"template":
            return tree.template_modes[-1]
        if name == b"head":
            return "in head"
        if name in _MODES:
            return _MODES[name]
    return "before head" if tree.head is None else "after head"
