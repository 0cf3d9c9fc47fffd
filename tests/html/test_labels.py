"""
What bytes say in a charset, by the decoders of a browser engine: ICU's, as Node.js brings them.

Only what a host may be made of has to be the same; nothing else decides where a request goes.
"""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from consent_mw.html import iso2022jp
from consent_mw.html.labels import codec_of
from consent_mw.html.labels import decode
from consent_mw.html.urls import ascii_host

#: A charset of each kind, by the most bytes of a character that ends a host or goes on with one.
_OF_TWO = ("shift_jis", "euc-jp", "gb18030", "gbk", "big5", "euc-kr")
_OF_ONE = (
    *(f"windows-{page}" for page in range(1250, 1259)),
    *(f"iso-8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15)),
    *("windows-874", "ibm866", "koi8-r", "koi8-u", "macintosh", "x-mac-cyrillic"),
)
_DECODE = """
const found = {};
for (const [label, pairs] of JSON.parse(require('fs').readFileSync(0)))
  found[label] = pairs.map((hex) => new TextDecoder(label).decode(Buffer.from(hex, 'hex')));
console.log(JSON.stringify(found));
"""
_IN_A_HOST = re.compile(r"[a-z0-9.-]*")
#: ICU has a letter where the standard's table has none (https://encoding.spec.whatwg.org/index-windows-1253.txt).
_NOT_THE_STANDARD = {("windows-1253", b"\xaa")}


@pytest.fixture(scope="module")
def theirs() -> dict[str, dict[bytes, str]]:
    """Return what each sequence of bytes says to Node.js, by label."""
    ones = [bytes((byte,)) for byte in range(0x80, 0x100)]
    pairs = [bytes((lead, trail)) for lead in range(0x81, 0xFF) for trail in (*range(0x40, 0x7F), *range(0x80, 0xFF))]
    asked = {**dict.fromkeys(_OF_ONE, ones), **dict.fromkeys(_OF_TWO, pairs)}
    given = json.dumps([(label, [raw.hex() for raw in raws]) for label, raws in asked.items()])
    done = subprocess.run(["node", "-e", _DECODE], input=given, capture_output=True, text=True, check=True)
    return {label: dict(zip(asked[label], texts, strict=True)) for label, texts in json.loads(done.stdout).items()}


def test_a_letter_of_a_host_is_one_in_every_charset(theirs: dict[str, dict[bytes, str]]) -> None:
    """What a browser maps to a letter, a digit, a dot, a hyphen or nothing is mapped to the same."""
    missed = [
        (label, raw, text)
        for label, texts in theirs.items()
        for raw, text in texts.items()
        if (ours := decode(raw, codec_of(label))) != text
        and (label, raw) not in _NOT_THE_STANDARD
        and _IN_A_HOST.fullmatch(host := ascii_host(f"a{text}b"))
        and not host.startswith("xn--")
        and ascii_host(f"a{ours}b") != host
    ]
    assert missed == []


def test_a_pair_says_the_same_in_both_charsets_of_japan(theirs: dict[str, dict[bytes, str]]) -> None:
    """ISO-2022-JP has the characters of EUC-JP, of which a browser maps some to letters."""
    pairs = {raw: text for raw, text in theirs["euc-jp"].items() if min(raw) > 0xA0}
    wrong = [
        raw
        for raw, text in pairs.items()
        if iso2022jp.decoded(b"\x1b$B" + bytes(byte - 0x80 for byte in raw)).decode() != text and "\ufffd" not in text
    ]
    assert len(pairs) == 94 * 94
    assert wrong == []


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"tr\xa4\xa2\x8e\xb1\xad\xbe\xa1\xdd", "tr\u3042\uff71\u2169\uff0d"),
        (b"\x8f\xb0\xa1a", "\u4e02a"),
        (b"\xa4<\x8e\xffb", "\ufffd<\ufffd\ufffdb"),
        (b"\xff\x80\x8f\xa1", "\ufffd" * 4),
    ],
)
def test_euc_jp_is_read_character_by_character(raw: bytes, text: str) -> None:
    """Katakana, both tables, and what is none of them."""
    assert decode(raw, "euc_jp") == text
