"""
Content-Security-Policy (https://www.w3.org/TR/CSP3/): whether a policy allows our own content, and how to edit it.

Theory of operation. A site's policy is never rewritten. Functions return edits to its text: additions that allow what
we put into the page (:func:`additions`), and removals of the sources of held services (:func:`removals`). An addition
allows nothing else: it consists of hashes of our constant scripts and style sheets, and of addresses under the mount.
If the policy allows all inline code, no hash is added, since browsers ignore 'unsafe-inline' next to a hash.

A policy in a meta element can only be inserted into. With ``inserting`` the functions therefore leave nothing out: a
held host is made unreachable by a prefix (:data:`NOWHERE`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: Offset in the policy's text, number of characters left out, and inserted text.
Edit = tuple[int, int, str]

#: The Trusted Types policy by which the runtime turns held code back into scripts.
TRUSTED_TYPES = "consent-mw"

#: The directives that govern each kind of request; the first present one applies:
#: https://www.w3.org/TR/CSP3/#directive-fallback-list
SCRIPTS = ("script-src-elem", "script-src", "default-src")
STYLES = ("style-src-elem", "style-src", "default-src")
CONNECTIONS = ("connect-src", "default-src")
FRAMES = ("frame-src", "child-src", "default-src")
FORMS = ("form-action",)
#: Directives that govern several of these kinds.
_ELSEWHERE = frozenset({"default-src", "child-src"})

#: Directives that list sources from which something is fetched.
FETCHING = frozenset(
    [
        *SCRIPTS,
        *STYLES,
        *CONNECTIONS,
        *FRAMES,
        "script-src-attr",
        "style-src-attr",
        "img-src",
        "font-src",
        "media-src",
        "object-src",
        "manifest-src",
        "worker-src",
        "prefetch-src",
        "fenced-frame-src",
    ]
)

# White space as HTML defines it; str.split() splits at more characters.
_TOKEN = re.compile(r"[^ \t\n\r\f]+")
_SPACES = " \t\n\r\f"
_NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_-]+={0,2})'", re.IGNORECASE)
#: A source that allows inline code by its hash.
HASH = re.compile(r"'sha(?:256|384|512)-[A-Za-z0-9+/_-]+={0,2}'", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<host>\*|(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?)"
    r"(?::(?P<port>[0-9]+|\*))?(?P<path>/[^?#]*)?"
)
#: A host with its port, as a source can express it; an IPv6 address cannot be expressed.
_NAMEABLE = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?::[0-9]+)?")
_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
#: A host that does not exist (RFC 6761, section 6.4): the host after it becomes part of its path.
NOWHERE = "cmw.invalid/"


class Token(NamedTuple):
    """A word of a policy's text."""

    text: str
    start: int
    end: int


class Directive(NamedTuple):
    """One directive of a policy: its values, and its end in the text."""

    name: str
    values: tuple[Token, ...]
    end: int

    @property
    def none(self) -> bool:
        """Whether it allows nothing at all."""
        return not self.values or (len(self.values) == 1 and self.values[0].text.lower() == "'none'")


