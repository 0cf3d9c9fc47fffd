"""
The syntax of a service's fields, and whether two rules can match the same thing.

The catalogue and the configuration are validated with these patterns. :mod:`consent_mw.html.match` decides what a rule
matches; this module may be stricter, but never laxer.
"""

from __future__ import annotations

import ipaddress
import re

from consent_mw.html.urls import ascii_host

ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
#: A language tag: the subset of BCP 47 that web pages use.
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
#: A country, by ISO 3166-1 alpha-2.
COUNTRY = re.compile(r"[A-Z]{2}")
#: The name of a key or database in the browser's storage.
KEY_NAME = re.compile(r"\S+")
PATH = re.compile(r"/[!-~]+|\?[A-Za-z_]+=[A-Z]+-")
_ATTRIBUTE = r"\[[a-z][a-z0-9:_-]*(?:\*?=[^\]\s\"']+)?\]"
_CONDITION = r"\[[a-z][a-z0-9:_-]*(?:[*~]?=[^\]\s\"']+)?\]"
ELEMENT = re.compile(rf"[a-z][a-z0-9:-]*(?:{_CONDITION})*|(?:{_CONDITION})+")
_PLACE = rf"(?:[.#][A-Za-z_][\w-]*|{_ATTRIBUTE})"
#: The place of an embed: a simple CSS selector, or a piece of an inline script.
PLACE = re.compile(rf"(?:[a-z][a-z0-9-]*)?{_PLACE}+|[a-z][a-z0-9]*-[a-z0-9-]+|script: \S[^\r\n]+\S", re.A)
# RFC 6265 section 4.1.1: a cookie's name is a token of RFC 2616, which may contain `*` anyway.
COOKIE = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?:[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])|\*)")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_$]")


def host_rule(text: str) -> tuple[str, str, str]:
    """
    Return ``host`` or ``host/path`` in the form that the matcher compares.

    Returns:
        The rule with its host in lower case and Punycode, and two empty strings. If the text is not a rule: an empty
        string, the problem, and the remedy.
    """
    scheme, mark, rest = text.rpartition("//")
    if mark and (not scheme or scheme.endswith(":")):
        return "", "is an address, not a host.", f"Write {rest.partition('/')[0]!r} alone; every scheme is meant."
    host, slash, path = text.partition("/")
    if host.startswith("*."):
        return "", "starts with a wildcard.", f"Write {host[2:]!r}: a host stands for its subdomains too."
    name, colon, port = host.rpartition(":")
    if colon and port.isdecimal():
        return "", "names a port.", f"Write {name!r}: every port is meant."
    # Browsers accept shorter forms of an IP address; a rule needs the full form.
    short = host.rpartition(".")[2].isdecimal() and not _is_ip(host)
    host = "" if short else ascii_host(host)
    if len(host) > 253 or not (_HOST.fullmatch(host) or host == "localhost" or _is_ip(host)):
        return "", "is not a host.", "Write example.com, example.com/path or example.*."
    if path and not PATH.fullmatch(slash + path):
        return "", "has a path with characters that no address holds.", "Write them percent-encoded."
    return host + slash + path, "", ""


def _is_ip(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def is_too_wide(pattern: str) -> bool:
    """Return whether a pattern has only stars and separators, and so would match the names of other services, too."""
    return not pattern.strip("*_-.")


def hosts_meet(one: str, other: str) -> bool:
    """Return whether an address can match both host rules."""
    one_host, one_slash, one_path = one.partition("/")
    other_host, other_slash, other_path = other.partition("/")
    if not paths_meet(one_slash + one_path, other_slash + other_path):
        return False
    wild = one_host.endswith(".*") or other_host.endswith(".*")
    return any(_related(a, b) for a in _stems(ascii_host(one_host), wild) for b in _stems(ascii_host(other_host), wild))


def _stems(host: str, wild: bool) -> tuple[str, ...]:
    """Return the forms in which ``host`` is compared: with wildcards, the parts that may precede a public suffix."""
    if not wild:
        return (host,)
    if host.endswith(".*"):
        return (host[:-2],)
    # A public suffix has one label (com) or two (co.uk), as far as wildcard rules go.
    labels = host.split(".")
    return tuple(".".join(labels[:-n]) for n in (1, 2) if len(labels) > n)


def _related(one: str, other: str) -> bool:
    """Return whether the hosts are equal, or one is a subdomain of the other."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def paths_meet(one: str, other: str) -> bool:
    """Return whether one path rule is a prefix of the other."""
    return one.startswith(other) or other.startswith(one)


def signatures_meet(one: str, other: str) -> bool:
    """Return whether all code that one of the signatures matches is also matched by the other."""
    one, other = _plain(one), _plain(other)
    return _inside(one, other) or _inside(other, one)


def _plain(signature: str) -> str:
    """Return the signature in the form that is compared: without white space, and with equal quotes."""
    return re.sub("[\"'`]", '"', re.sub(r"\s+", "", signature))


def _inside(short: str, long: str) -> bool:
    """Return whether ``short`` occurs in ``long``, and not as the end of a longer name."""
    starts = (found.start() for found in re.finditer(f"(?={re.escape(short)})", long))
    boundary = bool(_IDENTIFIER.match(short))
    return any(not (boundary and at and _IDENTIFIER.match(long[at - 1])) for at in starts)
