"""
The insertion modes of tree construction: how each of them changes the open elements.

The standard has 23 insertion modes. Each is written here like its section of
https://html.spec.whatwg.org/multipage/parsing.html, in the same order and under
the same name, but without the steps that create nodes, keep text or report
errors. The modules follow the course of a document: :mod:`~.head`,
:mod:`~.body`, :mod:`~.table`, :mod:`~.select`, :mod:`~.outer`. Each one only
imports those before it.

A rule for a start tag returns the namespace of the element that the tag opens,
or :data:`~consent_mw.html.scanner.tree.DROPPED` if the tag is ignored.
"""

from __future__ import annotations

from consent_mw.html.scanner.modes import body
from consent_mw.html.scanner.modes import head
from consent_mw.html.scanner.modes import outer
from consent_mw.html.scanner.modes import select
from consent_mw.html.scanner.modes import table
from consent_mw.html.scanner.modes.rules import RULES
from consent_mw.html.scanner.modes.rules import Characters
from consent_mw.html.scanner.modes.rules import end_by_mode
from consent_mw.html.scanner.modes.rules import start_by_mode
from consent_mw.html.scanner.modes.rules import text_by_mode
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import Dialect
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree
from consent_mw.html.scanner.tree import breaks_out

for _module in (head, body, table, select, outer):
    RULES.update(_module.MODES)


# -- the tree construction dispatcher, https://html.spec.whatwg.org/#tree-construction-dispatcher


def start_tag(tree: Tree, token: TagToken) -> bytes:
    """
    Process a start tag.

    Returns:
        The namespace of the element that it opens, or ``DROPPED``.

    Raises:
        RefusedMarkup: if the page's nesting costs more than linear time.
    """
    tree.tokens += 1
    if tree.takes_as_html(token):
        return start_by_mode(tree, token)
    if breaks_out(token):
        tree.leave_foreign()
        return start_by_mode(tree, token)
    namespace = tree.current.namespace
    tree.insert_foreign(token, namespace)
    return namespace


def end_tag(tree: Tree, token: TagToken) -> None:
    """Process an end tag."""
    tree.tokens += 1
    if not tree.in_foreign:
        end_by_mode(tree, token)
        return
    if token.name in (b"br", b"p"):
        tree.leave_foreign()
        end_by_mode(tree, token)
        return
    for place in range(len(tree.stack) - 1, 0, -1):
        tree.count(1)
        node = tree.stack[place]
        if node.namespace == HTML:
            end_by_mode(tree, token)
            return
        if node.name == token.name:
            del tree.stack[place:]
            return


def characters(tree: Tree, text: Characters) -> None:
    """Process a run of characters of one kind."""
    current = tree.stack[-1] if tree.stack else None
    if current is None or current.namespace == HTML or current.html_point or current.math_point:
        text_by_mode(tree, text)
    elif text is Characters.TEXT:
        tree.frameset_ok = False


def doctype(tree: Tree, *, quirks: bool) -> None:
    """Process a DOCTYPE, https://html.spec.whatwg.org/#the-initial-insertion-mode"""
    if tree.mode == "initial":
        tree.quirks = quirks
        tree.mode = "before html"


def new_tree(dialect: Dialect) -> Tree:
    """Return the state at the beginning of a document."""
    return Tree("initial", dialect)