def parsed(text: str) -> dict[str, Directive]:
    """Return the directives that browsers apply, by name: https://www.w3.org/TR/CSP3/#parse-serialized-policy"""
    found: dict[str, Directive] = {}
    at = 0
    for part in text.split(";"):
        tokens = [Token(match[0], at + match.start(), at + match.end()) for match in _TOKEN.finditer(part)]
        at += len(part) + 1
        # Browsers ignore a directive that is not ASCII, and all but the first of a name.
        if tokens and part.isascii():
            name = tokens[0].text.lower()
            found.setdefault(name, Directive(name, tuple(tokens[1:]), tokens[-1].end))
    return found


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with the edits made."""
    parts = []
    at = 0
    for position, left_out, inserted in sorted(edits, key=lambda edit: edit[0]):
        parts += [text[at:position], inserted]
        at = max(at, position + left_out)
    return "".join([*parts, text[at:]])


def policies_in(value: str) -> list[str]:
    """Return the policies in the value of a header, white space included; a policy cannot contain a comma."""
    return value.split(",")


# -- what a policy allows


def governing(policy: Mapping[str, Directive], names: Sequence[str]) -> Directive | None:
    """Return the directive that applies, of several that fall back on each other; None if none is present."""
    return next((policy[name] for name in names if name in policy), None)


def nonce_of(policy: Mapping[str, Directive]) -> str:
    """Return the nonce that allows scripts, or else style sheets; empty if there is none."""
    for names in (SCRIPTS, STYLES):
        directive = governing(policy, names)
        for value in directive.values if directive else ():
            if found := _NONCE.fullmatch(value.text):
                return found[1]
    return ""


def _has_nonce(directive: Directive, nonce: str) -> bool:
    return bool(nonce) and any(
        (found := _NONCE.fullmatch(value.text)) is not None and found[1] == nonce for value in directive.values
    )


def _has(directive: Directive, keyword: str) -> bool:
    return any(value.text.lower() == keyword for value in directive.values)


def allows_all_inline(directive: Directive, *, script: bool) -> bool:
    """Return whether any inline code is allowed: https://www.w3.org/TR/CSP3/#allow-all-inline"""
    strict = any(_NONCE.fullmatch(value.text) or HASH.fullmatch(value.text) for value in directive.values)
    if strict or (script and _has(directive, "'strict-dynamic'")):
        return False
    return _has(directive, "'unsafe-inline'")


# -- our own content


@dataclass(frozen=True, slots=True)
class OwnContent:
    """
    The content that we insert into one page.

    Args:
        scheme: The page's scheme.
        host: The page's host, with the port if there is one.
        mount: The path of our own pages, ending with a slash.
        scripts: Sources of our inline scripts: ``'sha256-...'``, with the quotes.
        styles: Sources of our inline style sheets.
        nonce: The nonce of our elements, or empty.
    """

    scheme: str
    host: str
    mount: str
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    nonce: str = ""

    @property
    def address(self) -> str:
        """The source that matches exactly the addresses under the mount; empty if no source can."""
        host = self.host.lower()
        mount = self.mount
        plain = mount.isascii() and not re.search(r"[;,'\"?#%&<>\\]", mount) and not _TOKEN.sub("", mount)
        return host + mount if _NAMEABLE.fullmatch(host) and plain else ""


def _reaches(directive: Directive, own: OwnContent) -> bool:
    """Return whether the directive allows all addresses under our mount, as far as its sources show."""
    return any(_source_reaches(value.text, own) for value in directive.values)


def _source_reaches(source: str, own: OwnContent) -> bool:
    """
    Return whether a source matches all addresses under our mount.

    https://www.w3.org/TR/CSP3/#match-url-to-source-expression
    """
    if source.lower() == "'self'" or source == "*":
        return True
    if found := _SCHEME.fullmatch(source):
        return _schemes_match(found[1], own.scheme)
    found = _HOST.fullmatch(source)
    if found is None:
        return False
    scheme, pattern, port, path = found["scheme"], found["host"].lower(), found["port"], found["path"] or ""
    if scheme and not _schemes_match(scheme, own.scheme):
        return False
    host, _, own_port = own.host.lower().partition(":")
    default = _PORTS.get(own.scheme, "")
    own_port = own_port or default
    if port == "*" or port == own_port or (port is None and own_port == default):
        fits = True
    else:
        fits = port == "80" and own_port == "443"
    fits = fits and (host.endswith(pattern[1:]) if pattern.startswith("*") else host == pattern)
    return fits and (path in ("", "/") or (path.endswith("/") and own.mount.startswith(path)))


def _schemes_match(source: str, scheme: str) -> bool:
    """Return whether the scheme of a source matches the page's; http also matches https."""
    source = source.lower()
    return source == scheme or (source == "http" and scheme == "https")


