"""
The functions that turn text into HTML; no other code does.
"""

from __future__ import annotations

import re

from markupsafe import Markup
from markupsafe import escape as _escape

__all__ = ["LINKED_TEXTS", "TEXT_LINK", "escape", "linked", "quoted"]

#: A link in an owner's text: ``[words](address)``.
TEXT_LINK = re.compile(r"\[([^\[\]]+)\]\(([^\s()<>]+)\)")
#: The keys of the texts that may contain links; each is shown in a paragraph.
LINKED_TEXTS = re.compile(r"banner\.(?:text|promise)|(?:page|policy)\.intro|purpose\.[\w-]+\.(?:description|profiles)")
#: The targets that a link may have: a web address, or a path on the site. Other schemes could run code or
#: open programs.
_LEADS = re.compile(r"https?://|/(?![/\\])", re.IGNORECASE)

# Characters that HTML and XML 1.0 do not allow, not even as references.
# (A table for str.translate would take 140 KB for the surrogates.)
_UNPRINTABLE = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\ud800-\\udfff\\ufffe\\uffff]")


def escape(text: str) -> str:
    """Escape a text for HTML or XML content and quoted attribute values; no other function does so."""
    return str(_escape(_UNPRINTABLE.sub("", text)))


def quoted(text: str) -> str:
    """Return the text as a single-quoted attribute value, in which the double quotes of JSON need no escapes."""
    return "'" + escape(text).replace("&#34;", '"') + "'"


def linked(text: str) -> Markup:
    """Escape a text like :func:`escape`, and turn ``[words](address)`` in it into links."""
    parts, end = [], 0
    for link in TEXT_LINK.finditer(text):
        if _LEADS.match(link[2]):
            parts += [escape(text[end : link.start()]), f'<a href="{escape(link[2])}">{escape(link[1])}</a>']
            end = link.end()
    return Markup("".join([*parts, escape(text[end:])]))  # noqa: S704 - each part is escaped
