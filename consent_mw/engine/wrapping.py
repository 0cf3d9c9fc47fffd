"""
Clear errors at start-up for common mistakes in wrapping an application.

Otherwise they would surface as something else: an endless recursion, a missing attribute, a coroutine that is never
awaited.
"""

from __future__ import annotations

from inspect import iscoroutinefunction

from consent_mw.errors import ConfigError
from consent_mw.errors import Problem

__all__ = ["check_asgi", "check_wsgi", "missing", "wraps_itself"]

_FLASK = "For Flask write Consent(app) (consent_mw.flask), or app.wsgi_app = ConsentMiddleware(app.wsgi_app)."


def check_wsgi(app: object) -> None:
    """
    Refuse anything that is not a WSGI application.

    Raises:
        ConfigError: names the mistake.
    """
    where = "ConsentMiddleware"
    if not callable(app):
        raise _slip(where, f"It wraps {_kind(app)}, which is no application.", "Give it the WSGI application itself.")
    if str(getattr(app, "__module__", "")).startswith("django.core.handlers"):
        what = "consent_mw.ConsentMiddleware stands in Django's MIDDLEWARE, and it is for WSGI applications."
        raise _slip(where, what, 'Write "consent_mw.django.ConsentMiddleware".')
    if iscoroutinefunction(app) or iscoroutinefunction(getattr(app, "__call__", None)):  # noqa: B004 -- of its class
        raise _slip(where, f"It wraps {_kind(app)}, an ASGI application.", "Use ConsentASGIMiddleware.")


def check_asgi(app: object) -> None:
    """
    Refuse anything that is not an ASGI application.

    Raises:
        ConfigError: names the mistake.
    """
    where = "ConsentASGIMiddleware"
    if not callable(app):
        raise _slip(where, f"It wraps {_kind(app)}, which is no application.", "Give it the ASGI application itself.")
    if hasattr(app, "wsgi_app"):
        raise _slip(where, f"It wraps {_kind(app)}, a WSGI application.", _FLASK)


def wraps_itself(app: object, middleware: object) -> bool:
    """Return whether the application calls the middleware that wraps it: the Flask app instead of its ``wsgi_app``."""
    return getattr(app, "wsgi_app", None) is middleware


def self_wrapped() -> ConfigError:
    """Return the error for an application that :func:`wraps_itself`."""
    what = "app.wsgi_app = ConsentMiddleware(app) wraps the application around itself."
    return _slip("ConsentMiddleware", what, _FLASK)


def missing(middleware: object, app: object, name: str) -> AttributeError:
    """Return the error for an attribute that the middleware lacks but the application may have."""
    kind = type(middleware).__name__
    text = f"{kind!r} object has no attribute {name!r}"
    if name.startswith("__") or not hasattr(app, name):
        return AttributeError(text)
    remedy = _FLASK if hasattr(app, "wsgi_app") else f"Keep app, and serve another name: site = {kind}(app)."
    return AttributeError(f"{text}: it stands in the place of {_kind(app)}, which has one. {remedy}")


def _slip(where: str, what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(where, what, remedy)])


def _kind(thing: object) -> str:
    package, kind = type(thing).__module__.partition(".")[0], type(thing).__qualname__
    return kind if package == "builtins" else f"{package}.{kind}"
