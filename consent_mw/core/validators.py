"""
Conditional requests for pages that were rewritten (RFC 9110, sections 8.8.3 and 13.1.2).

The app's entity tag says which page it is; what was inserted depends on the
visitor too. So the tag goes out with a mark of the variant behind it, and is
weak, since two pages of one variant may differ in a nonce. A tag that comes
back reaches the app without the mark if it is that of the variant which the
visitor would get now; any other is forgotten: it belongs to a page of another
state, or to one from before the site was wrapped.
"""

from __future__ import annotations

import re

_TAG = re.compile(r"(W/)?\"([\x21\x23-\x7e\x80-\xff]*)\"")
_MARK = "~cmw."


def marked(tag: str, variant: str) -> str:
    """Return the tag of the app as it goes out; empty where it is none."""
    found = _TAG.fullmatch(tag.strip())
    if found is None:
        return ""
    kind = "w" if found[1] else "s"
    return f'W/"{found[2]}{_MARK}{kind}{variant}"'


def unmarked(if_none_match: str, variant: str) -> str:
    """Return the tags of this variant as the app knows them, as a list for its If-None-Match; empty for none."""
    tags: list[str] = []
    for found in _TAG.finditer(if_none_match):
        opaque, mark, rest = found[2].rpartition(_MARK)
        if mark and rest[1:] == variant and rest[:1] in ("w", "s"):
            tags.append(f'W/"{opaque}"' if rest[0] == "w" else f'"{opaque}"')
    return ", ".join(dict.fromkeys(tags))
