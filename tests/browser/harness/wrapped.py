"""
The middleware as an owner would wrap a site with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from consent_mw import ConsentMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment


class Wrapped:
    """
    The middleware around a site whose pages change from visit to visit.

    It is created once, as in a server; ``around(site)`` is the same middleware around another ``site``.

    Args:
        folder: The folder for the records.
        config: Additional configuration.
    """

    def __init__(self, folder: Path, config: Mapping[str, object] | None = None) -> None:
        settings = {"records": f"sqlite:///{folder / 'consent.db'}"}
        self._middleware = ConsentMiddleware(_dispatch, {"site": settings, **(config or {})})

    def around(self, site: WSGIApplication) -> WSGIApplication:
        """Return the middleware around ``site``."""

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            return self._middleware({**environ, _SITE: site}, start_response)

        return app

    def close(self) -> None:
        """Stop the middleware's threads and close its records."""
        self._middleware.close()


_SITE = "tests.site"


def _dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    site: WSGIApplication = environ[_SITE]
    body: Iterable[bytes] = site(environ, start_response)
    return body
