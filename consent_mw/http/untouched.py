"""A request that the owner excluded: both the request and the response pass unchanged."""

from __future__ import annotations

from collections.abc import Sequence

from consent_mw.http.exchange import Exchange
from consent_mw.http.headers import Handling
from consent_mw.http.headers import Headers
from consent_mw.http.states import Event


class UntouchedExchange(Exchange):
    """An exchange that changes nothing; a view may still ask what its visitor allows."""

    def request_changes(self) -> dict[str, str | None]:
        """Return no changes."""
        return {}

    def start(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> Handling:
        """Take the head of the application's response unchanged."""
        self._move(Event.RESTART if self.sent else Event.PASS)
        self.status, self.reason, self.headers = status, reason, list(headers)
        return Handling.PASS

    def allowed(self, headers: Sequence[tuple[str, str]]) -> Headers:
        """Return the headers unchanged."""
        return list(headers)

    def place(self) -> str:
        """Return nothing: there is no banner."""
        return ""

    def holds(self, url: str) -> bool:
        """Return that nothing is held."""
        return False