class Terms(NamedTuple):
    """What our part of a page can do under all its policies, after the additions."""

    #: The nonce that our elements must have, or empty.
    nonce: str
    #: Whether our inline scripts and style sheets are allowed.
    inline: bool
    #: Whether a linked script of ours is allowed.
    linked: bool
    #: Whether our script may insert another one and restore held elements, including code from text.
    loads: bool
    #: Whether a linked style sheet of ours is allowed.
    sheets: bool


def terms(policies: Iterable[str], own: OwnContent) -> Terms:
    """Return what our part of a page can do under the policies after the additions."""
    linked = loads = sheets = True
    for text in policies:
        policy = parsed(text)
        styling = governing(policy, STYLES)
        if styling is not None and not _has_nonce(styling, own.nonce):
            sheets = sheets and _reaches(styling, own)
        directive = governing(policy, SCRIPTS)
        if directive is not None and not _has_nonce(directive, own.nonce):
            # Under 'strict-dynamic' everything that our script inserts is trusted. A restored script must not run if
            # the policy would have blocked it in the page, and only a nonce shows whether it would.
            reaches = _reaches(directive, own) and not _has(directive, "'strict-dynamic'")
            linked = linked and reaches
            loads = loads and reaches
        loads = loads and not refuses_type_policy(policy)
    return Terms(own.nonce, True, linked, loads, sheets)


def refuses_type_policy(policy: Mapping[str, Directive]) -> bool:
    """Return whether the runtime may not create its Trusted Types policy: https://www.w3.org/TR/trusted-types/"""
    names = policy.get("trusted-types")
    if names is None:
        return False
    return names.none or not any(value.text in ("*", TRUSTED_TYPES) for value in names.values)


# -- additions


def additions(text: str, own: OwnContent, *, inserting: bool = False) -> list[Edit]:
    """
    Return the edits after which a policy also allows what we insert into the page, and nothing else.

    Args:
        inserting: Leave nothing out: ``'none'`` next to another source has no effect, so it may stay.
    """
    policy = parsed(text)
    # New directives all go to the end of the policy, so their text is collected and inserted at once.
    edits: list[Edit] = []
    new: list[str] = []

    def add(names: Sequence[str], sources: Iterable[str]) -> None:
        directive = governing(policy, names)
        if directive is None:
            return
        known = {value.text for value in directive.values}
        lacking = [source for source in sources if source and source not in known]
        if not lacking:
            return
        if directive.name in _ELSEWHERE:
            # The directive governs other requests too. A more specific one, with the same sources, leaves these alone.
            # It is not script-src-elem or style-src-elem, since older browsers ignore those.
            name = names[0].removesuffix("-elem")
            new.append(" ".join([name, *_copied(directive, names), *lacking]))
        elif directive.none and directive.values and not inserting:
            none = directive.values[0]
            edits.append((none.start, len(none.text), " ".join(lacking)))
        else:
            edits.append((directive.end, 0, " " + " ".join(lacking)))

    for names, hashes in ((SCRIPTS, own.scripts), (STYLES, own.styles)):
        directive = governing(policy, names)
        if directive is None or _has_nonce(directive, own.nonce):
            continue
        if not allows_all_inline(directive, script=names is SCRIPTS):
            add(names, hashes)
    asked: tuple[Sequence[str], ...] = (CONNECTIONS, FRAMES, FORMS)
    for kind in asked:
        directive = governing(policy, kind)
        if directive is not None and not _reaches(directive, own):
            add(kind, [own.address])
    if new:
        kept = text.rstrip(_SPACES)
        joint = " " if kept.endswith(";") else "; "
        edits.append((len(kept), 0, joint + "; ".join(new)))
    return edits


def _copied(directive: Directive, names: Sequence[str]) -> list[str]:
    """Return the sources of a directive for a more specific one, which then allows the same as before."""
    if directive.none:
        return []
    values = [value.text for value in directive.values]
    if names in (SCRIPTS, STYLES):
        return values
    # Other keywords only affect code.
    return [value for value in values if not value.startswith("'") or value.lower() == "'self'"]


# -- removals


