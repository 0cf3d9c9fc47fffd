"""The interface through which an exchange asks about the visitor and the page."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from consent_mw.core.choice import Decision
from consent_mw.html.csp import Edit as TextEdit
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.watched import HoldWatch
from consent_mw.http.asked import Asker
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
    The interface through which an exchange asks about the visitor and the page: one object for each page view.

    Except for :attr:`hold_policy` and :attr:`decision`, everything has a default, which suits a site that inserts
    nothing and holds no cookies. A property is read only when it is needed, so a view can compute it lazily.
    """

    #: Whether the application asked for the decision, so that its response may depend on it.
    asked: bool = False
    #: Records each hold with its place in the page, or None.
    watch: HoldWatch | None = None

    @property
    def decision(self) -> Decision:
        """The visitor's decision."""
        ...

    def ask(self, asker: Asker | None = None) -> Decision:
        """Return the decision for the application; ``asker`` helps to find caches around the code that asks."""
        return self.decision

    @property
    def hold_policy(self) -> HoldPolicy:
        """The hold policy for this visitor."""
        ...

    @property
    def plans(self) -> PagePlans | None:
        """The plans from earlier passes over the site's pages; None to parse each page."""
        return None

    @property
    def reading_policy(self) -> HoldPolicy:
        """The hold policy for a pass that parses the page; read once per pass."""
        return self.hold_policy

    @property
    def undecided_policy(self) -> HoldPolicy:
        """The hold policy for a visitor who granted nothing; the comparison shows what depends on the choice."""
        return self.hold_policy

    @property
    def caching(self) -> Caching:
        """Who may keep the page."""
        return FOR_ONE

    @property
    def codings(self) -> Mapping[str, Coding]:
        """The content codings that can be decoded and encoded."""
        return BUILT_IN

    @property
    def coding_names(self) -> frozenset[str]:
        """The names of :attr:`codings`."""
        return frozenset(self.codings)

    @property
    def hides_cookies(self) -> bool:
        """Whether cookies of held services are removed from the request before the application sees it."""
        return False

    @property
    def mark(self) -> str:
        """The tag with which an author places the banner elsewhere than at the start of the body."""
        return ""

    @property
    def prefix(self) -> str:
        """What precedes the path of the request in the address that the visitor sees; empty if nothing does."""
        return ""

    @property
    def key(self) -> str:
        """The key in our marks that distinguishes them from forged ones in the page; empty for none."""
        return ""

    @property
    def kind(self) -> Hashable | None:
        """What insertions depend on besides the page and :attr:`key`; None if they also depend on something else."""
        return None

    def around_key(self, question: str, place: PageInsert, *arguments: object) -> AroundKey | None:
        """Return an answer as the pieces around the key; None if other views of this kind may answer differently."""
        return None

    def again(self, shown: object) -> None:
        """Count that the page shows the same as an earlier view of this kind."""
        return None

    def banner(self, place: PageInsert) -> bytes:
        """Return what to insert at a possible place of the banner; empty for nothing (yet)."""
        return b""

    def first(self, place: PageInsert) -> bytes:
        """Return what to insert at the start of the head of every document."""
        return b""

    def before_script(self, place: PageInsert, ids: tuple[str, ...], code: bytes) -> bytes:
        """Return what to insert before a script that is held for ``ids``, given its code."""
        return b""

    def look(self, chunk: bytes, host: str) -> None:
        """Inspect the next bytes of a page on ``host`` before it is rewritten."""
        return None

    def learned(self, ids: frozenset[str]) -> bool:
        """Note what a page holds that was not sent yet; return whether the site has new services since its start."""
        return False

    def before_names(self, place: PageInsert, ids: tuple[str, ...]) -> bytes:
        """Return what to insert before a script that names embeds of these services in data."""
        return b""

    def panel(self, place: PageInsert, ids: tuple[str, ...], height: int) -> bytes:
        """Return the panel that replaces embeds of these services from a script, ``height`` CSS pixels high."""
        return b""

    def headers(self, headers: Headers) -> Headers:
        """Return the headers of a rewritten page with policies that allow the insertions."""
        return headers

    def meta_csp(self, text: str) -> Iterable[TextEdit]:
        """Return what to insert into a Content-Security-Policy in the page's markup."""
        return ()

    def included(self) -> bool:
        """Return whether other pages include the response at this address as a part."""
        return False

    def includes(self, path: str) -> None:
        """Record that the page includes the response at ``path``."""
        return None

    def hides_cookie(self, name: str) -> bool:
        """Return whether a cookie of the request belongs to a held service."""
        return False

    def holds_cookie(self, name: str) -> bool:
        """Return whether a cookie of the response belongs to a held service."""
        return False

    def could_hold_cookie(self, name: str) -> bool:
        """Return whether a cookie belongs to a service that needs consent."""
        return False

    def cookies_set_right(self) -> Sequence[str]:
        """Return Set-Cookie values that delete held cookies and correct ours; not for pages in shared caches."""
        return ()

    def variant(self) -> str:
        """Return letters and digits that change with all that the rewriting of the page depends on."""
        return ""

    def held(self, ids: frozenset[str]) -> None:
        """Record what was held in the page; called once."""
        return None

    def failed(self, what: str, error: BaseException | None) -> None:
        """Log a failure; must not raise."""
        return None
