"""The insertion modes of templates, of framesets, and of what follows the body."""

from __future__ import annotations

from consent_mw.html.scanner.modes.body import in_body_start
from consent_mw.html.scanner.modes.body import in_body_text
from consent_mw.html.scanner.modes.head import in_head_end
from consent_mw.html.scanner.modes.head import in_head_start
from consent_mw.html.scanner.modes.rules import CELLS
from consent_mw.html.scanner.modes.rules import HEAD_CONTENT
from consent_mw.html.scanner.modes.rules import TABLE_BODIES
from consent_mw.html.scanner.modes.rules import Characters
from consent_mw.html.scanner.modes.rules import Rules
from consent_mw.html.scanner.modes.rules import end_by_mode
from consent_mw.html.scanner.modes.rules import no_text
from consent_mw.html.scanner.modes.rules import start_by_mode
from consent_mw.html.scanner.modes.rules import text_by_mode
from consent_mw.html.scanner.tree import DROPPED
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree

# -- https://html.spec.whatwg.org/#parsing-main-intemplate

_TEMPLATE_MODES = {
    **dict.fromkeys((b"caption", b"colgroup", *TABLE_BODIES), "in table"),
    b"col": "in column group",
    b"tr": "in table body",
    **dict.fromkeys(CELLS, "in row"),
}


def _in_template_start(tree: Tree, token: TagToken) -> bytes:
    if token.name in HEAD_CONTENT:
        return in_head_start(tree, token)
    tree.mode = tree.template_modes[-1] = _TEMPLATE_MODES.get(token.name, "in body")
    return start_by_mode(tree, token)


def _in_template_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"template":
        in_head_end(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-afterbody


def _after_body_start(tree: Tree, token: TagToken) -> bytes:
    if token.name == b"html":
        return in_body_start(tree, token)
    tree.mode = "in body"
    return start_by_mode(tree, token)


def _after_body_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"html":
        tree.mode = "after after body"
        return
    tree.mode = "in body"
    end_by_mode(tree, token)


def _after_body_text(tree: Tree, text: Characters) -> None:
    if text is Characters.SPACE:
        in_body_text(tree, text)
        return
    tree.mode = "in body"
    text_by_mode(tree, text)


# -- https://html.spec.whatwg.org/#parsing-main-inframeset


def _in_frameset_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"html":
        return in_body_start(tree, token)
    if name == b"frameset":
        tree.push(name)
        return HTML
    if name == b"noframes":
        return in_head_start(tree, token)
    return HTML if name == b"frame" else DROPPED


def _in_frameset_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"frameset" and not tree.is_current(b"html"):
        tree.stack.pop()
        if not tree.is_current(b"frameset"):
            tree.mode = "after frameset"


# -- https://html.spec.whatwg.org/#parsing-main-afterframeset


def _after_frameset_start(tree: Tree, token: TagToken) -> bytes:
    if token.name == b"html":
        return in_body_start(tree, token)
    return in_head_start(tree, token) if token.name == b"noframes" else DROPPED


def _after_frameset_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"html":
        tree.mode = "after after frameset"


# -- https://html.spec.whatwg.org/#the-after-after-body-insertion-mode


def _after_after_body_end(tree: Tree, token: TagToken) -> None:
    tree.mode = "in body"
    end_by_mode(tree, token)


def _no_end(tree: Tree, token: TagToken) -> None:
    """Ignore the token."""


#: The rules by the name of the mode.
MODES = {
    "in template": Rules(_in_template_start, _in_template_end, in_body_text),
    "after body": Rules(_after_body_start, _after_body_end, _after_body_text),
    "in frameset": Rules(_in_frameset_start, _in_frameset_end, no_text),
    "after frameset": Rules(_after_frameset_start, _after_frameset_end, no_text),
    "after after body": Rules(_after_body_start, _after_after_body_end, _after_body_text),
    "after after frameset": Rules(_after_frameset_start, _no_end, no_text),
}
