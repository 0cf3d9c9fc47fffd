"""
The only functions that turn text into HTML.
"""

from __future__ import annotations

from markupsafe import escape as _escape

__all__ = ["escape", "quoted"]

# Characters that HTML and XML 1.0 do not allow, not even as references.
_UNPRINTABLE = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, *range(0xD800, 0xE000), 0xFFFE, 0xFFFF))


def escape(text: str) -> str:
    """Return the text for use in HTML or XML content and quoted attribute values; the only function that does so."""
    return str(_escape(text.translate(_UNPRINTABLE)))


def quoted(text: str) -> str:
    """Return the text as a single-quoted attribute value, in which the double quotes of JSON need no escapes."""
    return "'" + escape(text).replace("&#34;", '"') + "'"
