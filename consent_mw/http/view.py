"""What an exchange asks about the visitor and the page, one object for each page view."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from consent_mw.core.model import Decision
from consent_mw.html.csp import Edit as TextEdit
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.watched import HoldWatch
from consent_mw.http.caching import FOR_ONE
from consent_mw.http.caching import Caching
from consent_mw.http.content_coding import BUILT_IN
from consent_mw.http.content_coding import Coding
from consent_mw.http.headers import Headers
from consent_mw.http.page import PageInsert
from consent_mw.http.page_plans import AroundKey
from consent_mw.http.page_plans import PagePlans


class View(Protocol):
    """
    What an exchange asks about the visitor and the page: one object for each page view.

    Everything has a default, that of a site which inserts nothing and holds no cookie; only :attr:`hold_policy` and
    :attr:`decision` have none. Each property is asked for at most when it is needed, so that a view may work it out
    then.
    """

    #: Whether the application asked for the decision, so that its response may depend on it.
    asked: bool = False
    #: What hears of each hold and its place in the page, or None.
    watch: HoldWatch | None = None

    @property
    def decision(self) -> Decision:
        """What the visitor allows."""
        ...

    def ask(self) -> Decision:
        """Return the decision to the application."""
        return self.decision

    @property
    def hold_policy(self) -> HoldPolicy:
        """What may run for this visitor."""
        ...

    @property
    def plans(self) -> PagePlans | None:
        """What was done to the site's pages before; None to read each."""
        return None

    @property
    def reading_policy(self) -> HoldPolicy:
        """The same as :attr:`hold_policy`, for a pass that reads the page; asked once a pass."""
        return self.hold_policy

    @property
    def undecided_policy(self) -> HoldPolicy:
        """What may run for a visitor who granted nothing, to tell what depends on the choice."""
        return self.hold_policy

    @property
    def caching(self) -> Caching:
        """Who may keep the page."""
        return FOR_ONE

    @property
    def codings(self) -> Mapping[str, Coding]:
        """The content codings that can be opened and closed again."""
        return BUILT_IN

    @property
    def coding_names(self) -> frozenset[str]:
        """The names of :attr:`codings`."""
        return frozenset(self.codings)

    @property
    def hides_cookies(self) -> bool:
        """Whether cookies of what is held are kept from the app where a browser sends them."""
        return False

    @property
    def mark(self) -> str:
        """The tag by which an author may ask for the banner in another place than first in the body."""
        return ""

    @property
    def key(self) -> str:
        """What marks of the page carry so that nobody else's markup is taken for ours; empty for nothing."""
        return ""

    @property
    def kind(self) -> Hashable | None:
        """What all that the view inserts depends on, beside the page and :attr:`key`; None where that is not all."""
        return None

    def around_key(self, question: str, place: PageInsert, *arguments: object) -> AroundKey | None:
        """Return what stands around the key in an answer; None if other views of this kind may answer otherwise."""
        return None

    def again(self, shown: object) -> None:
        """Hear that the page shows what a view of this kind showed before."""
        return None

    def banner(self, place: PageInsert) -> bytes:
        """Return what goes where the banner can stand, or nothing (yet)."""
        return b""

    def first(self, place: PageInsert) -> bytes:
        """Return what goes first into the head of every document."""
        return b""

    def before_script(self, place: PageInsert, ids: tuple[str, ...], code: bytes) -> bytes:
        """Return what goes before a script of a document that is held for ``ids``, by its text."""
        return b""

    def panel(self, place: PageInsert, ids: tuple[str, ...], height: int) -> bytes:
        """Return what stands for embeds of these services that a script would make, ``height`` CSS pixels high."""
        return b""

    def headers(self, headers: Headers) -> Headers:
        """Return the headers of a rewritten page with policies that let in what is inserted."""
        return headers

    def meta_csp(self, text: str) -> Iterable[TextEdit]:
        """Return what to insert into a Content-Security-Policy that stands in the page."""
        return ()

    def included(self) -> bool:
        """Return whether other pages include what is at this address."""
        return False

    def includes(self, path: str) -> None:
        """Hear that the page includes what is at ``path``."""
        return None

    def holds_cookie(self, name: str) -> bool:
        """Return whether a cookie belongs to something held."""
        return False

    def could_hold_cookie(self, name: str) -> bool:
        """Return whether a cookie belongs to something that waits for a choice."""
        return False

    def cookies_set_right(self) -> Sequence[str]:
        """Return Set-Cookie values for a page that no shared cache keeps: held services' cookies go, ours are right."""
        return ()

    def variant(self) -> str:
        """Return letters and digits that change with all that the rewritten page depends on, beside the app's."""
        return ""

    def held(self, ids: frozenset[str]) -> None:
        """Hear what was held in the page, once."""
        return None

    def failed(self, what: str, error: BaseException | None) -> None:
        """Hear what went wrong, for the log; must not raise."""
        return None
