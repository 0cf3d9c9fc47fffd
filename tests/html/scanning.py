"""Where scans have to end: several sets of rules, and what compares each scan with the pattern that defines it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from consent_mw.html import tokens
from consent_mw.html.syntax import Syntax
from tests.html import markup_pieces

#: Rules of every kind, among them such as are in each other's way.
_RULES: dict[str, tuple[Sequence[str], Sequence[str], Sequence[tuple[str, str]]]] = {
    "no rules": ((), (), ()),
    "rules": (
        ["widgetbot", "path", "a:b"],
        ["/gtm.js", "/ab", "/a//b"],
        [("data-mark", "text-in"), ("data-mark", "ab"), ("data-any", ""), ("id", "has-text")],
    ),
    "rules for common attributes": ((), ["/"], [("src", "text-in"), ("class", "x"), ("d", ""), ("data-x", "")]),
    "rules for drawings": (["svg", "img", "use"], (), [("fill", "red("), ("STYLE", "none"), ("data-mark", "\xe9")]),
}
KINDS = ("skip", "skip_local", "skip_head")

Markup = bytes | memoryview
Scan = Callable[[Markup, int], int]


@functools.cache
def syntax_of(rules: str) -> Syntax:
    """Return the syntax with these rules. Not at import: every process imports this module, and few use it."""
    return Syntax(*_RULES[rules])


@functools.cache
def scans() -> list[tuple[str, Scan, Scan]]:
    """Return what scans, and the pattern that says what is right."""
    return [
        (f"{kind}, {name}", getattr(syntax, kind), tokens.end_of_match(getattr(syntax, f"{kind}_pattern")))
        for name, syntax in ((name, syntax_of(name)) for name in _RULES)
        for kind in KINDS
    ]


def check(page: Markup, starts: Iterable[int]) -> None:
    """Assert that every scan ends where its pattern ends, from each of these places on."""
    for start in starts:
        for name, scanned, wanted in scans():
            found, right = scanned(page, start), wanted(page, start)
            assert found == right, f"{name}: {bytes(page)[start:]!r} ends at {found - start}, not {right - start}"


def tags_in(page: Markup) -> list[int]:
    """Return where a scan may begin: at the beginning and at each "<"."""
    return [0, *(at for at, byte in enumerate(page) if byte == ord("<"))]


#: What markup that comes near to the scanner's decisions is made of, a byte of the fuzzer's each.
_TOKENS = [
    *(f"<{name}".encode("latin-1") for name in markup_pieces.NAMES),
    *(f" {name}".encode("latin-1") for name in markup_pieces.ATTRIBUTES),
    *(value.encode("latin-1") for value in (*markup_pieces.VALUES, *markup_pieces.BETWEEN)),
    *(b"=", b'="', b'" ', b"='", b"' ", b">", b"/>", b"</", b" ", b"\n", b"/", b"<svg>", b"</svg>", b"<g>", b"</g>"),
]


def markup(data: bytes) -> bytes:
    """Return the markup that the fuzzer's bytes stand for, two of them for each token."""
    pairs = (int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    return b"".join(_TOKENS[pair % len(_TOKENS)] for pair in pairs)
