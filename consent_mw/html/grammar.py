"""
The parts of markup as patterns: names, attributes, comments, and what else is between tags.

The patterns of :mod:`consent_mw.html.tokens`, :mod:`consent_mw.html.syntax` and :mod:`consent_mw.html.chunks` are made
of these. They are texts, not compiled patterns. All repeats are possessive (``*+``), so none of them backtracks and
each is linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable


def either_case(text: str) -> str:
    """Return a pattern that matches ``text`` in upper, lower or mixed case."""
    return "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else re.escape(c) for c in text)


#: The name of an element or an attribute, after its first letter. White space is listed wherever it occurs, because
#: ``\\s`` would include the vertical tab.
NAME = rb"[^ \t\n\r\f/>]*+"

#: An attribute's value after "=": quoted, unquoted, or missing before ">".
VALUE = rb"(?:\"[^\"]*+\"|'[^']*+'|[^ \t\n\r\f\"'>][^ \t\n\r\f>]*+|(?=>))"
#: An initial "=" is part of the name (before attribute name state). A value without an end fails the whole tag.
NAME_AND_VALUE = rb"[^ \t\n\r\f/>=]*+(?:=\"[^\"]*+\"|[ \t\n\r\f]*+=[ \t\n\r\f]*+" + VALUE + rb"|(?![ \t\n\r\f]*+=))"
ATTRIBUTE = rb"[^ \t\n\r\f/>]" + NAME_AND_VALUE
#: Before 3.11.5, Python does not step back out of a possessive group that fails halfway (CPython issue 106052). A last
#: branch that always fails works around this, and is faster than an atomic group around a plain repeat.
BACK = rb"|(?!)"
ATTRIBUTES = rb"(?:[ \t\n\r\f/]++|" + ATTRIBUTE + BACK + rb")*+"

COMMENT = rb"<!--(?:-?>|(?:[^-]++|-(?!-!?>)" + BACK + rb")*+--!?>)"
#: Bogus comments and doctypes end at the first ">", even inside quotes.
BOGUS = rb"<!(?!--)[^>]*+>|<\?[^>]*+>|</[^a-zA-Z>][^>]*+>|</>"
#: A "<" that is text, since nothing that may follow it starts a tag.
NO_TAG = rb"<(?=[^a-zA-Z!/?])"
#: Bogus comments in foreign content, in which "<![CDATA[" starts a section.
BOGUS_FOREIGN = rb"<!(?!--|\[CDATA\[)[^>]*+>|<\?[^>]*+>|</[^a-zA-Z>][^>]*+>|</>"

#: Markup between tags, other than text.
BETWEEN = COMMENT + rb"|" + BOGUS


def trie(words: Iterable[str], letter: Callable[[str], str] = either_case) -> str:
    """Return a pattern that matches any of ``words``, branching letter by letter."""
    tree: dict[str, dict[str, object]] = {}
    for word in words:
        node: dict[str, object] = tree  # type: ignore[assignment]
        for char in word:
            node = node.setdefault(char, {})  # type: ignore[assignment]
        node[""] = {}

    def pattern(node: dict[str, object]) -> str:
        branches = [letter(char) + pattern(sub) for char, sub in node.items() if char]  # type: ignore[arg-type]
        if not branches:
            return ""
        text = branches[0] if len(branches) == 1 and "" not in node else "(?:" + "|".join(branches) + ")"
        return text + ("?" if "" in node else "")

    return pattern(tree)  # type: ignore[arg-type]
