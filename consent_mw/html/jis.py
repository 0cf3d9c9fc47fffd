"""
JIS X 0208 as browsers decode it: with the characters added by NEC and Microsoft, which Python's EUC-JP lacks.

They matter because some of them map to ASCII in a host: a Roman numeral ten to "x", a full-width hyphen to "-". The
standard's table equals that of Windows code page 932, so a pair is decoded by Python's codec for that.

https://encoding.spec.whatwg.org/#index-jis0208
"""

from __future__ import annotations

import re

_UNKNOWN = "\ufffd"
#: ASCII, a half-width katakana, a character of JIS X 0208, a character of JIS X 0212, or an invalid byte.
_PIECE = re.compile(
    rb"([\x00-\x7f]+)|\x8e([\xa1-\xdf])|([\xa1-\xfe]{2})|(\x8f[\xa1-\xfe]{2})|[\x80-\xff]",
)


def pair(first: int, second: int) -> str:
    """Return the character of two bytes from 0x21 to 0x7E; U+FFFD if there is none."""
    odd = first % 2
    lead = (first - 0x21) // 2 + (0x81 if first < 0x5F else 0xC1)
    trail = second + (0x1F if second < 0x60 else 0x20) if odd else second + 0x7E
    text = bytes((lead, trail)).decode("cp932", "replace")
    return text if len(text) == 1 else _UNKNOWN


def decode_euc_jp(raw: bytes) -> str:
    """Decode ``raw`` from EUC-JP (https://encoding.spec.whatwg.org/#euc-jp-decoder)."""
    if raw.isascii():
        return raw.decode("ascii")
    return "".join(map(_character, _PIECE.finditer(raw)))


def _character(piece: re.Match[bytes]) -> str:
    plain, katakana, two, three = piece.groups()
    if plain:
        return plain.decode("ascii")
    if katakana:
        return chr(0xFF61 - 0xA1 + katakana[0])
    if two:
        return pair(two[0] - 0x80, two[1] - 0x80)
    return three.decode("euc_jp", "replace") if three else _UNKNOWN
