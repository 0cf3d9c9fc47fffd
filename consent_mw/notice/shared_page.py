"""
What is different in a page that caches keep for everybody (``caching = "shared"``).

It is made for somebody who has not decided and sends no signal. The runtime makes of it, before it is painted, what a
page for this one visitor would be: ``static/shared.js`` stands inside it for that. What only holds under an opt-out
signal is marked with ``data-cmw-gpc``: a template so marked is opened then, and any other element taken away.
"""

from __future__ import annotations

from collections.abc import Callable

from consent_mw.core.model import MARKETING
from consent_mw.core.model import Site
from consent_mw.notice.assets import Assets

_MARK = ' data-cmw-gpc=""'


def runtime_of(site: Site, assets: Assets) -> bytes:
    """Return the runtime as the pages of the site need it."""
    return assets.read("shared.js" if site.caching == "shared" else "runtime.js")


def marks(site: Site, *, shared: bool) -> Callable[[str], str]:
    """Return what marks a purpose that the signal answers for, and (an empty name) the banner, if it is for all."""
    answered = {MARKETING} if shared else set()
    if shared and all(service.opted_out for service in site.optional):
        answered.add("")
    return lambda name: _MARK if name in answered else ""


def under_signal(markup: str, gpc: bool, shared: bool) -> str:
    """Return markup that stands in a page under the signal alone; where the runtime finds that out, it waits for it."""
    if shared:
        return f"<template{_MARK}>{markup}</template>"
    return markup if gpc else ""
