"""The insertion modes of tables and their parts."""

from __future__ import annotations

from consent_mw.html.scanner.modes.body import in_body_end
from consent_mw.html.scanner.modes.body import in_body_start
from consent_mw.html.scanner.modes.body import in_body_text
from consent_mw.html.scanner.modes.head import in_head_end
from consent_mw.html.scanner.modes.head import in_head_start
from consent_mw.html.scanner.modes.rules import CELLS
from consent_mw.html.scanner.modes.rules import TABLE_BODIES
from consent_mw.html.scanner.modes.rules import Characters
from consent_mw.html.scanner.modes.rules import Rules
from consent_mw.html.scanner.modes.rules import end_by_mode
from consent_mw.html.scanner.modes.rules import reset_mode
from consent_mw.html.scanner.modes.rules import start_by_mode
from consent_mw.html.scanner.modes.rules import text_by_mode
from consent_mw.html.scanner.tree import DROPPED
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree

_TABLE_PARTS = frozenset(b"caption col colgroup tbody td tfoot th thead tr".split())


# -- https://html.spec.whatwg.org/#parsing-main-intable


def _in_table_text(tree: Tree, text: Characters) -> None:
    if not tree.is_current(b"table", b"template", *TABLE_BODIES, b"tr") or text is Characters.TEXT:
        in_body_text(tree, text)


def _in_table_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"caption":
        tree.clear_back_to(b"table")
        tree.formatting.append(None)
        tree.push(name)
        tree.mode = "in caption"
        return HTML
    if name in (b"colgroup", b"col"):
        tree.clear_back_to(b"table")
        tree.push(b"colgroup")
        tree.mode = "in column group"
        return HTML
    if name in TABLE_BODIES or name == b"tr" or name in CELLS:
        tree.clear_back_to(b"table")
        tree.push(name if name in TABLE_BODIES else b"tbody")
        tree.mode = "in table body"
        return HTML if name in TABLE_BODIES else start_by_mode(tree, token)
    if name == b"table":
        if not tree.in_table_scope(name):
            return DROPPED
        _end_table(tree)
        return start_by_mode(tree, token)
    if name in (b"style", b"script", b"template"):
        return in_head_start(tree, token)
    if name == b"input" and token.value(b"type") == b"hidden":
        return HTML
    if name == b"form":
        if tree.has_template() or tree.form is not None:
            return DROPPED
        tree.form = tree.push(name)
        tree.stack.pop()
        return HTML
    return in_body_start(tree, token)


def _end_table(tree: Tree) -> None:
    tree.pop_until(b"table")
    reset_mode(tree)


