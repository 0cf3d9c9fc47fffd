"""
The interfaces through which the pages under the mount use the rest of the site.

:class:`WebContext` is the Protocol, :class:`SiteContext` its implementation for a running site; tests use small
doubles.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Protocol

from consent_mw.core.counts import BLOCKED
from consent_mw.core.durations import Durations

if TYPE_CHECKING:
    from consent_mw.cookies.load_once import OneTime
    from consent_mw.core.choice import NoRecord
    from consent_mw.core.choice import Record
    from consent_mw.core.counts import BannerShown
    from consent_mw.core.model import Site
    from consent_mw.http.request import RequestHead
    from consent_mw.notice.assets import Assets
    from consent_mw.notice.banner import Notice
    from consent_mw.proof.lost import LostRecords
    from consent_mw.records import Records


class Cookies(Protocol):
    """The part of :class:`consent_mw.cookies.choice.CookieJar` that the pages use."""

    def read(self, head: RequestHead) -> Record | NoRecord:
        """Return the choice in the request, or the reason why there is none."""
        ...

    def set_cookie(self, record: Record, head: RequestHead) -> str:
        """Return the Set-Cookie value that stores ``record``, or raise :class:`consent_mw.errors.ConsentError`."""
        ...

    def readable(self, head: RequestHead) -> str | None:
        """Return the class in the request's readable cookie; empty without a cookie, None if it is malformed."""
        ...

    def readable_cookie(self, value: str, head: RequestHead, *, age: int = 0) -> str:
        """Return the Set-Cookie value that tells caches and scripts the class of a choice."""
        ...

    def name(self, head: RequestHead) -> str | None:
        """Return the name of the choice cookie for this host only, or None if no cookie may be set."""
        ...

    def names(self, head: RequestHead) -> tuple[str, ...]:
        """Return the names of the cookies that may contain a choice."""
        ...

    def leftovers(self, head: RequestHead) -> list[str]:
        """Return Set-Cookie values that delete choices of a single host, if subdomains share the choice."""
        ...


class Counting(Protocol):
    """The part of :class:`consent_mw.counting.tally.Tally` that the pages use."""

    def answered(
        self,
        head: RequestHead,
        remote: str,
        outcome: str,
        purposes: frozenset[str],
        notice: BannerShown,
    ) -> None:
        """
        Count an answer, unless the visitor objects to counting or is a bot.

        Args:
            head: The request that brought the answer.
            remote: The IP address of the peer; it is looked up, but not stored.
            outcome: One of the answers of :mod:`consent_mw.core.counts`, or WITHDRAW.
            purposes: Ids of the purposes granted.
            notice: The banner that was answered.
        """
        ...

    def blocked(self, head: RequestHead, hosts: Iterable[str], outcome: str = BLOCKED) -> None:
        """
        Count hosts that a Content-Security-Policy blocked or the guard stopped.

        Args:
            head: The request that brought the report.
            hosts: The hosts, without duplicates.
            outcome: BLOCKED, or STOPPED for the guard.
        """
        ...


@dataclass(slots=True)
class Refusals:
    """The number of grants that one process refused because they could not be recorded."""

    number: int = 0


class WebContext(Protocol):
    """Everything that the pages need and do not create themselves."""

    @property
    def records(self) -> Records:
        """The store of the ledger and the published figures."""
        ...

    @property
    def cookies(self) -> Cookies:
        """Signs and reads the cookies of a choice."""
        ...

    @property
    def counting(self) -> Counting | None:
        """Counts the answers; None if nothing is counted."""
        ...

    @property
    def assets(self) -> Assets:
        """The static files."""
        ...

    @property
    def once(self) -> OneTime:
        """Shows an embed for one view of a page."""
        ...

    @property
    def lost(self) -> LostRecords:
        """Finds the records that the store has lost."""
        ...

    @property
    def durations(self) -> Durations:
        """How long the rewriting of a page takes."""
        ...

    @property
    def refusals(self) -> Refusals:
        """How many grants this process refused."""
        ...

    def keys(self) -> tuple[str, ...]:
        """Return the signing keys, oldest first."""
        ...

    def site(self) -> Site:
        """Return the current site; one without declared services grows as they are discovered."""
        ...

    def notice(self, wording: str = "") -> Notice:
        """Return the notice of :meth:`site`, in one of its wordings."""
        ...

    def drawn(self, head: RequestHead, remote: str) -> str:
        """Return the wording of the notice that a visit gets; empty for the site's own words."""
        ...

    def today(self) -> int:
        """Return whole days since 1970-01-01 UTC."""
        ...

    def clock(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        ...

    def receipt(self) -> str:
        """Return a new random receipt id."""
        ...


class CurrentSite(Protocol):
    """The part of a running site's state that the pages use (:class:`consent_mw.engine.live_site.LiveSite`)."""

    @property
    def site(self) -> Site:
        """The configured site, with the services that it has learned."""
        ...

    @property
    def notice(self) -> Notice:
        """The notice of the site."""
        ...

    @property
    def cookies(self) -> Cookies:
        """Signs and reads the cookies of a choice."""
        ...

    def worded(self, name: str) -> CurrentSite:
        """Return the state with another wording of the notice."""
        ...


@dataclass(frozen=True, slots=True)
class SiteContext:
    """
    The context of a running site.

    Args:
        records: The store of the ledger and the published figures.
        counting: Counts the answers.
        assets: The static files.
        once: Shows an embed for one view of a page.
        lost: Finds the records that the store has lost.
        durations: How long the rewriting of a page takes.
        refusals: How many grants this process refused.
        signing_keys: The signing keys, oldest first.
        live: Returns the state of the current site.
        drawn: Returns the wording of the notice that a visit gets.
        today: Returns whole days since 1970-01-01 UTC.
        clock: Returns seconds since 1970-01-01 UTC.
        receipt: Returns a new random receipt id.
    """

    records: Records
    counting: Counting
    assets: Assets
    once: OneTime
    lost: LostRecords
    durations: Durations
    refusals: Refusals
    signing_keys: tuple[str, ...]
    live: Callable[[], CurrentSite]
    drawn: Callable[[RequestHead, str], str]
    today: Callable[[], int]
    clock: Callable[[], float]
    receipt: Callable[[], str]

    @property
    def cookies(self) -> Cookies:
        """Signs and reads the cookies of a choice."""
        return self.live().cookies

    def keys(self) -> tuple[str, ...]:
        """Return the signing keys, oldest first."""
        return self.signing_keys

    def site(self) -> Site:
        """Return the current site."""
        return self.live().site

    def notice(self, wording: str = "") -> Notice:
        """Return the notice of :meth:`site`, in one of its wordings."""
        return self.live().worded(wording).notice
