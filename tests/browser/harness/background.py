"""
What a browser asks for on its own account, page or no page, although everything that can be switched off is.

The list is explicit and short on purpose: a host here is not counted against
a page, so nothing that a page could load may stand here. Names under
``.invalid`` cannot exist (RFC 6761, section 6.4); the flags of chromium.py
send Chromium's remaining errands there. Firefox and WebKitGTK, as they
are started here, ask for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.browser.harness.proxy import Hit

HOSTS = frozenset(
    {
        "update.invalid",  # the component updater's first check, which Playwright's flags do not stop
        "accounts.invalid",  # the list of accounts that are signed in, asked for once at the start
        "autofill.invalid",  # what a form's fields mean, asked for where a page has a form
    }
)


def without_background(hits: Iterable[Hit]) -> list[Hit]:
    """Return the hits that a page, not the browser itself, is answerable for."""
    return [hit for hit in hits if hit.host not in HOSTS]
