"""
A reference reading of Content-Security-Policy, to hold the product against: short, slow, and after the standard's text.

It knows what the product's own code does not share with it: each algorithm of
https://www.w3.org/TR/CSP3/ stands here again, in the order of the standard.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote
from urllib.parse import urlsplit

_FALLBACK = {
    "script-src-elem": ("script-src-elem", "script-src", "default-src"),
    "script-src-attr": ("script-src-attr", "script-src", "default-src"),
    "style-src-elem": ("style-src-elem", "style-src", "default-src"),
    "style-src-attr": ("style-src-attr", "style-src", "default-src"),
    "worker-src": ("worker-src", "child-src", "script-src", "default-src"),
    "connect-src": ("connect-src", "default-src"),
    "frame-src": ("frame-src", "child-src", "default-src"),
    "img-src": ("img-src", "default-src"),
    "font-src": ("font-src", "default-src"),
    "media-src": ("media-src", "default-src"),
    "object-src": ("object-src", "default-src"),
    "manifest-src": ("manifest-src", "default-src"),
    "form-action": ("form-action",),
    "base-uri": ("base-uri",),
}
_DEFAULT_PORT = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}


class Question(NamedTuple):
    """
    What a page wants to do.

    Args:
        kind: The directive that is named for it; ``eval`` for code from text.
        url: What is fetched; empty for something inline.
        nonce: Of the element.
        digest: Of the inline text, as ``sha256-...``.
        parsed: Whether the parser inserted the element.
        redirected: Whether the URL was come to by a redirect.
    """

    kind: str
    url: str = ""
    nonce: str = ""
    digest: str = ""
    parsed: bool = True
    redirected: bool = False


def parse(text: str) -> dict[str, list[str]]:
    """Section 2.2.1: parse a serialized CSP."""
    policy: dict[str, list[str]] = {}
    for token in text.split(";"):
        token = token.strip("\t\n\f\r ")
        if not token or not all(ord(c) < 128 for c in token):
            continue
        name, *values = re.split(r"[\t\n\f\r ]+", token)
        if name.lower() not in policy:
            policy[name.lower()] = values
    return policy


def allows(text: str, asked: Question, page: str) -> bool:
    """Return whether one policy, of a page at the URL ``page``, lets something happen."""
    policy = parse(text)
    names = ("script-src", "default-src") if asked.kind == "eval" else _FALLBACK[asked.kind]
    sources = next((policy[name] for name in names if name in policy), None)
    if sources is None:
        return True
    lower = [source.lower() for source in sources]
    if asked.kind == "eval":
        return "'unsafe-eval'" in lower
    if not asked.url:
        return _inline(sources, lower, asked)
    if asked.kind == "script-src-elem":
        if asked.nonce and f"'nonce-{asked.nonce}'" in sources:
            return True
        if "'strict-dynamic'" in lower:
            return not asked.parsed
    if asked.kind == "style-src-elem" and asked.nonce and f"'nonce-{asked.nonce}'" in sources:
        return True
    return _listed(sources, asked, page)


def _inline(sources: list[str], lower: list[str], asked: Question) -> bool:
    """Sections 6.7.3.2 and 6.7.3.3: does element match source list for type and source."""
    of_script = asked.kind.startswith("script")
    attribute = asked.kind.endswith("-attr")
    all_inline = False
    for source in lower:
        if re.fullmatch(r"'(nonce|sha256|sha384|sha512)-[a-z0-9+/_-]+={0,2}'", source):
            all_inline = False
            break
        if source == "'strict-dynamic'" and of_script:
            all_inline = False
            break
        if source == "'unsafe-inline'":
            all_inline = True
    if all_inline:
        return True
    if not attribute and asked.nonce and f"'nonce-{asked.nonce}'" in sources:
        return True
    if attribute and "'unsafe-hashes'" not in lower:
        return False
    return bool(asked.digest) and f"'{asked.digest}'" in sources


def _listed(sources: list[str], asked: Question, page: str) -> bool:
    """Section 6.7.2.7: does url match source list in origin with redirect count."""
    if not sources or (len(sources) == 1 and sources[0].lower() == "'none'"):
        return False
    return any(_matches(source, asked, page) for source in sources)


def _matches(source: str, asked: Question, page: str) -> bool:
    """Section 6.7.2.8: does url match expression in origin with redirect count."""
    url, origin = urlsplit(asked.url), urlsplit(page)
    if source == "*":
        return url.scheme in ("http", "https", "ws", "wss") or url.scheme == origin.scheme
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:", source):
        return _scheme_part(source[:-1], url.scheme)
    if source.lower() == "'self'":
        same = (url.hostname, _port(url.scheme, url.port)) == (origin.hostname, _port(origin.scheme, origin.port))
        if same and url.scheme == origin.scheme:
            return True
        return url.hostname == origin.hostname and _scheme_part(origin.scheme, url.scheme) and same
    found = re.fullmatch(r"(?:([^:/]+)://)?([A-Za-z0-9_*.-]+)(?::([0-9]+|\*))?(/[^?#]*)?", source)
    if found is None or not url.hostname:
        return False
    scheme, host, port, path = found.groups()
    if not _scheme_part(scheme.lower() if scheme else origin.scheme, url.scheme):
        return False
    if not _host_part(host.lower(), url.hostname):
        return False
    if not _port_part(port, url.scheme, url.port):
        return False
    return asked.redirected or not path or _path_part(path, url.path or "/")


def _port(scheme: str, port: int | None) -> int | None:
    return port or _DEFAULT_PORT.get(scheme)


def _scheme_part(a: str, b: str) -> bool:
    return a.lower() == b or (a.lower(), b) in {
        ("http", "https"),
        ("ws", "wss"),
        ("ws", "http"),
        ("ws", "https"),
        ("wss", "https"),
    }


def _host_part(pattern: str, host: str) -> bool:
    if pattern.startswith("*"):
        return host.endswith(pattern[1:])
    return pattern == host


def _port_part(pattern: str | None, scheme: str, port: int | None) -> bool:
    if pattern is None:
        return port is None or port == _DEFAULT_PORT.get(scheme)
    if pattern == "*" or int(pattern) == _port(scheme, port):
        return True
    return pattern == "80" and _port(scheme, port) == 443


def _path_part(pattern: str, path: str) -> bool:
    if pattern == "/":
        return True
    exact = not pattern.endswith("/")
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) > len(given) or (exact and len(wanted) != len(given)):
        return False
    if not exact:
        wanted = wanted[:-1]
    return all(unquote(a) == unquote(b) for a, b in zip(wanted, given, strict=False))
