"""
The charset labels that browsers know, with Python's codec for each.

Python's own labels cannot be used: Python knows other labels, and decodes some of them differently ("us-ascii" is
windows-1252 to a browser). A label that is not listed here is ignored, as a browser ignores it.

https://encoding.spec.whatwg.org/#names-and-labels
"""

from __future__ import annotations

import re

from consent_mw.html.jis import decode_euc_jp

#: A parameter of a media type, https://mimesniff.spec.whatwg.org/#parse-a-mime-type: a quoted value without a closing
#: quote extends to the end of the text, and anything between the closing quote and the next ";" is ignored.
_PARAMETER = re.compile(r";[\t\n\r ]*([^;=]*)(?:=(?:\"((?:[^\"\\]|\\.|\\\Z)*)(?:\"[^;]*)?|([^;]*)))?", re.DOTALL)

UTF_16_LE = frozenset(["utf-16", "utf-16le", "unicode", "csunicode", "iso-10646-ucs-2", "ucs-2", "unicodefeff"])
UTF_16_BE = frozenset({"utf-16be", "unicodefffe"})
ISO_2022_JP = frozenset({"iso-2022-jp", "csiso2022jp"})
#: Labels of the replacement encoding: a browser shows one replacement character instead of the page.
_REPLACEMENT = "replacement csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr"

_ASCII_COMPATIBLE = {
    "utf-8": f"unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 x-user-defined {_REPLACEMENT}",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859-2": "csisolatin2 iso-ir-101 iso_8859-2:1987 l2 latin2",
    "iso8859-3": "csisolatin3 iso-ir-109 iso_8859-3:1988 l3 latin3",
    "iso8859-4": "csisolatin4 iso-ir-110 iso_8859-4:1988 l4 latin4",
    "iso8859-5": "csisolatincyrillic cyrillic iso-ir-144 iso_8859-5:1988",
    "iso8859-6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i"
    " iso-ir-127 iso_8859-6:1987",
    "iso8859-7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso_8859-7:1987 sun_eu_greek",
    "iso8859-8": "csiso88598e csiso88598i csisolatinhebrew hebrew iso-8859-8-e iso-8859-8-i iso-ir-138 logical"
    " iso_8859-8:1988 visual",
    "iso8859-10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859-14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859-15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8-u": "koi8-ru koi8-u",
    "mac-roman": "csmacintosh mac macintosh x-mac-roman",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "cp1252": "ansi_x3.4-1968 ascii cp819 csisolatin1 ibm819 iso-ir-100 iso_8859-1:1987 l1 latin1 us-ascii",
    "cp1254": "csisolatin5 iso-ir-148 iso_8859-9:1989 l5 latin5",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb18030 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601"
    " windows-949",
}
#: Parts of ISO 8859 whose labels have four spellings, with the codec of each.
_PARTS = {1: "cp1252", 9: "cp1254", **{part: f"iso8859-{part}" for part in range(2, 9)}}

_CODECS = {label: codec for codec, labels in _ASCII_COMPATIBLE.items() for label in labels.split()}
for _part, _codec in _PARTS.items():
    for _beginning in ("iso-8859-", "iso8859-", "iso8859", "iso_8859-"):
        _CODECS[f"{_beginning}{_part}"] = _codec
for _page in range(1250, 1259):
    for _beginning in ("cp", "windows-", "x-cp"):
        _CODECS[f"{_beginning}{_page}"] = f"cp{_page}"


def plain_label(label: str) -> str:
    """Return a label in the form in which it is looked up (https://encoding.spec.whatwg.org/#concept-encoding-get)."""
    label = label.strip(" \t\n\r\f")
    return label.lower() if label.isascii() else ""


def codec_of(label: str) -> str:
    """Return the Python codec of an ASCII-compatible charset; empty if browsers do not know the label."""
    return _CODECS.get(plain_label(label), "")


def text_codec_of(label: str) -> str:
    """Return the Python codec of any charset; empty if browsers do not know the label."""
    label = plain_label(label)
    if label in ISO_2022_JP:
        return "iso2022_jp"
    if label in UTF_16_LE | UTF_16_BE:
        return "utf-16-le" if label in UTF_16_LE else "utf-16-be"
    return codec_of(label)


def decode(raw: bytes, codec: str) -> str:
    """Decode ``raw`` as a browser does, by a Python codec of this module; never raise."""
    return decode_euc_jp(raw) if codec == "euc_jp" else raw.decode(codec, "replace")


def charset_parameter(media_type: str) -> str:
    """Return the first charset parameter of a media type, or an empty string."""
    for name, quoted, plain in _PARAMETER.findall(media_type):
        if name.lower() == "charset":
            return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) or plain.rstrip("\t\n\r ")
    return ""
