"""
Resolves URLs as a browser does, as far as needed to know where a request goes.

It follows the parser of the URL Standard (https://url.spec.whatwg.org/#url-parsing) in everything that decides the
host: white space and control characters, backslashes, missing slashes, user info, percent-encoded and internationalised
hosts, and the many ways to write an IPv4 address. Unicode's mapping for hosts (UTS 46) comes from the library idna.
Paths are normalised only in their slashes and dot segments. The functions that decode character references are here
as well.

No function raises on any input, and the cost is linear in its length: a host is limited to 253 bytes.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import unicodedata
from functools import lru_cache
from html.entities import html5 as _NAMED
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from consent_mw.html import iso2022jp
from consent_mw.html.labels import charset_parameter
from consent_mw.html.labels import plain_label

_SPECIAL = frozenset({"http", "https", "ws", "wss", "ftp"})

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):")
_AUTHORITY_END = re.compile(r"[/\\?#]")
_TAB_OR_NEWLINE = re.compile("[\t\n\r]")
_EDGE = "".join(map(chr, range(0x21)))

#: RFC 1035, section 2.3.4: a longer name is not a host, and a browser cannot connect to it.
LONGEST_HOST = 253
LONGEST_LABEL = 63
#: Digits of the largest number in an IPv4 address, written in octal.
_LONGEST_NUMBER = 11
#: The most code points, without those that UTS 46 ignores, that can make up a host of 253 bytes: each takes at
#: least one byte of Punycode, and Unicode composes at most four into one.
_LONGEST_MAPPED = 4 * LONGEST_HOST
#: idna is given at most this many code points at once. Composing (NFC) pieces and then the whole gives the same result.
_PIECE = 256

#: The longest name of a character reference, https://html.spec.whatwg.org/#named-character-references
_LONGEST_NAME = max(map(len, _NAMED))

_REFERENCE = re.compile(r"&(?:#([0-9]+)|#[xX]([0-9a-fA-F]+)|([a-zA-Z][a-zA-Z0-9]*))(;?)(?=(.?))", re.DOTALL)

#: https://html.spec.whatwg.org/#numeric-character-reference-end-state
_C1 = dict(zip(range(0x80, 0xA0), bytes(range(0x80, 0xA0)).decode("cp1252", "replace"), strict=True))


_BASE64 = re.compile(r";[ ]*base64[ ]*\Z", re.I)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_SPACES = " \t\n\r\f"


class Url(NamedTuple):
    """A resolved URL: ``host`` is lower-case ASCII without a trailing dot, empty if there is none."""

    scheme: str
    host: str
    #: Path and query, from the first slash on; for schemes without a host, everything after the colon.
    rest: str


def _number(code: int) -> str:
    if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return _C1.get(code) or chr(code)


def _decode_reference(match: re.Match[str]) -> str:
    decimal, hexadecimal, name, semicolon, following = match.groups()
    if decimal is not None:
        return _number(int(decimal.lstrip("0")[:9] or "0"))
    if hexadecimal is not None:
        return _number(int(hexadecimal.lstrip("0")[:9] or "0", 16))
    if semicolon and (text := _NAMED.get(name + ";")):
        return text
    # Some names are valid without a semicolon, but in an attribute not before "=", a letter or a digit:
    # https://html.spec.whatwg.org/#named-character-reference-state
    if semicolon or following == "=":
        text = _NAMED.get(name) if following != "=" or semicolon else None
        if text:
            return text + semicolon
    elif text := _NAMED.get(name):
        return text
    return match.group()


def _decode_in_text(match: re.Match[str]) -> tuple[str, int]:
    """Return the value of a reference in text, and the number of characters that it takes up."""
    name = match.group(3)
    if name is None or (name + ";" in _NAMED and match.group(4)):
        return _decode_reference(match), match.end() - match.start()
    # In text, the longest known name counts if there is no semicolon:
    # https://html.spec.whatwg.org/#named-character-reference-state
    longest = min(len(name), _LONGEST_NAME)
    size = next((size for size in range(longest, 1, -1) if name[:size] in _NAMED), 0)
    return (_NAMED[name[:size]], 1 + size) if size else ("&", 1)


def unescape_attribute(value: str) -> str:
    """Decode the character references in an attribute's value."""
    if "&" not in value:
        return value
    return _REFERENCE.sub(_decode_reference, value)


