"""
What a page without a charset may say: browsers guess, each in its own way, and a meta element may come late.

Only hosts are looked at in every charset. The rest of an address decides
nothing that a byte beyond ASCII could hide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol
from typing import TypeVar

from consent_mw.html.labels import decode


class HasCharset(Protocol):
    """What reads bytes in a charset."""

    charset: str


Reader = TypeVar("Reader", bound=HasCharset)

#: ASCII-compatible charsets of https://encoding.spec.whatwg.org/#names-and-labels, in the words of Python.
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

#: A byte beyond ASCII where a host may stand: behind two slashes or a scheme.
_IN_A_HOST = re.compile(rb"(?:[/\\][\t\n\r]*+[/\\]|[a-zA-Z]:|&)[^/\\?#]*?[\x80-\xff]")


def may_hide_a_host(raw: bytes) -> bool:
    """Whether the charset may decide which host a tag or an address names."""
    return not raw.isascii() and _IN_A_HOST.search(raw) is not None


def readings(raw: bytes, charset: str) -> list[str]:
    """Return what ``raw`` says as UTF-8 and in its charset, or in all where it has none; each text once."""
    if not may_hide_a_host(raw):
        return [raw.decode("utf-8", "replace")]
    codecs = ("utf-8", charset) if charset else CHARSETS
    return list(dict.fromkeys(decode(raw, codec) for codec in codecs))


def encoded(text: str, charset: str) -> bytes:
    """Return the bytes that say ``text`` in the charset of a page; what it does not have is a character reference."""
    return text.encode(charset or "utf-8", "xmlcharrefreplace")


def in_each(reader: Reader) -> Iterator[Reader]:
    """Yield a reader for each charset that a browser may guess."""
    for charset in CHARSETS:
        twin = object.__new__(type(reader))
        vars(twin).update(vars(reader))
        twin.charset = charset
        yield twin
