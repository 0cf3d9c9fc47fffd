"""
Reads the hosts of a page without a declared charset in every charset that a browser may guess.

Browsers guess in different ways, and a meta element may come late. A byte beyond ASCII may be another character in each
charset, and some characters map to ASCII in a host. So such hosts are decoded in all charsets, and something is held if
any of them leads to a held service. Only hosts need this: no rule depends on bytes beyond ASCII in the rest of an
address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol
from typing import TypeVar

from consent_mw.html.labels import decode


class HasCharset(Protocol):
    """An object that reads bytes in a charset."""

    charset: str


Reader = TypeVar("Reader", bound=HasCharset)

#: The ASCII-compatible charsets of https://encoding.spec.whatwg.org/#names-and-labels, as Python codecs.
CHARSETS = (
    *(
        "utf-8",
        "cp1252",
        "cp932",
        "euc_jp",
        "gb18030",
        "big5hkscs",
        "cp949",
        "mac-roman",
        "mac-cyrillic",
        "cp866",
        "cp874",
    ),
    *(
        "cp1250",
        "cp1251",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "cp1258",
        "koi8-r",
        "koi8-u",
        "mac-cyrillic",
    ),
    *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
)

#: Bytes where a host may be: after slashes, a scheme, or a character reference that may hide them. A match extends to
#: the end of the host, so that no byte is read twice, however many hosts seem to start.
_MAYBE_HOST = re.compile(rb"(?:[/\\](?:[\t\n\r]*+[/\\]|(?!))++|[a-zA-Z]:|&)([^/\\?#]*+)")


def may_hide_a_host(raw: bytes) -> bool:
    """Return whether the charset may decide which host a tag or an address contains."""
    return not raw.isascii() and not all(found.group(1).isascii() for found in _MAYBE_HOST.finditer(raw))


def readings(raw: bytes, charset: str) -> list[str]:
    """Return ``raw`` decoded as UTF-8 and in its charset, or in all charsets if it has none; each text once."""
    if not may_hide_a_host(raw):
        return [raw.decode("utf-8", "replace")]
    codecs = ("utf-8", charset) if charset else CHARSETS
    return list(dict.fromkeys(decode(raw, codec) for codec in codecs))


def encoded(text: str, charset: str) -> bytes:
    """Encode ``text`` in the charset of a page, with character references for characters that it lacks."""
    return text.encode(charset or "utf-8", "xmlcharrefreplace")


def in_each(reader: Reader) -> Iterator[Reader]:
    """Yield a copy of a reader for each charset that a browser may guess."""
    for charset in CHARSETS:
        twin = object.__new__(type(reader))
        vars(twin).update(vars(reader))
        twin.charset = charset
        yield twin
