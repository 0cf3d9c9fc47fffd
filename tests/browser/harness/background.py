"""
Requests that a browser makes by itself, without a page, although everything that can be switched off is.

The list is explicit and short on purpose: hosts in it are not counted against a page, so it must not contain a host
that a page could load from. Names under ``.invalid`` cannot exist (RFC 6761, section 6.4); the flags of chromium.py
direct Chromium's remaining background requests to them. Firefox and WebKitGTK, as started here, make none.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.browser.harness.proxy import Hit

HOSTS = frozenset(
    {
        "update.invalid",  # the component updater's first check, which Playwright's flags do not stop
        "accounts.invalid",  # the list of signed-in accounts, requested once at start-up
        "autofill.invalid",  # the meaning of form fields, requested for a page with a form
    }
)


def without_background(hits: Iterable[Hit]) -> list[Hit]:
    """Return the hits that a page caused, without the browser's background requests."""
    return [hit for hit in hits if hit.host not in HOSTS]
