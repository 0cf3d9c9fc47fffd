"""consent_mw: the server-side cookie-consent layer for Python web sites."""

from __future__ import annotations

from consent_mw.asgi import ConsentASGIMiddleware
from consent_mw.core.model import Decision
from consent_mw.core.model import Purpose
from consent_mw.core.model import Record
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
