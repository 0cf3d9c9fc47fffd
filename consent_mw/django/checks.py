"""
System checks with stable ids for ``manage.py check``.

==================  ==========================================================================
consent_mw.E001     a mistake in the setting ``CONSENT``; one message per mistake
consent_mw.E002     the middleware is not in ``MIDDLEWARE``: nothing is held
consent_mw.W001     the middleware is not first: others before it can send pages that it does not see
consent_mw.W002     in production, the signing keys come from a file on this machine
consent_mw.W003     the middleware is listed twice: only the first has an effect
==================  ==========================================================================
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Error
from django.core.checks import Warning as Caution
from django.utils.module_loading import import_string

from consent_mw.django.middleware import ConsentMiddleware
from consent_mw.django.setup import site
from consent_mw.errors import ConfigError

MIDDLEWARE = "consent_mw.django.ConsentMiddleware"
#: Middleware that may come first: it sends no pages of its own, or only redirects.
_BEFORE = ("django.middleware.security.SecurityMiddleware",)


def check(app_configs: object = None, **kwargs: object) -> Sequence[CheckMessage]:
    """Return the problems in the project's use of consent_mw."""
    found: list[CheckMessage] = []
    try:
        described = site()
    except ConfigError as error:
        found += [
            Error(f"{problem.where}: {problem.what}", hint=problem.remedy, id="consent_mw.E001")
            for problem in error.problems
        ]
    else:
        if not settings.DEBUG and not os.environ.get(described.keys_env):
            found.append(
                Caution(
                    f"The environment variable {described.keys_env} is not set; a key file of this machine signs.",
                    hint="Set it to the content of that file before a second machine serves the site.",
                    id="consent_mw.W002",
                )
            )
    middleware = list(settings.MIDDLEWARE)
    places = [place for place, name in enumerate(middleware) if _is_ours(name)]
    if not places:
        found.append(
            Error(
                "consent_mw is installed, but its middleware is not in MIDDLEWARE, so nothing is held.",
                hint=f'Put "{MIDDLEWARE}" first in MIDDLEWARE.',
                id="consent_mw.E002",
            )
        )
    if len(places) > 1:
        found.append(
            Caution(
                "consent_mw is in MIDDLEWARE twice; only the first has an effect.",
                hint=f'List "{MIDDLEWARE}" once, as the first.',
                id="consent_mw.W003",
            )
        )
    if places and (early := [name for name in middleware[: places[0]] if name not in _BEFORE]):
        found.append(
            Caution(
                f"Pages that {', '.join(early)} changes or sends are not seen by consent_mw.",
                hint=f'Put "{MIDDLEWARE}" first in MIDDLEWARE.',
                id="consent_mw.W001",
            )
        )
    return found


def _is_ours(name: str) -> bool:
    """Return whether an entry of ``MIDDLEWARE`` is ours or a class that extends it."""
    try:
        found = import_string(name)
    except ImportError:
        return False  # Django says so itself
    return isinstance(found, type) and issubclass(found, ConsentMiddleware)
