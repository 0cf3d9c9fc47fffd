"""The insertion modes from "initial" to "after head"."""

from __future__ import annotations

from consent_mw.html.scanner.modes.rules import HEAD_CONTENT
from consent_mw.html.scanner.modes.rules import Characters
from consent_mw.html.scanner.modes.rules import Rules
from consent_mw.html.scanner.modes.rules import end_by_mode
from consent_mw.html.scanner.modes.rules import reset_mode
from consent_mw.html.scanner.modes.rules import start_by_mode
from consent_mw.html.scanner.modes.rules import start_in
from consent_mw.html.scanner.modes.rules import text_by_mode
from consent_mw.html.scanner.tree import DROPPED
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import THOROUGHLY_IMPLIED
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree

_HEAD_VOID = frozenset(b"base basefont bgsound link meta".split())


# -- https://html.spec.whatwg.org/#the-initial-insertion-mode


def _initial_start(tree: Tree, token: TagToken) -> bytes:
    _no_doctype(tree)
    return start_by_mode(tree, token)


def _initial_end(tree: Tree, token: TagToken) -> None:
    _no_doctype(tree)
    end_by_mode(tree, token)


def _initial_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        _no_doctype(tree)
        text_by_mode(tree, text)


def _no_doctype(tree: Tree) -> None:
    tree.quirks = True
    tree.mode = "before html"


# -- https://html.spec.whatwg.org/#the-before-html-insertion-mode


def _before_html_start(tree: Tree, token: TagToken) -> bytes:
    tree.push(b"html")
    tree.mode = "before head"
    return HTML if token.name == b"html" else start_by_mode(tree, token)


def _before_html_end(tree: Tree, token: TagToken) -> None:
    if token.name in (b"head", b"body", b"html", b"br"):
        tree.push(b"html")
        tree.mode = "before head"
        end_by_mode(tree, token)


def _before_html_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        tree.push(b"html")
        tree.mode = "before head"
        text_by_mode(tree, text)


# -- https://html.spec.whatwg.org/#the-before-head-insertion-mode


def _open_head(tree: Tree) -> None:
    tree.head = tree.push(b"head")
    tree.mode = "in head"


def _before_head_start(tree: Tree, token: TagToken) -> bytes:
    if token.name == b"html":
        return start_in("in body", tree, token)
    _open_head(tree)
    return HTML if token.name == b"head" else start_by_mode(tree, token)


def _before_head_end(tree: Tree, token: TagToken) -> None:
    if token.name in (b"head", b"body", b"html", b"br"):
        _open_head(tree)
        end_by_mode(tree, token)


def _before_head_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        _open_head(tree)
        text_by_mode(tree, text)


# -- https://html.spec.whatwg.org/#parsing-main-inhead


def in_head_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"html":
        return start_in("in body", tree, token)
    if name in _HEAD_VOID:
        return HTML
    if name in (b"title", b"noframes", b"style", b"script") or (name == b"noscript" and tree.dialect.scripting):
        return begin_text(tree, token)
    if name == b"noscript":
        tree.push(name)
        tree.mode = "in head noscript"
        return HTML
    if name == b"template":
        tree.push(name)
        tree.formatting.append(None)
        tree.frameset_ok = False
        tree.mode = "in template"
        tree.template_modes.append("in template")
        return HTML
    if name == b"head":
        return DROPPED
    _close_head(tree)
    return start_by_mode(tree, token)


def _close_head(tree: Tree) -> None:
    tree.stack.pop()
    tree.mode = "after head"


def in_head_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"head":
        _close_head(tree)
    elif name in (b"body", b"html", b"br"):
        _close_head(tree)
        end_by_mode(tree, token)
    elif name == b"template" and tree.has_template():
        tree.generate_implied_end_tags(implied=THOROUGHLY_IMPLIED)
        tree.pop_until(b"template")
        tree.clear_to_marker()
        tree.template_modes.pop()
        reset_mode(tree)


def _in_head_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        _close_head(tree)
        text_by_mode(tree, text)


def begin_text(tree: Tree, token: TagToken) -> bytes:
    """Follow the generic raw text or RCDATA element parsing algorithm."""
    tree.push(token.name)
    tree.original_mode = tree.mode
    tree.mode = "text"
    return HTML


# -- https://html.spec.whatwg.org/#parsing-main-inheadnoscript


def _in_head_noscript_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"html":
        return start_in("in body", tree, token)
    if name in (b"basefont", b"bgsound", b"link", b"meta", b"noframes", b"style"):
        return in_head_start(tree, token)
    if name in (b"head", b"noscript"):
        return DROPPED
    _close_head_noscript(tree)
    return start_by_mode(tree, token)


def _in_head_noscript_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"noscript":
        _close_head_noscript(tree)
    elif token.name == b"br":
        _close_head_noscript(tree)
        end_by_mode(tree, token)


def _in_head_noscript_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        _close_head_noscript(tree)
        text_by_mode(tree, text)


def _close_head_noscript(tree: Tree) -> None:
    tree.stack.pop()
    tree.mode = "in head"


# -- https://html.spec.whatwg.org/#the-after-head-insertion-mode


def _after_head_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"html":
        return start_in("in body", tree, token)
    if name == b"body":
        tree.push(name)
        tree.frameset_ok = False
        tree.mode = "in body"
        return HTML
    if name == b"frameset":
        tree.push(name)
        tree.mode = "in frameset"
        return HTML
    if name in HEAD_CONTENT and tree.head is not None:
        tree.stack.append(tree.head)
        opened = in_head_start(tree, token)
        tree.stack.remove(tree.head)
        return opened
    if name == b"head":
        return DROPPED
    _open_body(tree)
    return start_by_mode(tree, token)


def _after_head_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"template":
        in_head_end(tree, token)
    elif token.name in (b"body", b"html", b"br"):
        _open_body(tree)
        end_by_mode(tree, token)


def _after_head_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        _open_body(tree)
        text_by_mode(tree, text)


def _open_body(tree: Tree) -> None:
    tree.push(b"body")
    tree.mode = "in body"


#: The rules by the name of the mode.
MODES = {
    "initial": Rules(_initial_start, _initial_end, _initial_text),
    "before html": Rules(_before_html_start, _before_html_end, _before_html_text),
    "before head": Rules(_before_head_start, _before_head_end, _before_head_text),
    "in head": Rules(in_head_start, in_head_end, _in_head_text),
    "in head noscript": Rules(_in_head_noscript_start, _in_head_noscript_end, _in_head_noscript_text),
    "after head": Rules(_after_head_start, _after_head_end, _after_head_text),
}
