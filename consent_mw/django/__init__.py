"""
The Django edge: put ``consent_mw.django.ConsentMiddleware`` first in ``MIDDLEWARE``.

The setting ``CONSENT`` is a mapping of the form of ``consent.toml``, or the path of such a file; without it every known
tracker is held. Adding ``"consent_mw.django"`` to ``INSTALLED_APPS`` provides the template tags, the system checks and
the command ``manage.py consent``. Views call ``request.consent.allows("analytics")``, background jobs use
``consent_mw.django.jobs()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consent_mw.django.middleware import ConsentMiddleware as ConsentMiddleware
    from consent_mw.django.setup import jobs as jobs

__all__ = ["ConsentMiddleware", "jobs"]


def __getattr__(name: str) -> object:
    # Django imports this package before its settings are ready, so names that need them are imported lazily.
    if name == "ConsentMiddleware":
        from consent_mw.django.middleware import ConsentMiddleware

        return ConsentMiddleware
    if name == "jobs":
        from consent_mw.django.setup import jobs

        return jobs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
