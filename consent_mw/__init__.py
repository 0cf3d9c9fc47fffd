"""
consent_mw: the server-side cookie-consent layer for Python web sites.

Names are imported on first access, so that a program which needs one of them does not load the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consent_mw.asgi import ConsentASGIMiddleware
    from consent_mw.core.choice import Decision
    from consent_mw.core.choice import Record
    from consent_mw.core.model import Purpose
    from consent_mw.core.model import Service
    from consent_mw.core.model import Site
    from consent_mw.errors import ConsentError
    from consent_mw.jobs import ConsentJobs
    from consent_mw.records import open_records
    from consent_mw.wsgi import ConsentMiddleware
    from consent_mw.wsgi import consent_banner
    from consent_mw.wsgi import current

__all__ = [
    "ConsentASGIMiddleware",
    "ConsentError",
    "ConsentJobs",
    "ConsentMiddleware",
    "Decision",
    "Purpose",
    "Record",
    "Service",
    "Site",
    "consent_banner",
    "current",
    "open_records",
]

#: Where each public name is.
_HOMES = {
    "ConsentASGIMiddleware": "asgi",
    "ConsentError": "errors",
    "ConsentJobs": "jobs",
    "ConsentMiddleware": "wsgi",
    "Decision": "core.choice",
    "Purpose": "core.model",
    "Record": "core.choice",
    "Service": "core.model",
    "Site": "core.model",
    "consent_banner": "wsgi",
    "current": "wsgi",
    "open_records": "records",
}


if not TYPE_CHECKING:  # a checker sees the names above, and no others

    def __getattr__(name: str) -> object:
        """Import a public name (PEP 562)."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
