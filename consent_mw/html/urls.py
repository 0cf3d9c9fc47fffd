"""
URLs as a browser would resolve them, as far as it takes to know where a request goes.

Follows the parser of the URL Standard (https://url.spec.whatwg.org/#url-parsing)
for what decides the host: white space and control characters, backslashes,
missing slashes, user info, percent-encoded and internationalised hosts, and
the many ways to write an IPv4 address. Unicode's table for hosts (UTS 46) is
the library idna's. Nothing here raises on any input, and nothing costs more
than the length of its input: no host is longer than 253 bytes.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import unicodedata
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

#: RFC 1035, section 2.3.4: what is longer is no host, and no browser can ask it for anything.
LONGEST_HOST = 253
LONGEST_LABEL = 63
#: Digits of the greatest number in an IPv4 address, written in octal.
_LONGEST_NUMBER = 11
#: A host of 253 bytes is made of no more code points than this once those are gone that UTS 46 ignores: one byte of
#: Punycode stands for one code point at least, and Unicode composes four at most.
_LONGEST_MAPPED = 4 * LONGEST_HOST
#: idna takes no more at once; composing (NFC) pieces and then the whole is composing the whole.
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
    """A resolved URL: ``host`` is lower-case ASCII without a trailing dot, empty where there is none."""

    scheme: str
    host: str
    #: Path and query, from the first slash on; for schemes without a host, all after the colon.
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
    # Some names stand without a semicolon, but not before "=" or a letter or digit in an attribute:
    # https://html.spec.whatwg.org/#named-character-reference-state
    if semicolon or following == "=":
        text = _NAMED.get(name) if following != "=" or semicolon else None
        if text:
            return text + semicolon
    elif text := _NAMED.get(name):
        return text
    return match.group()


def _decode_in_text(match: re.Match[str]) -> tuple[str, int]:
    """Return what a reference in a text stands for, and how many characters of the text it is."""
    name = match.group(3)
    if name is None or (name + ";" in _NAMED and match.group(4)):
        return _decode_reference(match), match.end() - match.start()
    # In text a name without a semicolon ends where it must: https://html.spec.whatwg.org/#named-character-reference-state
    longest = min(len(name), _LONGEST_NAME)
    size = next((size for size in range(longest, 1, -1) if name[:size] in _NAMED), 0)
    return (_NAMED[name[:size]], 1 + size) if size else ("&", 1)


def unescape_attribute(value: str) -> str:
    """Decode the character references of an attribute's value."""
    if "&" not in value:
        return value
    return _REFERENCE.sub(_decode_reference, value)


def unescape_text(text: str) -> str:
    """Decode the character references of a text."""
    parts = []
    at = 0
    for match in _REFERENCE.finditer(text):
        decoded, size = _decode_in_text(match)
        parts += [text[at : match.start()], decoded]
        at = match.start() + size
    return "".join(parts) + text[at:]


def decode_with_offsets(raw: bytes) -> tuple[bytes, list[int]]:
    """Decode the character references of a text; return it with where in ``raw`` each byte of it began."""
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
    Return ``host`` as the browser would send it: percent-decoded, mapped, lower-case, in Punycode.

    https://url.spec.whatwg.org/#concept-host-parser

    Returns:
        An empty text for what is too long to be a host.
    """
    if "%" in host:
        host = unquote_to_bytes(host.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    if not host.isascii():
        host = _punycode(_mapped(host))
    host, given = host.lower().rstrip("."), host
    # https://url.spec.whatwg.org/#ends-in-a-number-checker; a number may be longer than any label, by its zeros.
    if host.rpartition(".")[2][:1].isdigit() and not given.endswith(".."):
        host = _ipv4(host)
    if len(host) > LONGEST_LABEL and (len(host) > LONGEST_HOST or max(map(len, host.split("."))) > LONGEST_LABEL):
        return ""
    return _ipv6(host) if host[:1] == "[" else host


def _mapped(host: str) -> str:
    """Return ``host`` as UTS 46 maps it (https://www.unicode.org/reports/tr46/#Processing); empty where too long."""
    from idna import IDNAError  # its tables are of use to pages with such hosts only
    from idna import uts46_remap

    pieces: list[str] = []
    size = 0
    for start in range(0, len(host), _PIECE):
        piece = host[start : start + _PIECE]
        try:
            mapped = uts46_remap(piece, std3_rules=False)
        except IDNAError:
            # A browser asks for no such host, unless it knows a newer Unicode: then each code point stands for itself.
            mapped = piece
        size += len(mapped)
        if size > _LONGEST_MAPPED:
            return ""
        pieces.append(mapped)
    return unicodedata.normalize("NFC", "".join(pieces))


def _punycode(host: str) -> str:
    """Return ``host`` with its labels in Punycode (RFC 3492); empty where one is too long."""
    labels = host.split(".")
    if len(host) > LONGEST_HOST or any(len(label) > LONGEST_LABEL for label in labels):
        return ""
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode", "replace").decode("ascii", "replace")
        for label in labels
    )


