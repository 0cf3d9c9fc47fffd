"""The insertion modes "in select" and "in select in table", which only old parsers have."""

from __future__ import annotations

from consent_mw.html.scanner.modes.body import in_body_start
from consent_mw.html.scanner.modes.head import in_head_end
from consent_mw.html.scanner.modes.head import in_head_start
from consent_mw.html.scanner.modes.rules import Rules
from consent_mw.html.scanner.modes.rules import end_by_mode
from consent_mw.html.scanner.modes.rules import no_text
from consent_mw.html.scanner.modes.rules import reset_mode
from consent_mw.html.scanner.modes.rules import start_by_mode
from consent_mw.html.scanner.tree import DROPPED
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree

# -- "in select" and "in select in table": old parsers only


def _in_select_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"html":
        return in_body_start(tree, token)
    if name in (b"option", b"optgroup", b"hr"):
        if tree.is_current(b"option"):
            tree.stack.pop()
        if name != b"option" and tree.is_current(b"optgroup"):
            tree.stack.pop()
        if name != b"hr":
            tree.push(name)
        return HTML
    if name in (b"select", b"input", b"keygen", b"textarea"):
        if not tree.in_select_scope():
            return DROPPED
        _end_select(tree)
        return DROPPED if name == b"select" else start_by_mode(tree, token)
    if name in (b"script", b"template"):
        return in_head_start(tree, token)
    return DROPPED


def _end_select(tree: Tree) -> None:
    tree.pop_until(b"select")
    reset_mode(tree)


def _in_select_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"optgroup":
        if tree.is_current(b"option") and len(tree.stack) > 1 and tree.stack[-2].name == b"optgroup":
            tree.stack.pop()
        if tree.is_current(b"optgroup"):
            tree.stack.pop()
    elif name == b"option":
        if tree.is_current(b"option"):
            tree.stack.pop()
    elif name == b"select":
        if tree.in_select_scope():
            _end_select(tree)
    elif name == b"template":
        in_head_end(tree, token)


_LEAVES_SELECT = frozenset(b"caption table tbody tfoot thead tr td th".split())


def _in_select_in_table_start(tree: Tree, token: TagToken) -> bytes:
    if token.name not in _LEAVES_SELECT:
        return _in_select_start(tree, token)
    _end_select(tree)
    return start_by_mode(tree, token)


def _in_select_in_table_end(tree: Tree, token: TagToken) -> None:
    if token.name not in _LEAVES_SELECT:
        _in_select_end(tree, token)
    elif tree.in_table_scope(token.name):
        _end_select(tree)
        end_by_mode(tree, token)


#: The rules by the name of the mode.
MODES = {
    "in select": Rules(_in_select_start, _in_select_end, no_text),
    "in select in table": Rules(_in_select_in_table_start, _in_select_in_table_end, no_text),
}