def unescape_text(text: str) -> str:
    """Decode the character references in text."""
    parts = []
    at = 0
    for match in _REFERENCE.finditer(text):
        decoded, size = _decode_in_text(match)
        parts += [text[at : match.start()], decoded]
        at = match.start() + size
    return "".join(parts) + text[at:]


def decode_with_offsets(raw: bytes) -> tuple[bytes, list[int]]:
    """Decode the character references in text; return it with the offset in ``raw`` of each of its bytes."""
    out = bytearray()
    offsets: list[int] = []
    text = raw.decode("latin-1")
    at = 0
    for match in _REFERENCE.finditer(text):
        plain = raw[at : match.start()]
        out += plain
        offsets += range(at, match.start())
        text_of_it, size = _decode_in_text(match)
        decoded = text_of_it.encode("utf-8", "replace")
        out += decoded
        offsets += [match.start()] * len(decoded)
        at = match.start() + size
    out += raw[at:]
    offsets += range(at, len(raw))
    return bytes(out), offsets


def ascii_host(host: str) -> str:
    """
    Return ``host`` as a browser sends it: percent-decoded, mapped, in lower case and Punycode.

    https://url.spec.whatwg.org/#concept-host-parser

    Returns:
        The host, or an empty string if it is too long to be one.
    """
    if "%" in host:
        host = unquote_to_bytes(host.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    if not host.isascii():
        host = _punycode(_mapped(host))
    host, given = host.lower().rstrip("."), host
    # https://url.spec.whatwg.org/#ends-in-a-number-checker; leading zeros may make a number longer than any label.
    if host.rpartition(".")[2][:1].isdigit() and not given.endswith(".."):
        host = _ipv4(host)
    if len(host) > LONGEST_LABEL and (len(host) > LONGEST_HOST or max(map(len, host.split("."))) > LONGEST_LABEL):
        return ""
    return _ipv6(host) if host[:1] == "[" else host


def _mapped(host: str) -> str:
    """Map ``host`` by UTS 46 (https://www.unicode.org/reports/tr46/#Processing); return an empty string if too long."""
    from idna import IDNAError  # imported here: only pages with such hosts need its tables
    from idna import uts46_remap

    pieces: list[str] = []
    size = 0
    for start in range(0, len(host), _PIECE):
        piece = host[start : start + _PIECE]
        try:
            mapped = uts46_remap(piece, std3_rules=False)
        except IDNAError:
            # Browsers refuse such a host, unless they have a newer Unicode, which may map each code point to itself.
            mapped = piece
        size += len(mapped)
        if size > _LONGEST_MAPPED:
            return ""
        pieces.append(mapped)
    return unicodedata.normalize("NFC", "".join(pieces))


def _punycode(host: str) -> str:
    """Return ``host`` with its labels in Punycode (RFC 3492); empty if one is too long."""
    labels = host.split(".")
    if len(host) > LONGEST_HOST or any(len(label) > LONGEST_LABEL for label in labels):
        return ""
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode", "replace").decode("ascii", "replace")
        for label in labels
    )


def _ipv6(host: str) -> str:
    """Return a bracketed address in its shortest form; anything else unchanged."""
    try:
        return f"[{ipaddress.IPv6Address(host[1:].removesuffix(']')).compressed}]"
    except ValueError:
        return host


def _ipv4(host: str) -> str:
    """
    Return an IPv4 address in dotted decimal; its numbers may be octal, hexadecimal, or fewer than four.

    https://url.spec.whatwg.org/#concept-ipv4-parser

    Returns:
        The address; anything that is not one unchanged, since a browser does not connect to it.
    """
    parts = host.split(".")
    if len(parts) > 4:
        return host
    numbers: list[int] = []
    for part in parts:
        hexadecimal = part[:2] == "0x"
        digits = part[2:] if hexadecimal else part
        base = 16 if hexadecimal else 8 if len(part) > 1 and part[0] == "0" else 10
        if not digits.isalnum():
            numbers.append(0 if hexadecimal and not digits else -1)
            continue
        digits = digits.lstrip("0")
        try:
            numbers.append(int(digits or "0", base) if len(digits) <= _LONGEST_NUMBER else -1)
        except ValueError:
            return host
    *first, last = numbers
    if any(not 0 <= number < 256 for number in first) or not 0 <= last < 256 ** (5 - len(numbers)):
        return host
    value = last + sum(number << (8 * (3 - place)) for place, number in enumerate(first))
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def _authority(text: str) -> tuple[str, str]:
    """Split the text after the slashes of an authority into host and rest."""
    found = _AUTHORITY_END.search(text)
    end = found.start() if found else len(text)
    host, rest = text[:end], text[end:]
    host = host.rpartition("@")[2]
    host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return ascii_host(host), rest.replace("\\", "/")


