"""From a Django project's settings: the configuration, and one engine per process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

from consent_mw import config
from consent_mw.config.source import read_text
from consent_mw.core.model import Site
from consent_mw.engine import Engine
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem
from consent_mw.jobs import ConsentJobs

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLResolver

__all__ = [
    "administration",
    "check_installed",
    "check_names",
    "config_file",
    "engine",
    "is_staff",
    "jobs",
    "site",
    "text_at_start",
]

#: The names of the middleware, as ``MIDDLEWARE`` may list them.
_NAMES = ("consent_mw.django.ConsentMiddleware", "consent_mw.django.middleware.ConsentMiddleware")
#: The key of the Django request in the environ of a request for our own pages.
REQUEST = "consent_mw.django.request"


def site() -> Site:
    """
    Return the site from the setting ``CONSENT``; unless configured otherwise, the project's staff may see its rates.

    Raises:
        ConfigError: with every mistake in it.
    """
    given = getattr(settings, "CONSENT", None)
    found = given if isinstance(given, Site) else config.load(_source(given))
    if not found.stats.open and "django.contrib.auth" in settings.INSTALLED_APPS:
        found = replace(found, stats=replace(found.stats, check=is_staff))
    return found


def _source(given: object) -> None | str | os.PathLike[str] | Mapping[str, object]:
    if given is None or isinstance(given, str | os.PathLike | Mapping):
        return given
    return str(given)


def config_file() -> str:
    """Return the path of the file that the setting ``CONSENT`` names; empty if it names none."""
    source = _source(getattr(settings, "CONSENT", None))
    return os.path.abspath(os.fsdecode(source)) if isinstance(source, str | os.PathLike) else ""


@cache
def text_at_start() -> str:
    """Return the text that the configuration file had when this process began to use it; empty without a file."""
    try:
        return read_text(file) if (file := config_file()) else ""
    except ConfigError:
        return ""


@cache
def engine() -> Engine:
    """
    Return the engine of this process.

    Raises:
        ConfigError: with every mistake in the setting ``CONSENT``.
    """
    text_at_start.cache_clear()
    text_at_start()
    return Engine.configured(site())


@cache
def jobs() -> ConsentJobs:
    """
    Return the :class:`~consent_mw.jobs.ConsentJobs` of the project, for background jobs.

    Raises:
        ConfigError: with every mistake in the setting ``CONSENT``.
    """
    return ConsentJobs(site())


def check_installed() -> None:
    """
    Refuse the package's own name in ``INSTALLED_APPS``, where it brings neither template tags nor checks.

    Raises:
        ConfigError: names the app to list instead.
    """
    if "consent_mw" in settings.INSTALLED_APPS:
        what = '"consent_mw" is not a Django app: it has no template tags, checks and command.'
        raise ConfigError([Problem("INSTALLED_APPS", what, 'Write "consent_mw.django" instead.')])


def check_names() -> None:
    """
    Refuse what ``MIDDLEWARE`` has of this package and is not the name of its middleware.

    Raises:
        ConfigError: names what to write.
    """
    for entry in settings.MIDDLEWARE:
        module = getattr(entry, "__module__", type(entry).__module__)
        if not isinstance(entry, str) and module.partition(".")[0] == "consent_mw":
            what = f"It has {'a class' if isinstance(entry, type) else 'an object'} of {module} where names belong."
        elif isinstance(entry, str) and entry.partition(".")[0] == "consent_mw" and entry not in _NAMES:
            what = f'"{entry}" is not the name of the middleware for Django.'
        else:
            continue
        raise ConfigError([Problem("MIDDLEWARE", what, f'Write "{_NAMES[0]}".')])


def administration() -> list[str]:
    """Return the paths of Django's and Wagtail's admin sites, where no visitor is asked."""
    from django.conf.urls.i18n import is_language_prefix_patterns_used
    from django.urls import NoReverseMatch
    from django.urls import get_resolver
    from django.urls import reverse
    from django.utils.translation import override

    names = [*_admin_sites(get_resolver()), "wagtailadmin_home"]
    found: dict[str, None] = {}
    # With translated URLs, each language has its own.
    translated, _ = is_language_prefix_patterns_used(settings.ROOT_URLCONF)
    for language, _ in settings.LANGUAGES if translated else [(settings.LANGUAGE_CODE, "")]:
        with override(language):
            for name in names:
                try:
                    path = reverse(name)
                except NoReverseMatch:
                    continue
                if path != "/":  # a project that consists only of its admin site has visitors, too
                    found[path] = None
    return list(found)


def _admin_sites(resolver: URLResolver, above: str = "") -> Iterator[str]:
    """Yield the names of the first pages of Django's admin sites, also of those in other namespaces."""
    for space in resolver.app_dict.get("admin", ()):
        yield f"{above}{space}:index"
    for space, (_, inner) in resolver.namespace_dict.items():
        yield from _admin_sites(inner, f"{above}{space}:")


def is_staff(environ: Mapping[str, object]) -> bool:
    """Return whether the request comes from a member of staff who is logged in to the project."""
    from django.contrib.auth import get_user
    from django.contrib.sessions.middleware import SessionMiddleware

    request = environ.get(REQUEST)
    if request is None:
        return False
    # Our pages are served before the project's own middleware runs, so the session is loaded here.
    SessionMiddleware(lambda request: None).process_request(request)
    user = get_user(_typed(request))
    return bool(user.is_active and getattr(user, "is_staff", False))


def _typed(request: object) -> HttpRequest:
    from django.http import HttpRequest

    if not isinstance(request, HttpRequest):
        raise TypeError("the environ holds something else than a Django request")
    return request
