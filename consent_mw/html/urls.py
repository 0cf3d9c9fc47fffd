"""
URLs as a browser would resolve them, as far as it takes to know where a request goes.

Follows the parser of the URL Standard (https://url.spec.whatwg.org/#url-parsing)
for what decides the host: white space and control characters, backslashes,
missing slashes, user info, percent-encoded and internationalised hosts.
Nothing here raises on any input.
"""

from __future__ import annotations

import re
import unicodedata
from html.entities import html5 as _NAMED
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

_SPECIAL = frozenset({"http", "https", "ws", "wss", "ftp"})

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):")
_AUTHORITY_END = re.compile(r"[/\\?#]")
_TAB_OR_NEWLINE = re.compile("[\t\n\r]")
_EDGE = "".join(map(chr, range(0x21)))

#: Code points that UTS 46 maps to nothing, and dots that it maps to a full stop.
_IGNORED = re.compile("[\u00ad\u034f\u180b-\u180d\u180f\u200b-\u200d\u2060\u2064\ufe00-\ufe0f\ufeff]")
_DOTS = re.compile("[\u3002\uff0e\uff61]")

_REFERENCE = re.compile(r"&(?:#([0-9]+)|#[xX]([0-9a-fA-F]+)|([a-zA-Z][a-zA-Z0-9]*))(;?)(?=(.?))", re.DOTALL)

#: https://html.spec.whatwg.org/#numeric-character-reference-end-state
_C1 = dict(zip(range(0x80, 0xA0), bytes(range(0x80, 0xA0)).decode("cp1252", "replace"), strict=True))


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
    size = next((size for size in range(len(name), 1, -1) if name[:size] in _NAMED), 0)
    return (_NAMED[name[:size]], 1 + size) if size else ("&", 1)


def unescape_attribute(value: str) -> str:
    """Decode the character references of an attribute's value."""
    if "&" not in value:
        return value
    return _REFERENCE.sub(_decode_reference, value)


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
    """Return ``host`` as the browser would send it: percent-decoded, mapped, lower-case, in Punycode."""
    if "%" in host:
        host = unquote_to_bytes(host.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    if not host.isascii():
        host = _IGNORED.sub("", host)
        host = unicodedata.normalize("NFKC", host).lower()
        host = _DOTS.sub(".", _IGNORED.sub("", host))
        host = ".".join(
            label if label.isascii() else "xn--" + label.encode("punycode", "replace").decode("ascii", "replace")
            for label in host.split(".")
        )
    return host.lower().rstrip(".")


def _authority(text: str) -> tuple[str, str]:
    """Split what follows the slashes of an authority into host and rest."""
    found = _AUTHORITY_END.search(text)
    end = found.start() if found else len(text)
    host, rest = text[:end], text[end:]
    host = host.rpartition("@")[2]
    host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return ascii_host(host), rest.replace("\\", "/")


def _without_dots(path: str) -> str:
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
        path = _without_dots(path)
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


#: Labels under a country code that are themselves open for registration; a full list is not worth its size here:
#: to take two sites for one only makes an unknown pixel stay, known services are matched by name.
SECOND_LEVEL = frozenset({"co", "com", "org", "net", "gov", "gob", "gouv", "edu", "ac", "or", "ne", "go", "ltd", "plc"})


def public_suffix_length(labels: list[str]) -> int:
    """Return how many of the last ``labels`` of a host are open for registration: one or two."""
    return 2 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL else 1


def site_of(host: str) -> str:
    """Return the registrable domain of ``host``, near enough to tell first from third parties."""
    labels = host.split(".")
    if labels[-1].isdigit():
        return host
    return ".".join(labels[-public_suffix_length(labels) - 1 :])
