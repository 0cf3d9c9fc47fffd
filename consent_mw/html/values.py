"""
Attribute values that contain addresses in a special syntax: refresh and srcset.
"""

from __future__ import annotations

import re

#: The steps of https://html.spec.whatwg.org/#shared-declarative-refresh-steps up to the address, and its prefix "url=".
_REFRESH = re.compile(r"[ \t\n\r\f]*+(?:[0-9]++|(?=\.))[0-9.]*+(?=[;, \t\n\r\f])[ \t\n\r\f]*+[;,]?[ \t\n\r\f]*+")
_REFRESH_URL = re.compile(r"[uU][rR][lL][ \t\n\r\f]*+=[ \t\n\r\f]*+")
_CANDIDATE = re.compile(r"[ \t\n\r\f,]*([^ \t\n\r\f]+)")


def refresh(text: str) -> str:
    """Return the target of a refresh, https://html.spec.whatwg.org/#shared-declarative-refresh-steps"""
    # 9 to 13. The seconds are followed by white space, one separator, and white space.
    begun = _REFRESH.match(text)
    if begun is None:
        return ""
    rest = text[begun.end() :]
    # 14 to 19. "url" and "=" may follow. A rest that starts with only a part of that is itself the address.
    named = _REFRESH_URL.match(rest)
    if named is None and rest[:1] in ("u", "U"):
        return rest
    rest = rest[named.end() :] if named else rest
    # 20 and 21. A quoted address ends at the same quote or at the end of the text.
    return rest[1:].partition(rest[0])[0] if rest[:1] in ("'", '"') else rest


def candidates(text: str) -> list[tuple[str, int]]:
    """Split a srcset into its URLs, each with its offset in the text."""
    found = []
    position = 0
    while match := _CANDIDATE.match(text, position):
        url = match.group(1)
        position = match.end()
        bare = url.rstrip(",")
        found.append((bare, match.start(1)))
        if bare == url:
            # The descriptors extend to a comma outside parentheses.
            depth = 0
            while position < len(text) and (depth or text[position] != ","):
                depth += {"(": 1, ")": -1 if depth else 0}.get(text[position], 0)
                position += 1
    return found