def without_dots(path: str) -> str:
    """Resolve dot segments; ``path`` starts with a slash."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for index, segment in enumerate(segments):
        plain = segment.replace("%2e", ".").replace("%2E", ".")
        last = index == len(segments) - 1
        if plain == "..":
            if kept:
                kept.pop()
            if last:
                kept.append("")
        elif plain == ".":
            if last:
                kept.append("")
        else:
            kept.append(segment)
    return "/" + "/".join(kept)


def _rest(rest: str) -> str:
    """Normalise a path with its query; the fragment never reaches a server."""
    rest = rest.partition("#")[0]
    path, mark, query = rest.partition("?")
    path = path.replace("\\", "/")
    if not path.startswith("/"):
        path = "/" + path
    if "/." in path or "%2e" in path or "%2E" in path:
        path = without_dots(path)
    return path + mark + query


def resolve(text: str, base: Url) -> Url:
    """Resolve the reference ``text`` (character references already decoded) against ``base``."""
    text = text.strip(_EDGE)
    if "\n" in text or "\t" in text or "\r" in text:
        text = _TAB_OR_NEWLINE.sub("", text)
    scheme = base.scheme
    found = _SCHEME.match(text)
    if found:
        scheme = found.group(1).lower()
        text = text[found.end() :]
        if scheme not in _SPECIAL:
            return Url(scheme, "", text)
        slashes = len(text) - len(text.lstrip("/\\"))
        if slashes >= 2 or scheme != base.scheme:
            host, rest = _authority(text.lstrip("/\\"))
            return Url(scheme, host, _rest(rest))
        # "https:path" on an https page is relative (special relative or authority state).
    elif len(text) > 1 and text[0] in "/\\" and text[1] in "/\\":
        host, rest = _authority(text.lstrip("/\\"))
        return Url(scheme, host, _rest(rest))
    if not text or text[0] == "#":
        return base
    if text[0] in "/\\":
        return Url(base.scheme, base.host, _rest(text))
    path, _, _ = base.rest.partition("?")
    if text[0] == "?":
        return Url(base.scheme, base.host, path + text.partition("#")[0])
    return Url(base.scheme, base.host, _rest(path.rpartition("/")[0] + "/" + text))


#: An address with a scheme of the web, but without the two slashes of a host.
_WITHOUT_SLASHES = re.compile(r"[\x00-\x20]*+[hH][^/\\?#:]*+:[\t\n\r]*+(?![/\\][\t\n\r]*+[/\\])")


def resolutions(text: str, base: Url) -> list[Url]:
    """
    Return what the reference ``text`` may lead to: mostly one URL, as in :func:`resolve`.

    "http:a" is the path "a" for a page that came by http, and the host "a" for one that came by https. A server behind
    a proxy may take a page of the second kind for one of the first.
    """
    found = resolve(text, base)
    if base.scheme != "http" or not _WITHOUT_SLASHES.match(text):
        return [found]
    return [found, resolve(text, base._replace(scheme="https"))]


#: XML types, in addition to all that end in "+xml"; the last is Chromium's.
XML_TYPES = frozenset({"text/xml", "application/xml", "text/xsl"})


class DataUrl(NamedTuple):
    """The content of a ``data:`` URL."""

    #: The media type in lower case, without parameters; ``text/plain`` if none is given.
    kind: str
    #: The label of its charset parameter, or empty.
    charset: str
    body: bytes

    @property
    def is_xml(self) -> bool:
        """Whether a browser reads it as XML: https://mimesniff.spec.whatwg.org/#xml-mime-type"""
        return self.kind.endswith("+xml") or self.kind in XML_TYPES

    @property
    def is_media(self) -> bool:
        """Whether it is a picture, a font, a sound or a video, from which nothing else is fetched."""
        return self.kind.startswith(("image/", "font/", "video/", "audio/")) and not self.is_xml

    def texts(self) -> list[bytes]:
        """
        Return its possible texts as a style sheet or script, in bytes that are ASCII-compatible.

        The charset may come from the element, from the text itself or from the page. So the bytes decide which charsets
        are tried: ASCII in UTF-16 has a NUL in each character, and ISO-2022-JP can be recognised by its escapes.
        """
        texts = [self.body]
        if b"\0" in self.body:
            wide = (self.body.decode(codec, "replace") for codec in ("utf-16-le", "utf-16-be"))
            texts += [text.encode("utf-8", "replace") for text in wide]
        if b"\x1b" in self.body:
            texts.append(iso2022jp.decoded(self.body))
        return texts


