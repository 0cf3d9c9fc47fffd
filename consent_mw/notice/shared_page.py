"""
How a page that caches serve to everybody differs (``caching = "shared"``).

The page is rendered for a visitor who has not chosen and sends no signal. Before the first paint the runtime, which
then includes ``static/shared.js``, adapts it to the actual visitor. Markup that depends on an opt-out signal has
``data-cmw-gpc``: under the signal a template with it is opened, and any other element is removed.

A parser may pause between the banner and the script after it, and the browser may paint meanwhile. So the style sheet
(``static/shared.css``) hides the banner until the script has run or, if scripts are disabled, until the mark after the
script has arrived.
"""

from __future__ import annotations

from collections.abc import Callable

from consent_mw.core.model import MARKETING
from consent_mw.core.model import Site
from consent_mw.notice.assets import Assets

_MARK = ' data-cmw-gpc=""'

#: The mark after the script of the notice. A template is allowed wherever a script is.
_END = '<template data-cmw-end=""></template>'


def runtime_of(site: Site, assets: Assets, *, later: bool = False) -> bytes:
    """Return the runtime in the form that the site's pages need, on a first visit or a later one."""
    if site.migrate_from:  # such pages are never shared
        return assets.read("taking.js")
    if site.caching == "shared":
        return assets.read("shared.js")
    return assets.read("later.js" if later else "runtime.js")


def end(site: Site) -> str:
    """Return the mark after the script of a page with the banner, which the site's style sheet waits for."""
    return _END if site.caching == "shared" else ""


def marks(site: Site, *, shared: bool) -> Callable[[str], str]:
    """Return a function from a purpose to the mark if the signal answers for it; an empty name means the banner."""
    answered = {MARKETING} if shared else set()
    if shared and all(service.opted_out for service in site.optional):
        answered.add("")
    return lambda name: _MARK if name in answered else ""


def under_signal(markup: str, gpc: bool, shared: bool) -> str:
    """Return markup that is shown only under the signal; on a shared page, in a template that the runtime opens."""
    if shared:
        return f"<template{_MARK}>{markup}</template>"
    return markup if gpc else ""
