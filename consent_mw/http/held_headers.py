"""
Holding what response headers name: addresses in links, refreshes and reporting endpoints, and cookies.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from consent_mw.core.lazy import lazy
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.nested import held_in
from consent_mw.html.urls import Url
from consent_mw.http.caching import Caching
from consent_mw.http.caching import Scope
from consent_mw.http.headers import Headers
from consent_mw.http.headers import is_private
from consent_mw.http.held_fields import without_held


class NamedThings(Protocol):
    """The part of :class:`consent_mw.http.view.View` that is needed here."""

    @property
    def hold_policy(self) -> HoldPolicy:
        """What may run for this visitor."""
        ...

    @property
    def undecided_policy(self) -> HoldPolicy:
        """What may run for a visitor who has granted nothing."""
        ...

    @property
    def caching(self) -> Caching:
        """Who may keep the page."""
        ...

    def holds_cookie(self, name: str) -> bool:
        """Return whether a cookie belongs to something held."""
        ...

    def could_hold_cookie(self, name: str) -> bool:
        """Return whether a cookie belongs to something that waits for a choice."""
        ...


class HeldHeaders:
    """
    Finds what is held in the headers of one response; the view is asked only if they contain addresses or cookies.

    Args:
        view: The visitor's view of the page.
        page: The URL against which relative addresses are resolved.
        follows: Whether the browser follows a redirect although nobody chose to visit what it leads to.
    """

    def __init__(self, view: NamedThings, page: Url, *, follows: bool) -> None:
        self._view = view
        self._page = page
        self._follows = follows

    @lazy
    def _holder(self) -> Holder:
        return Holder(self._view.hold_policy, self._page, document=held_in)

    @lazy
    def _undecided(self) -> Holder:
        return Holder(self._view.undecided_policy, self._page, document=held_in)

    def holds_url(self, url: str) -> bool:
        """Return whether ``url`` must not be fetched now."""
        return self._holds(self._holder, url)

    def less_held(self, headers: Sequence[tuple[str, str]]) -> Headers:
        """Return the headers without what is held for this visitor."""
        return self._less(headers, lambda: self._holder, self._view.holds_cookie, follows=self._follows)

    def depend(self, headers: Sequence[tuple[str, str]]) -> bool:
        """Return whether a cache could serve these headers to a visitor who granted nothing and needs others."""
        if is_private(headers):
            return False
        if self.redirect_depends(headers):
            return True
        undecided = self._less(headers, lambda: self._undecided, self._view.could_hold_cookie, follows=False)
        return undecided != list(headers) and self._view.caching.scope is not Scope.ALL

    def redirect_depends(self, headers: Sequence[tuple[str, str]]) -> bool:
        """Return whether this is a redirect that a visit may follow, but a request for a part of a page may not."""
        return any(name.lower() == "location" and self._holds(self._undecided, value) for name, value in headers)

    def _less(
        self,
        headers: Sequence[tuple[str, str]],
        holder: Callable[[], Holder],
        holds_cookie: Callable[[str], bool],
        *,
        follows: bool,
    ) -> Headers:
        def holds_url(url: str) -> bool:
            return self._holds(holder(), url)

        def holds_link(url: str) -> bool:
            # A link does what the element does, so it is judged alike.
            return holds_url(url) or bool(holder().linked(url))

        def holds_refresh(value: str) -> bool:
            target = holder().refresh(value)
            return bool(target) and holds_url(target)

        kept = without_held(headers, holds_url, holds_refresh, holds_cookie, holds_link)
        # A redirect without Location is not a redirect: https://fetch.spec.whatwg.org/#concept-http-redirect-fetch
        return [pair for pair in kept if not (follows and pair[0].lower() == "location" and holds_url(pair[1]))]

    def _holds(self, holder: Holder, url: str) -> bool:
        texts = {url}
        if not url.isascii():
            # Browsers decode headers as Latin-1, or as UTF-8.
            with suppress(UnicodeError):
                texts.add(url.encode("latin-1").decode("utf-8"))
        return any(holder.not_allowed(holder.policy.matcher.url(text, self._page)) for text in texts)