def data_url(rest: str) -> DataUrl:
    """
    Return the content of a ``data:`` URL, given the text after its colon.

    https://fetch.spec.whatwg.org/#data-url-processor
    """
    head, _, body = rest.partition("#")[0].partition(",")
    raw = unquote_to_bytes(body.encode("utf-8", "surrogatepass"))
    if mark := _BASE64.search(head):
        head = head[: mark.start()]
        try:
            # Browsers reject a wrong number of letters; decode as many as possible.
            letters = _NOT_BASE64.sub(b"", raw)
            raw = base64.b64decode(letters[: len(letters) - (len(letters) % 4 == 1)] + b"==")
        except binascii.Error:
            raw = b""
    kind = head.partition(";")[0].strip(_SPACES).lower() or "text/plain"
    return DataUrl(kind, plain_label(charset_parameter(head)), raw)


#: Labels under a country code that are themselves open for registration. A full list is not worth its size: if two
#: sites are taken for one, only an unknown pixel stays, since known services are matched by name.
SECOND_LEVEL = frozenset({"co", "com", "org", "net", "gov", "gob", "gouv", "edu", "ac", "or", "ne", "go", "ltd", "plc"})
#: Domains under which anybody can rent a host. Such a host may be the site's own; the other hosts are unrelated to it.
RENTED = re.compile(
    r"\.(?:cloudfront\.net|amazonaws\.com|herokuapp\.com|azureedge\.net|azurewebsites\.net|windows\.net|akamaized\.net"
    r"|akamaihd\.net|googleapis\.com|appspot\.com|fastly\.net|kxcdn\.com|b-cdn\.net|netdna-cdn\.com|netdna-ssl\.com"
    r"|rackcdn\.com|digitaloceanspaces\.com|edgesuite\.net|github\.io|netlify\.app|vercel\.app|pages\.dev|web\.app"
    r"|cdn77\.org|cachefly\.net|hwcdn\.net|llnwd\.net|edgecastcdn\.net|footprint\.net|insnw\.net|azurefd\.net|msecnd\.net"
    r"|lswcdn\.net|r2\.dev|workers\.dev|firebaseapp\.com|onrender\.com|cloudfunctions\.net|run\.app|wpengine\.com)\Z"
)


def public_suffix_length(labels: list[str]) -> int:
    """Return the number of labels in the host's public suffix: one or two."""
    return 2 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL else 1


def without_suffix(host: str) -> str:
    """Return a host, or a rule ``name.*`` for hosts, without its public suffix."""
    labels = host.split(".")
    return ".".join(labels[: -1 if labels[-1] == "*" else -public_suffix_length(labels)])


def registrable_name(host: str) -> str:
    """Return the label before the public suffix of a host or rule; hosts with different ones never overlap."""
    return without_suffix(host).rpartition(".")[2]


def site_of(host: str) -> str:
    """Return the registrable domain of ``host``, accurately enough to tell first from third parties."""
    return _known_site_of(host) if len(host) <= LONGEST_HOST else _site_of(host)


def _site_of(host: str) -> str:
    labels = host.split(".")
    if labels[-1].isdigit():
        return host
    return ".".join(labels[-public_suffix_length(labels) - 1 :])


#: A page asks about few hosts, each of them many times. Longer hosts are not kept, so this takes little memory.
_known_site_of = lru_cache(maxsize=1024)(_site_of)
