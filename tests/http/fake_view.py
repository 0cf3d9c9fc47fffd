"""A view for tests of the exchange: nothing is granted, and what it is told is kept."""

from __future__ import annotations

from collections.abc import Callable

from consent_mw.core.choice import Decision
from consent_mw.core.choice import Reason
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.match import Matcher
from consent_mw.http.page import PageInsert
from consent_mw.http.view import View


class FakeView(View):
    """Puts ``insert`` where the banner goes, and by itself holds nothing."""

    decision = Decision(frozenset(), frozenset(), True, Reason.ABSENT)
    hold_policy = HoldPolicy(Matcher([]), frozenset(), unknown="allow")
    mark = ""

    def __init__(self, insert: Callable[[PageInsert], bytes] = lambda place: b"") -> None:
        self.insert = insert

    def banner(self, place: PageInsert) -> bytes:
        return self.insert(place)
