"""
A visitor's way through a wrapped page: a first visit, accepting, withdrawing, and the page to which that leads back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.browser.harness import background
from tests.browser.harness.engines import BrowserError
from tests.browser.harness.engines import Session
from tests.browser.harness.proxy import Hit
from tests.browser.harness.proxy import Lane

#: The banner's button, and the preferences page's.
ACCEPT_ALL = '[data-cmw-banner] [data-cmw-action="accept-all"]'
WITHDRAW = 'button[value="withdraw"]'

Hits = tuple[Hit, ...]
Enough = Callable[[list[Hit]], bool]


@dataclass(frozen=True, slots=True)
class Journey:
    """
    The requests on the way, without the browser's background requests.

    Args:
        before: On the first visit, before a choice.
        accepted: After the click on "accept all".
        withdrawn: On the page after the withdrawal.
        errors: Tracebacks of the site, if it failed.
    """

    before: Hits
    accepted: Hits = ()
    withdrawn: Hits = ()
    errors: tuple[str, ...] = ()


def from_page(hits: list[Hit], url: str) -> Hits:
    """
    Return ``hits`` from the last request for the page at ``url`` on, without background requests.

    Raises:
        BrowserError: The page was never requested, so an empty log would prove nothing.
    """
    starts = [at for at, hit in enumerate(hits) if hit.url == url and hit.dest in ("document", "")]
    if not starts:
        raise BrowserError(f"{url} was never asked for: {', '.join(map(str, hits))}")
    return tuple(background.without_background(hits[starts[-1] :]))


def look(session: Session, lane: Lane, url: str, enough: Enough) -> Hits:
    """Visit ``url`` and return its requests; keep waiting until they are ``enough``."""
    mark = lane.mark()
    session.open(url)
    lane.wait_for(enough, since=mark)
    return from_page(lane.hits(mark), url)


def travel(session: Session, lane: Lane, url: str, *, choose: bool, enough: Enough) -> Journey:
    """
    Go the whole way at ``url``.

    Args:
        choose: Whether there is anything to choose; if not, only the first visit is made.
        enough: Whether the requests after accepting are all that is expected.
    """
    before = look(session, lane, url, lambda hits: True)
    if not choose:
        return Journey(before, errors=tuple(lane.errors))
    mark = lane.mark()
    session.click(ACCEPT_ALL)
    lane.wait_for(enough, since=mark)
    lane.settle()
    accepted = tuple(background.without_background(lane.hits(mark)))
    session.open(f"{url}_cmw/?back=/")
    mark = lane.mark()
    session.follow(WITHDRAW, url)
    withdrawn = from_page(lane.hits(mark), url)
    return Journey(before, accepted, withdrawn, tuple(lane.errors))
