"""
Finds what would be held in a response without changing a byte of it.

Theory of operation
-------------------

An :class:`Observer` reads a copy of a response. It runs an ordinary :class:`Exchange` with a view that inserts nothing,
so its findings come from the code that really holds and cannot drift from it. The output of the exchange is thrown
away. A :class:`~consent_mw.html.watched.HoldWatch` records the holds, and headers are compared before and after.

An observer never raises, whatever the application sends, and reads a page once, as it streams.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from consent_mw.core.choice import Decision
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.watched import HoldWatch
from consent_mw.html.watched import SeenHold
from consent_mw.http.content_coding import Coding
from consent_mw.http.cookies import name_of_pair
from consent_mw.http.exchange import Exchange
from consent_mw.http.headers import Handling
from consent_mw.http.held_fields import DEPENDENT
from consent_mw.http.intent import page_url
from consent_mw.http.request import RequestHead
from consent_mw.http.view import View

__all__ = ["Observation", "Observer", "ObservingView"]

_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//[^\s\"'<>;,]+|/[^\s\"'<>;,]+", re.IGNORECASE)
#: How many characters of a header are shown.
_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Observation:
    """What an exchange would do to one response."""

    #: Whether the body was read as a page.
    is_page: bool = False
    #: What would be held, in order: first in the head, then in the body.
    holds: tuple[SeenHold, ...] = ()
    #: How many further holds were not kept.
    more: int = 0
    #: Why the response would be refused; empty if it would be sent.
    refused: str = ""


class _NothingClosed:
    """Encodes nothing: the output of an observer's exchange is not used."""

    def close(self, data: bytes) -> bytes:
        return b""

    def flush(self) -> bytes:
        return b""

    def finish(self) -> bytes:
        return b""


class ObservingView(View):
    """
    A visitor's view of a page, without insertions.

    Args:
        decision: What the visitor allows.
        policy: What may run for the visitor.
        codings: The content codings that can be decoded.
        cookie_services: Returns the ids of the held services that a cookie belongs to.
    """

    def __init__(
        self,
        decision: Decision,
        policy: HoldPolicy,
        codings: Mapping[str, Coding],
        cookie_services: Callable[[str], Sequence[str]],
    ) -> None:
        # A policy that removes elements leaves no mark that the watch could record.
        self._policy = replace(policy, remove=False, memories={}) if policy.remove else policy
        self._decision = decision
        self._codings = {name: Coding(coding.opener, _NothingClosed) for name, coding in codings.items()}
        self._cookie_services = cookie_services
        self.heard = HoldWatch()
        self.watch = self.heard
        self.refused = ""

    @property
    def decision(self) -> Decision:
        """What the visitor allows."""
        return self._decision

    @property
    def hold_policy(self) -> HoldPolicy:
        """What may run for the visitor."""
        return self._policy

    @property
    def codings(self) -> Mapping[str, Coding]:
        """The content codings that can be opened."""
        return self._codings

    def holds_cookie(self, name: str) -> bool:
        """Return whether a cookie belongs to something held."""
        return bool(self._cookie_services(name))

    def services_in(self, name: str, value: str, head: RequestHead) -> tuple[str, ...]:
        """Return the ids of the held services that a response header names."""
        if name == "set-cookie":
            return tuple(self._cookie_services(name_of_pair(value)))
        page, matcher, allowed = page_url(head, self.prefix), self._policy.matcher, self._policy.allowed
        ids = [id_ for address in _ADDRESS.findall(value) for id_ in matcher.url(address, page) if id_ not in allowed]
        return tuple(dict.fromkeys(ids))

    def failed(self, what: str, error: BaseException | None) -> None:
        """Record why the page would be refused."""
        self.refused = what.strip()


@dataclass
class Observer:
    """
    Observes one response.

    Args:
        head: The request.
        view: A view made for this response only.
    """

    head: RequestHead
    view: ObservingView
    _headers: list[SeenHold] = field(default_factory=list)
    _is_page: bool = False

    def __post_init__(self) -> None:
        self._exchange = Exchange(self.head, self.view)

    def start(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> Handling:
        """Take the head of the response, and return how its body would be handled."""
        handling = self._exchange.start(status, reason, headers)
        self._is_page = handling is not Handling.PASS
        self._headers = []
        for name, value in headers:
            if name.lower() in DEPENDENT and self._exchange.allowed([(name, value)]) != [(name, value)]:
                ids = self.view.services_in(name.lower(), value, self.head)
                self._headers.append(SeenHold(ids, "header", f"{name}: {value}"[:_SHOWN]))
        return handling

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self._exchange.feed(chunk)

    def finish(self) -> Observation:
        """End the response and return the observation."""
        self._exchange.finish()
        return self.so_far()

    def so_far(self) -> Observation:
        """Return the observation of a response that broke off."""
        watch = self.view.heard
        holds = (*self._headers, *watch.holds)
        return Observation(self._is_page, holds, watch.more, self.view.refused)
