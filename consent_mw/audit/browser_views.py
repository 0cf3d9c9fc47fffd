"""
What one view of a page did in a browser: its requests with their causes, and the names of what it stored.

``Live...`` classes contain what was recorded. ``Shown...`` classes go into a report, and contain no values of
parameters, cookies or keys, which may be personal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field
from urllib.parse import urlsplit

__all__ = [
    "Cause",
    "KeptItem",
    "LivePage",
    "LiveRequest",
    "ShownRequest",
    "ShownView",
    "cause_in_stack",
    "is_identifier",
]

#: How many characters of an address are shown.
_SHOWN = 200
#: A place in a stack trace: ``name@https://…:1:2`` in Firefox, ``at name (https://…:1:2)`` in Chromium.
_PLACE = re.compile(r"(@?)(https?://\S+?):(\d+):(\d+)\)?$")
_IDENTIFIER = re.compile(
    r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}"
    r"|(?:^|[\"'.:=])(?=[a-z_-]{0,64}\d)(?=[\d_-]{0,64}[a-z])[\w-]{16,128}(?:[\"'.]|$)",
    re.IGNORECASE,
)
#: The frames of the audit's own wrappers, which in Firefox have the address of the document.
_WRAPPERS = 2


@dataclass(frozen=True, slots=True)
class Cause:
    """
    The cause of a request: ``parser`` (the page's HTML), ``script``, ``redirect``, ``frame`` or ``visit``.

    Args:
        url: The document or script.
        line: From 1; 0 if unknown.
        column: From 1; 0 if unknown.
    """

    how: str
    url: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.how} {self.url.partition('?')[0].partition('#')[0]}{place}"


def is_identifier(value: str) -> bool:
    """Return whether a value has the form of an identifier: a UUID, or a long word of letters and digits."""
    return _IDENTIFIER.search(value[:4_000]) is not None


def cause_in_stack(stack: str) -> Cause | None:
    """Return the script that called one of the audit's wrappers, from the stack trace that the wrapper took."""
    found = [match for line in stack.splitlines() if (match := _PLACE.search(line.strip()))]
    if found and found[0][1]:
        found = found[_WRAPPERS:]
    return Cause("script", found[0][2], int(found[0][3]), int(found[0][4])) if found else None


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """
    One request or connection.

    Args:
        kind: The protocol's resource type in lower case: ``script``, ``image``, ``websocket``.
        causes: Its causes, the nearest first.
        body: The start of the posted data.
    """

    url: str
    kind: str
    causes: tuple[Cause, ...] = ()
    body: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The requested host, in lower case."""
        try:
            return urlsplit(self.url).hostname or ""
        except ValueError:
            return ""

    @property
    def shown(self) -> str:
        """The address with the names of its parameters, but without their values, which may be personal."""
        address, _, query = self.url.partition("#")[0].partition("?")
        names = "&".join(f"{pair.partition('=')[0]}=…" for pair in query.split("&") if pair)
        shown = f"{address}?{names}" if names else address
        return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


@dataclass(frozen=True, slots=True)
class KeptItem:
    """
    Something stored in the browser; its value is never read.

    Args:
        kind: ``cookie``, ``local storage``, ``session storage``, ``IndexedDB``, ``cache`` or ``service worker``.
        where: The domain of a cookie, or the origin.
        days: The lifetime of a cookie; 0 for the session.
        setter: The cause, if known.
        is_id: Whether the value has the form of an identifier.
        is_renewed: Whether a later page made the cookie last longer than an earlier one had.
    """

    kind: str
    name: str
    where: str
    days: int = 0
    setter: str = ""
    is_id: bool = False
    is_renewed: bool = False


@dataclass
class LivePage:
    """What one view of a page did."""

    path: str
    requests: list[LiveRequest] = field(default_factory=list)
    kept: list[KeptItem] = field(default_factory=list)
    #: What scripts read that tells browsers apart, by their addresses.
    traits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: What the page told a consent mode last: its queue and signal, and whether it was granted.
    told: tuple[tuple[str, bool], ...] = ()
    #: Why not everything could be observed.
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """A request as a report shows it, without values of parameters."""

    url: str
    host: str
    kind: str
    is_third: bool
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownView:
    """What one view of a page did, as a report shows it."""

    #: The pass.
    name: str
    path: str
    requests: tuple[ShownRequest, ...]
    kept: tuple[KeptItem, ...]