def _ipv6(host: str) -> str:
    """Return an address in brackets in its one shortest form; what is none as it is."""
    try:
        return f"[{ipaddress.IPv6Address(host[1:].removesuffix(']')).compressed}]"
    except ValueError:
        return host


def _ipv4(host: str) -> str:
    """
    Return an IPv4 address, of whose numbers some may be octal, hexadecimal or left out, with its four numbers.

    https://url.spec.whatwg.org/#concept-ipv4-parser

    Returns:
        What is no address, as it is: a browser asks for nothing then.
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
    """Split what follows the slashes of an authority into host and rest."""
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
        # "https:path" on an https page is relative: special relative or authority state.
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


#: Types that are XML, beside all that end in "+xml"; the last is Chromium's.
XML_TYPES = frozenset({"text/xml", "application/xml", "text/xsl"})


class DataUrl(NamedTuple):
    """What a ``data:`` URL holds."""

    #: The media type in lower case, without parameters; ``text/plain`` where none is given.
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
        """Whether it is a picture, a font, a sound or a film, from which nothing else is fetched."""
        return self.kind.startswith(("image/", "font/", "video/", "audio/")) and not self.is_xml

    def texts(self) -> list[bytes]:
        """
        Return what it may say as a style sheet or a script, in bytes that agree with ASCII.

        The charset of either may come from the element, from the text itself or from the page, so its bytes decide:
        ASCII in UTF-16 has a NUL in each character, and ISO-2022-JP differs from ASCII by its escapes alone.
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
    Return what a ``data:`` URL holds, given what stands behind its colon.

    https://fetch.spec.whatwg.org/#data-url-processor
    """
    head, _, body = rest.partition("#")[0].partition(",")
    raw = unquote_to_bytes(body.encode("utf-8", "surrogatepass"))
    if mark := _BASE64.search(head):
        head = head[: mark.start()]
        try:
            # Where the number of letters is not right the browser has an error; what can be read is read.
            letters = _NOT_BASE64.sub(b"", raw)
            raw = base64.b64decode(letters[: len(letters) - (len(letters) % 4 == 1)] + b"==")
        except binascii.Error:
            raw = b""
    kind = head.partition(";")[0].strip(_SPACES).lower() or "text/plain"
    return DataUrl(kind, plain_label(charset_parameter(head)), raw)


#: Labels under a country code that are themselves open for registration; a full list is not worth its size here:
#: to take two sites for one only makes an unknown pixel stay, known services are matched by name.
SECOND_LEVEL = frozenset({"co", "com", "org", "net", "gov", "gob", "gouv", "edu", "ac", "or", "ne", "go", "ltd", "plc"})
#: Where anybody may rent a host: what stands there may be the site's own as well, and neighbours are strangers.
RENTED = re.compile(
    r"\.(?:cloudfront\.net|amazonaws\.com|herokuapp\.com|azureedge\.net|azurewebsites\.net|windows\.net|akamaized\.net"
    r"|akamaihd\.net|googleapis\.com|appspot\.com|fastly\.net|kxcdn\.com|b-cdn\.net|netdna-cdn\.com|netdna-ssl\.com"
    r"|rackcdn\.com|digitaloceanspaces\.com|edgesuite\.net|github\.io|netlify\.app|vercel\.app|pages\.dev|web\.app"
    r"|cdn77\.org|cachefly\.net|hwcdn\.net|llnwd\.net|edgecastcdn\.net|footprint\.net|insnw\.net|azurefd\.net|msecnd\.net"
    r"|lswcdn\.net|r2\.dev|workers\.dev|firebaseapp\.com|onrender\.com|cloudfunctions\.net|run\.app|wpengine\.com)\Z"
)


def public_suffix_length(labels: list[str]) -> int:
    """Return how many of the last ``labels`` of a host are open for registration: one or two."""
    return 2 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL else 1


def without_suffix(host: str) -> str:
    """Return a host, or a rule ``name.*`` for hosts, without its public suffix."""
    labels = host.split(".")
    return ".".join(labels[: -1 if labels[-1] == "*" else -public_suffix_length(labels)])


def registrable_name(host: str) -> str:
    """Return the label before the public suffix of a host, or of a rule for hosts; hosts with others never overlap."""
    return without_suffix(host).rpartition(".")[2]


def site_of(host: str) -> str:
    """Return the registrable domain of ``host``, near enough to tell first from third parties."""
    labels = host.split(".")
    if labels[-1].isdigit():
        return host
    return ".".join(labels[-public_suffix_length(labels) - 1 :])
