"""
What the pages under the mount need from the rest.

:class:`WebContext` names it, :class:`SiteContext` is that of a running site; tests provide small doubles.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Protocol

if TYPE_CHECKING:
    from consent_mw.cookies.load_once import OneTime
    from consent_mw.core.counts import BannerShown
    from consent_mw.core.model import NoRecord
    from consent_mw.core.model import Record
    from consent_mw.core.model import Site
    from consent_mw.http.request import RequestHead
    from consent_mw.notice.assets import Assets
    from consent_mw.notice.banner import Notice
    from consent_mw.records import Records


class Cookies(Protocol):
    """The part of :class:`consent_mw.cookies.choice.CookieJar` that the pages use."""

    def read(self, head: RequestHead) -> Record | NoRecord:
        """Return the choice that the request carries, or why there is none."""
        ...

    def set_cookie(self, record: Record, head: RequestHead) -> str:
        """Return the Set-Cookie value that keeps ``record``, or raise :class:`consent_mw.errors.ConsentError`."""
        ...

    def readable(self, head: RequestHead) -> str | None:
        """Return the class that the request's readable cookie names; empty without one, None where none can be told."""
        ...

    def readable_cookie(self, value: str, head: RequestHead, *, age: int = 0) -> str:
        """Return the Set-Cookie value that tells caches and scripts the class of a choice."""
        ...

    def name(self, head: RequestHead) -> str | None:
        """Return the name of a cookie of ours for this host alone, or None where none may be kept."""
        ...

    def names(self, head: RequestHead) -> tuple[str, ...]:
        """Return the names under which the request may carry a choice."""
        ...

    def leftovers(self, head: RequestHead) -> list[str]:
        """Return Set-Cookie values that take away what would stand beside a choice that subdomains share."""
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
        Count an answer; whoever objected to it, and whatever is no visitor, is not counted.

        Args:
            head: The request that brought the answer.
            remote: The address of the peer; it is looked up, and not kept.
            outcome: One of the answers of :mod:`consent_mw.core.counts`, or WITHDRAW.
            purposes: Ids of the purposes granted.
            notice: What was answered.
        """
        ...

    def blocked(self, head: RequestHead, hosts: Iterable[str]) -> None:
        """
        Count hosts that a Content-Security-Policy stopped.

        Args:
            head: The request that brought the report.
            hosts: Each once.
        """
        ...


class WebContext(Protocol):
    """Everything that the pages need; none of it is created by them."""

    @property
    def records(self) -> Records:
        """Where grants and withdrawals are proved, and the published figures are."""
        ...

    @property
    def cookies(self) -> Cookies:
        """What signs and reads the choice."""
        ...

    @property
    def counting(self) -> Counting | None:
        """What counts the answers, or None where nothing is counted."""
        ...

    @property
    def assets(self) -> Assets:
        """The static files."""
        ...

    @property
    def once(self) -> OneTime:
        """What shows an embed for one view of a page."""
        ...

    def keys(self) -> tuple[str, ...]:
        """Return the signing keys, oldest first."""
        ...

    def site(self) -> Site:
        """Return the site as it is now; a site without declared services grows as they are seen."""
        ...

    def notice(self) -> Notice:
        """Return the notice of :meth:`site`."""
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
        """What is configured, and was learned."""
        ...

    @property
    def notice(self) -> Notice:
        """The notice of the site."""
        ...

    @property
    def cookies(self) -> Cookies:
        """What signs and reads the choice."""
        ...


@dataclass(frozen=True, slots=True)
class SiteContext:
    """
    What the pages of a running site need.

    Args:
        records: Where grants and withdrawals are proved.
        counting: Counts the answers.
        assets: The static files.
        once: Shows an embed for one view of a page.
        signing_keys: Oldest first.
        live: Gives the site as it is now.
        today: Gives whole days since 1970-01-01 UTC.
        clock: Gives seconds since 1970-01-01 UTC.
        receipt: Makes a new random receipt id.
    """

    records: Records
    counting: Counting
    assets: Assets
    once: OneTime
    signing_keys: tuple[str, ...]
    live: Callable[[], CurrentSite]
    today: Callable[[], int]
    clock: Callable[[], float]
    receipt: Callable[[], str]

    @property
    def cookies(self) -> Cookies:
        """What signs and reads the choice."""
        return self.live().cookies

    def keys(self) -> tuple[str, ...]:
        """Return the signing keys, oldest first."""
        return self.signing_keys

    def site(self) -> Site:
        """Return the site as it is now."""
        return self.live().site

    def notice(self) -> Notice:
        """Return the notice of :meth:`site`."""
        return self.live().notice
