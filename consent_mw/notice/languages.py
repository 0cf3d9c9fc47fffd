"""Language tags (BCP 47): their canonical form, and the nearest available one."""

from __future__ import annotations

from collections.abc import Container
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ALIASES", "canonical", "nearest"]

#: Tags in lower case, also as prefixes of longer ones, whose texts are under another tag.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "in": "id",
        "iw": "he",
        "mo": "ro",
        # Readers of Nynorsk get Bokmål rather than English.
        "nn": "nb",
        "no": "nb",
        "pt-pt": "pt",
        "zh": "zh-Hans",
        "zh-hans": "zh-Hans",
        "zh-hant": "zh-Hant",
        "zh-hk": "zh-Hant",
        "zh-mo": "zh-Hant",
        "zh-tw": "zh-Hant",
    }
)


def canonical(tag: str) -> str:
    """Return the tag in its usual spelling, or the one that it is an alias of: ``zh-Hant`` for ``zh_tw``."""
    parts = tag.strip().replace("_", "-").lower().split("-")
    for length in range(len(parts), 0, -1):
        alias = ALIASES.get("-".join(parts[:length]))
        if alias:
            return alias
    # RFC 5646 section 2.1.1: scripts are in title case, regions in upper case.
    spelt = (part.upper() if len(part) == 2 else part.title() if len(part) == 4 else part for part in parts[1:])
    return "-".join((parts[0], *spelt))


def nearest(tag: str, known: Container[str]) -> str:
    """Return the first known one of the tag, its canonical form and its primary language; else an empty string."""
    plain = canonical(tag)
    return next((one for one in (tag, plain, plain.partition("-")[0]) if one in known), "")
