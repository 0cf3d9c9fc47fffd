"""
Attribute values that hold addresses in a syntax of their own.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress

#: The steps of https://html.spec.whatwg.org/#shared-declarative-refresh-steps up to the address, and its beginning.
_REFRESH = re.compile(r"[ \t\n\r\f]*+(?:[0-9]++|(?=\.))[0-9.]*+(?=[;, \t\n\r\f])[ \t\n\r\f]*+[;,]?[ \t\n\r\f]*+")
_REFRESH_URL = re.compile(r"[uU][rR][lL][ \t\n\r\f]*+=[ \t\n\r\f]*+")
_CANDIDATE = re.compile(r"[ \t\n\r\f,]*([^ \t\n\r\f]+)")


def refresh(text: str) -> str:
    """Return where a refresh goes, https://html.spec.whatwg.org/#shared-declarative-refresh-steps"""
    # 9 to 13. Behind the seconds stands white space, one separator, white space.
    begun = _REFRESH.match(text)
    if begun is None:
        return ""
    rest = text[begun.end() :]
    # 14 to 19. "url" and "=" may follow, or only the beginning of that, which is then the address itself.
    named = _REFRESH_URL.match(rest)
    if named is None and rest[:1] in ("u", "U"):
        return rest
    rest = rest[named.end() :] if named else rest
    # 20 and 21. It ends at its own quote, and without one at the end.
    return rest[1:].partition(rest[0])[0] if rest[:1] in ("'", '"') else rest


def candidates(text: str) -> list[tuple[str, int]]:
    """Split a srcset into its URLs, with where each begins in the text."""
    found = []
    position = 0
    while match := _CANDIDATE.match(text, position):
        url = match.group(1)
        position = match.end()
        bare = url.rstrip(",")
        found.append((bare, match.start(1)))
        if bare == url:
            # The descriptors go on to a comma outside parentheses.
            depth = 0
            while position < len(text) and (depth or text[position] != ","):
                depth += {"(": 1, ")": -1 if depth else 0}.get(text[position], 0)
                position += 1
    return found


def texts_in_json(content: bytes) -> list[str]:
    """Return the texts in the lists and objects of a JSON document; none where it is no JSON."""
    found: list[str] = []
    todo: list[object] = []
    with suppress(ValueError, RecursionError):
        todo = [json.loads(content)]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return found
