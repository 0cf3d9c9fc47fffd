"""
The only functions that turn text into HTML.
"""

from __future__ import annotations

import re

from markupsafe import Markup
from markupsafe import escape as _escape

__all__ = ["LINKED_TEXTS", "TEXT_LINK", "escape", "linked", "quoted"]

#: A link in an owner's text: ``[words](address)``.
TEXT_LINK = re.compile(r"\[([^\[\]]+)\]\(([^\s()<>]+)\)")
#: The keys of the texts that may have links; each stands in a paragraph.
LINKED_TEXTS = re.compile(r"banner\.(?:text|promise)|(?:page|policy)\.intro|purpose\.[\w-]+\.(?:description|profiles)")
#: Where a link may lead: to the web, or to a path on the site. Nothing else runs or opens.
_LEADS = re.compile(r"https?://|/(?![/\\])", re.IGNORECASE)

# Characters that HTML and XML 1.0 do not allow, not even as references.
_UNPRINTABLE = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, *range(0xD800, 0xE000), 0xFFFE, 0xFFFF))


def escape(text: str) -> str:
    """Return the text for use in HTML or XML content and quoted attribute values; the only function that does so."""
    return str(_escape(text.translate(_UNPRINTABLE)))


def quoted(text: str) -> str:
    """Return the text as a single-quoted attribute value, in which the double quotes of JSON need no escapes."""
    return "'" + escape(text).replace("&#34;", '"') + "'"


def linked(text: str) -> Markup:
    """Return the text as :func:`escape` does, with the links in it: ``[words](address)``."""
    parts, end = [], 0
    for link in TEXT_LINK.finditer(text):
        if _LEADS.match(link[2]):
            parts += [escape(text[end : link.start()]), f'<a href="{escape(link[2])}">{escape(link[1])}</a>']
            end = link.end()
    return Markup("".join([*parts, escape(text[end:])]))  # noqa: S704 - each part is escaped