def _in_table_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"table":
        if tree.in_table_scope(name):
            _end_table(tree)
    elif name in _TABLE_PARTS or name in (b"body", b"html"):
        return
    elif name == b"template":
        in_head_end(tree, token)
    else:
        in_body_end(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-incaption


def _close_caption(tree: Tree) -> bool:
    if not tree.in_table_scope(b"caption"):
        return False
    tree.generate_implied_end_tags()
    tree.pop_until(b"caption")
    tree.clear_to_marker()
    tree.mode = "in table"
    return True


def _in_caption_start(tree: Tree, token: TagToken) -> bytes:
    if token.name in _TABLE_PARTS:
        return start_by_mode(tree, token) if _close_caption(tree) else DROPPED
    return in_body_start(tree, token)


def _in_caption_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"caption":
        _close_caption(tree)
    elif name == b"table":
        if _close_caption(tree):
            end_by_mode(tree, token)
    elif name not in _TABLE_PARTS and name not in (b"body", b"html"):
        in_body_end(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-incolgroup


def _close_column_group(tree: Tree) -> bool:
    if not tree.is_current(b"colgroup"):
        return False
    tree.stack.pop()
    tree.mode = "in table"
    return True


def _in_column_group_start(tree: Tree, token: TagToken) -> bytes:
    if token.name == b"html":
        return in_body_start(tree, token)
    if token.name == b"col":
        return HTML
    if token.name == b"template":
        return in_head_start(tree, token)
    return start_by_mode(tree, token) if _close_column_group(tree) else DROPPED


def _in_column_group_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"colgroup":
        _close_column_group(tree)
    elif token.name == b"template":
        in_head_end(tree, token)
    elif token.name != b"col" and _close_column_group(tree):
        end_by_mode(tree, token)


def _in_column_group_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE and _close_column_group(tree):
        text_by_mode(tree, text)


# -- https://html.spec.whatwg.org/#parsing-main-intbody


def _in_table_body_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"tr" or name in CELLS:
        tree.clear_back_to(*TABLE_BODIES)
        tree.push(b"tr")
        tree.mode = "in row"
        return HTML if name == b"tr" else start_by_mode(tree, token)
    if name in _TABLE_PARTS:
        return start_by_mode(tree, token) if _close_table_body(tree) else DROPPED
    return _in_table_start(tree, token)


def _close_table_body(tree: Tree) -> bool:
    if not tree.in_table_scope(*TABLE_BODIES):
        return False
    tree.clear_back_to(*TABLE_BODIES)
    tree.stack.pop()
    tree.mode = "in table"
    return True


def _in_table_body_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name in TABLE_BODIES:
        if tree.in_table_scope(name):
            _close_table_body(tree)
    elif name == b"table":
        if _close_table_body(tree):
            end_by_mode(tree, token)
    elif name not in _TABLE_PARTS and name not in (b"body", b"html"):
        _in_table_end(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-intr


def _close_row(tree: Tree) -> bool:
    if not tree.in_table_scope(b"tr"):
        return False
    tree.clear_back_to(b"tr")
    tree.stack.pop()
    tree.mode = "in table body"
    return True


def _in_row_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name in CELLS:
        tree.clear_back_to(b"tr")
        tree.push(name)
        tree.mode = "in cell"
        tree.formatting.append(None)
        return HTML
    if name in _TABLE_PARTS:
        return start_by_mode(tree, token) if _close_row(tree) else DROPPED
    return _in_table_start(tree, token)


def _in_row_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"tr":
        _close_row(tree)
    elif name == b"table":
        if _close_row(tree):
            end_by_mode(tree, token)
    elif name in TABLE_BODIES:
        if tree.in_table_scope(name) and _close_row(tree):
            end_by_mode(tree, token)
    elif name not in _TABLE_PARTS and name not in (b"body", b"html"):
        _in_table_end(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-intd


def _close_cell(tree: Tree, *names: bytes) -> None:
    tree.generate_implied_end_tags()
    tree.pop_until(*names)
    tree.clear_to_marker()
    tree.mode = "in row"


def _in_cell_start(tree: Tree, token: TagToken) -> bytes:
    if token.name not in _TABLE_PARTS:
        return in_body_start(tree, token)
    if not tree.in_table_scope(*CELLS):
        return DROPPED
    _close_cell(tree, *CELLS)
    return start_by_mode(tree, token)


def _in_cell_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name in CELLS:
        if tree.in_table_scope(name):
            _close_cell(tree, name)
    elif name == b"table" or name in TABLE_BODIES or name == b"tr":
        if tree.in_table_scope(name):
            _close_cell(tree, *CELLS)
            end_by_mode(tree, token)
    elif name not in _TABLE_PARTS and name not in (b"body", b"html"):
        in_body_end(tree, token)


#: The rules by the name of the mode.
MODES = {
    "in table": Rules(_in_table_start, _in_table_end, _in_table_text),
    "in caption": Rules(_in_caption_start, _in_caption_end, in_body_text),
    "in column group": Rules(_in_column_group_start, _in_column_group_end, _in_column_group_text),
    "in table body": Rules(_in_table_body_start, _in_table_body_end, _in_table_text),
    "in row": Rules(_in_row_start, _in_row_end, _in_table_text),
    "in cell": Rules(_in_cell_start, _in_cell_end, in_body_text),
}
