"""
The ids of vendors' tags, which identify a tag wherever it is served from.

Gateways serve ``gtag/js?id=G-ABCDE12345`` from a path on the site. The path reveals nothing, but the id is still there:
in the query under some name, as a folder or a file name (``/metrics/G-ABCDE12345/``), or in base64 with its key. A
loader in the page has the id in its code.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

__all__ = ["TagIds", "prefix_of"]

#: The rest of a tag's id after its prefix "G-", under the usual key.
_UNDER_ITS_KEY = rb"[A-Z0-9]{5,14}(?![A-Za-z0-9_-])"
#: The same elsewhere, where it could be a product number: letters and digits together, or nine digits or more.
_ANYWHERE = rb"(?:(?=[A-Z]{0,12}[0-9])(?=[0-9]{0,12}[A-Z])[A-Z0-9]{%d,12}|[0-9]{9,12})(?![A-Za-z0-9_-])"
_LEAST, _LEAST_BEHIND_A_LETTER = 6, 10
#: "id=" in base64, and the rest.
_ENCODED = re.compile(rb"aWQ9[A-Za-z0-9+/_%=-]{6,80}")
#: A loader is short. Longer scripts are the site's own code.
_LONGEST_LOADER = 2048
_SETS_SOURCE = re.compile(
    rb"\.src\s{0,9}=(?!=)\s{0,9}(?:(\"[^\"\\\r\n]*+\"|'[^'\\\r\n]*+'|`[^`\\$]*+`)\s{0,9}(?=[;,)}\r\n]))?"
)


def prefix_of(rule: str) -> str:
    """Return the prefix of the ids that a rule such as ``?id=G-`` describes."""
    return rule.partition("=")[2]


class TagIds:
    """
    Finds the ids of tags.

    Args:
        rules: Pairs of key and prefix (``id=G-``), and the id of the service.
    """

    def __init__(self, rules: Iterable[tuple[str, str]]) -> None:
        self._rules = []
        for rule, id_ in rules:
            begin = re.escape(prefix_of(rule)).encode()
            under_its_key = rb"[?&]" + re.escape(rule).encode() + _UNDER_ITS_KEY
            least = _LEAST_BEHIND_A_LETTER if len(prefix_of(rule)) == 2 else _LEAST
            anywhere = rb"(?:[?&][\w.-]{1,20}=|/|\A)" + begin + _ANYWHERE % least
            in_code = rb"[\"'`/=]" + begin + _ANYWHERE % least
            self._rules.append((re.compile(under_its_key + rb"|" + anywhere), re.compile(in_code), id_))

    def in_address(self, address: str) -> tuple[str, ...]:
        """
        Return the services of the tag ids in an address, relative or not.

        A relative address is not resolved first: the folder of the page may contain a product number.
        """
        if not self._rules or ("-" not in address and "aWQ9" not in address):
            return ()
        text = _decoded(address.partition("#")[0].encode("utf-8", "replace"))
        return tuple(dict.fromkeys(id_ for rule, _, id_ in self._rules if rule.search(text)))

    def loaded_by(self, code: bytes) -> tuple[str, ...]:
        """Return the services of the tag ids in a short script that loads another script."""
        if len(code) > _LONGEST_LOADER or b"createElement" not in code or b"cript" not in code:
            return ()
        text = _decoded(code)
        found = tuple(dict.fromkeys(id_ for _, rule, id_ in self._rules if rule.search(text)))
        if not found:
            return ()
        # If all addresses that it loads are complete strings without a tag id, it loads something else.
        sources = [match.group(1) for match in _SETS_SOURCE.finditer(text)]
        others = sources and all(
            one is not None and not self.in_address(one[1:-1].decode("latin-1")) for one in sources
        )
        return () if others else found


def _decoded(text: bytes) -> bytes:
    """Return a text followed by its decoded base64 parts, as queries."""
    found = [text]
    for match in _ENCODED.finditer(text):
        digits = unquote_to_bytes(match.group()).rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        try:
            found.append(binascii.a2b_base64(digits + b"=" * (-len(digits) % 4)))
        except binascii.Error:
            continue
    return b"?".join(found)