def removals(text: str, held: Callable[[str], bool], *, inserting: bool = False) -> list[Edit]:
    """
    Return the edits after which a policy no longer allows held sources.

    Args:
        held: Returns whether a source, as written, matches held services only.
        inserting: Leave nothing out: insert :data:`NOWHERE` before the host instead.
    """
    edits: list[Edit] = []
    at = 0
    for part in text.split(";"):
        tokens = [Token(match[0], at + match.start(), at + match.end()) for match in _TOKEN.finditer(part)]
        at += len(part) + 1
        if not tokens or tokens[0].text.lower() not in FETCHING:
            continue
        gone = [token for token in tokens[1:] if _HOST.fullmatch(token.text) and held(token.text)]
        if inserting:
            edits += [(token.start + host_at(token.text), 0, NOWHERE) for token in gone]
            continue
        for before, token in zip(tokens, tokens[1:], strict=False):
            if token in gone:
                edits.append((before.end, token.end - before.end, ""))
        if gone and len(gone) == len(tokens) - 1:
            position, left_out, _ = edits[-1]
            edits[-1] = (position, left_out, " 'none'")
    return edits


def without_reports(text: str, held: Callable[[str], bool]) -> str:
    """
    Return the policy without held addresses in its report-uri directives.

    https://www.w3.org/TR/CSP3/#directive-report-uri

    Args:
        text: A policy, or several in one header.
        held: Returns whether requests to an address are held.
    """
    return ",".join(
        edited(policy, _report_edits(policy, held)) if "report-uri" in policy.lower() else policy
        for policy in policies_in(text)
    )


def _report_edits(policy: str, held: Callable[[str], bool]) -> list[Edit]:
    edits: list[Edit] = []
    at = 0
    for part in policy.split(";"):
        tokens = [Token(match[0], at + match.start(), at + match.end()) for match in _TOKEN.finditer(part)]
        end = at + len(part)
        if tokens and tokens[0].text.lower() == "report-uri":
            gone = [token for token in tokens[1:] if held(token.text)]
            if gone and len(gone) == len(tokens) - 1:
                edits.append((at, end - at, ""))
            else:
                edits += [(token.start, token.end - token.start, "") for token in gone]
        at = end + 1
    return edits


def schemes_in(text: str) -> list[str]:
    """Return the sources that allow the whole web: a scheme without a host, unless 'strict-dynamic' disables it."""
    return [
        value.text
        for name, directive in parsed(text).items()
        if name in FETCHING and not _has(directive, "'strict-dynamic'")
        for value in directive.values
        if value.text.lower() in ("http:", "https:")
    ]


def host_at(source: str) -> int:
    """Return the offset of the host in a source that has one."""
    found = _HOST.fullmatch(source)
    return found.start("host") if found else 0


def host_and_path(source: str) -> tuple[str, str] | None:
    """Return the host of a source, in lower case and with its ``*``, and its path; None if it has no host."""
    found = _HOST.fullmatch(source)
    return None if found is None else (found["host"].lower().rstrip("."), found["path"] or "")


# -- our own policy


def built(sources: Iterable[str]) -> str:
    """
    Return a policy that allows the page's own site and the sources, for any kind of request.

    It allows all inline code and styles: restricting these is left to the site's own policies.
    """
    own = "'self' 'unsafe-inline' 'unsafe-eval' data: blob: filesystem: mediastream:"
    return " ".join(["default-src", own, *sources])


def reporting(text: str, address: str, group: str = "") -> list[Edit]:
    """
    Return the edits after which browsers also report violations to ``address``.

    Args:
        group: The name of this address in Reporting-Endpoints; only for a policy without an address for reports.
    """
    policy = parsed(text)
    # Browsers that support report-to ignore report-uri, and a policy can have only one group.
    if not policy or "report-to" in policy:
        return []
    known = policy.get("report-uri")
    if known is not None:
        told = any(value.text == address for value in known.values)
        return [] if told else [(known.end, 0, " " + address)]
    kept = text.rstrip(_SPACES)
    joint = " " if kept.endswith(";") else "; "
    return [(len(kept), 0, f"{joint}report-uri {address}" + (f"; report-to {group}" if group else ""))]
