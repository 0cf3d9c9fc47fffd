"""
The traps without a browser: what can be said about the bytes alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.harness.bytes import Response
from tests.browser.harness.bytes import get
from tests.browser.harness.bytes import is_inserted_into
from tests.browser.harness.site import PageSite
from tests.browser.harness.traps import Trap
from tests.browser.harness.traps import traps
from tests.browser.harness.wrapped import Wrapped

ALL = traps()


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> Wrapped:
    """The middleware with records of its own."""
    return Wrapped(tmp_path_factory.mktemp("traps-bytes"))


def fetch(wrapped: Wrapped, trap: Trap, chunk: int) -> Response:
    """Return the case's page as a visitor without a choice gets it."""
    site = PageSite(trap.body, content_type=trap.content_type, chunk=chunk, errors=True)
    return get(wrapped.around(site), trap.page_url)


@pytest.mark.parametrize("trap", ALL, ids=str)
def test_chunks_do_not_matter(wrapped: Wrapped, trap: Trap) -> None:
    """The body is the same however it is cut: in one piece, byte by byte or nearly so, and as the case says."""
    # The first visit may teach the site a service; the banner lists it from then on.
    fetch(wrapped, trap, 0)
    found = {fetch(wrapped, trap, chunk).body for chunk in (0, 1 if len(trap.body) < 3000 else 97, trap.chunk or 3)}
    assert len(found) == 1


@pytest.mark.parametrize("trap", ALL, ids=str)
def test_the_page_is_changed_by_insertion_only(wrapped: Wrapped, trap: Trap) -> None:
    """The case's own bytes are all there, in order, unless the page was refused as a whole."""
    found = fetch(wrapped, trap, trap.chunk)
    assert not found.status.startswith("200") or is_inserted_into(trap.body, found.body)


@pytest.mark.parametrize("trap", [trap for trap in ALL if trap.untouched], ids=str)
def test_nothing_is_held_where_nothing_is_to_be_held(tmp_path: Path, trap: Trap) -> None:
    """On a site that has never held anything, a page that only mentions the tracker goes out as it is."""
    found = fetch(Wrapped(tmp_path), trap, trap.chunk)
    assert (found.status[:3], found.body) == ("200", trap.body)
