"""
Clear errors at start-up for common mistakes in wrapping an application.

Otherwise they would surface as something else: an endless recursion, a missing attribute, a coroutine that is never
awaited.
"""

from __future__ import annotations

import logging
from inspect import Parameter
from inspect import iscoroutinefunction
from inspect import signature

from consent_mw.errors import ConfigError
from consent_mw.errors import Problem

__all__ = ["check_asgi", "check_flask", "check_wsgi", "missing", "wraps_itself"]

logger = logging.getLogger("consent_mw")

_FLASK = "For Flask write Consent(app) (consent_mw.flask), or app.wsgi_app = ConsentMiddleware(app.wsgi_app)."
_DJANGO = 'In Django\'s MIDDLEWARE write "consent_mw.django.ConsentMiddleware".'
#: The parameters of an application (PEP 3333; ASGI 3.0).
_WSGI = ("environ", "start_response")
_ASGI = ("scope", "receive", "send")


def check_wsgi(app: object) -> None:
    """
    Refuse anything that is not a WSGI application.

    Raises:
        ConfigError: names the mistake.
    """
    where = "ConsentMiddleware"
    if not callable(app):
        raise _slip(where, f"It wraps {_kind(app)}, which is no application.", "Give it the WSGI application itself.")
    _refuse_class(where, app)
    if iscoroutinefunction(app) or iscoroutinefunction(getattr(app, "__call__", None)):  # noqa: B004 -- of its class
        raise _slip(where, f"It wraps {_kind(app)}, an ASGI application.", "Use ConsentASGIMiddleware.")
    if not _accepts(app, _WSGI):
        if _accepts(app, _ASGI):
            raise _slip(where, f"It wraps {_kind(app)}, an ASGI application.", "Use ConsentASGIMiddleware.")
        raise _other_call(where, app, _WSGI)
    _warn_of_second_wrapper(app)


def check_asgi(app: object) -> None:
    """
    Refuse anything that is not an ASGI application.

    Raises:
        ConfigError: names the mistake.
    """
    where = "ConsentASGIMiddleware"
    if not callable(app):
        raise _slip(where, f"It wraps {_kind(app)}, which is no application.", "Give it the ASGI application itself.")
    _refuse_class(where, app)
    if hasattr(app, "wsgi_app"):
        raise _slip(where, f"It wraps {_kind(app)}, a WSGI application.", _FLASK)
    if not _accepts(app, _ASGI):
        if _accepts(app, _WSGI) and not _is_asynchronous(app):
            raise _slip(where, f"It wraps {_kind(app)}, a WSGI application.", "Use ConsentMiddleware.")
        raise _other_call(where, app, _ASGI)
    _warn_of_second_wrapper(app)


def check_flask(app: object) -> None:
    """
    Refuse anything that is not a Flask application.

    Raises:
        ConfigError: names the mistake.
    """
    if not (hasattr(app, "wsgi_app") and hasattr(app, "extensions")) or isinstance(app, type):
        what = f"Consent extends a Flask application, and this is {_kind(app)}."
        raise _slip("Consent", what, "Write Consent(app), or Consent(app, config).")


def _accepts(app: object, names: tuple[str, ...]) -> bool:
    """
    Return whether the application can be called with these arguments, as far as it tells.

    A function that needs none of its arguments makes an application rather than being one.
    """
    try:
        found = signature(app)  # type: ignore[arg-type]
        found.bind(*names)
    except ValueError:
        return True  # written in C
    except TypeError:
        return False
    kinds = found.parameters.values()
    return any(one.default is Parameter.empty or one.kind is Parameter.VAR_POSITIONAL for one in kinds)


def _is_asynchronous(app: object) -> bool:
    return iscoroutinefunction(app) or iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004 -- of its class


def _refuse_class(where: str, app: object) -> None:
    """
    Refuse a class whose instances are the applications.

    A class may itself be an application (PEP 3333): its constructor takes the request, and its instances are the body.
    """
    if isinstance(app, type) and any("__call__" in vars(one) for one in app.__mro__):
        raise _slip(
            where, f"It wraps the class {app.__qualname__}.", f"Make an application of it: {app.__qualname__}(…)."
        )


def _other_call(where: str, app: object, names: tuple[str, ...]) -> ConfigError:
    """Return the error for something that cannot be called as an application is."""
    name = getattr(app, "__qualname__", type(app).__qualname__)
    try:
        signature(app).bind()  # type: ignore[arg-type]
    except TypeError:
        remedy = f"Give it the application itself. {_DJANGO}"
    else:
        remedy = f"If it makes the application, call it: {where}({name}())."
    what = f"It wraps {name}, which cannot be called with ({', '.join(names)}), so it is no application."
    return _slip(where, what, remedy)


def _warn_of_second_wrapper(app: object) -> None:
    """Warn of an application that is wrapped already: the outer wrapper decides, and the inner one is idle."""
    if type(app).__module__ in ("consent_mw.wsgi", "consent_mw.asgi"):
        logger.warning("the application is wrapped by consent_mw twice; only the outer configuration has an effect")


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
