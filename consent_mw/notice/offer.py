"""The purposes that a visitor is asked about, and what "accept all" covers."""

from __future__ import annotations

from consent_mw.core.model import MARKETING
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import Purpose
from consent_mw.core.model import Site

__all__ = ["covered", "offered"]


def offered(site: Site) -> tuple[Purpose, ...]:
    """
    Return the purposes that a visitor is asked about, in the site's order.

    These are the purposes of services that need consent, and those that the owner configured, since elements of a page
    may be marked with a purpose that has no service.
    """
    used = {purpose for service in site.optional for purpose in service.purposes} - {NECESSARY}
    known = {purpose.id for purpose in site.purposes}
    declared = [
        purpose
        for purpose in site.purposes
        if not purpose.required and (purpose.id in used or purpose.label or purpose.description)
    ]
    return (*declared, *(Purpose(id) for id in sorted(used - known)))


def covered(site: Site, gpc: bool) -> tuple[frozenset[str], frozenset[str]]:
    """Return the purposes and the services that "accept all" grants: all but marketing under an opt-out signal."""
    purposes = frozenset(purpose.id for purpose in offered(site))
    services = frozenset(service.id for service in site.optional)
    if gpc:
        purposes -= {MARKETING}
        services = frozenset(service.id for service in site.optional if not service.opted_out)
    return purposes, services
