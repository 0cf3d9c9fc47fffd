"""What owners of sites write; it must be right under strict type checkers with the types that the package ships."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentError
from consent_mw import ConsentJobs
from consent_mw import ConsentMiddleware
from consent_mw import Decision
from consent_mw import Purpose
from consent_mw import Service
from consent_mw import Site
from consent_mw import consent_banner
from consent_mw import current
from consent_mw import open_records

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment


def shop(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer as an application that asks what the visitor allows."""
    decision: Decision = current(environ)
    allowed: bool = decision.allows("analytics")
    banner: str = consent_banner(environ)
    start_response("200 OK", [("Content-Type", "text/html")])
    return [banner.encode(), b"yes" if allowed else b"no"]


def wrap() -> WSGIApplication:
    """Wrap it in every way that a configuration may be given."""
    site = Site(purposes=(Purpose("analytics"),), services=(Service("a", "A", "A Ltd", ("analytics",)),))
    ConsentMiddleware(shop)
    ConsentMiddleware(shop, "consent.toml")
    ConsentMiddleware(shop, {"site": {"name": "Shop"}})
    return ConsentMiddleware(shop, site)


async def starlette_like(scope: object, receive: object, send: object) -> None:
    """Answer nothing."""


def jobs(frozen: str) -> bool:
    """Ask in a background job."""
    try:
        return ConsentJobs("consent.toml").thaw(frozen).allows("marketing")
    except ConsentError as error:
        return bool(str(error)) and False


def records() -> None:
    """Open a store."""
    open_records("sqlite:///consent.db").close()


ASGI = ConsentASGIMiddleware
