"""
Clear errors at start-up for common mistakes in wrapping an application.

Otherwise they would surface as something else: an endless recursion, a missing attribute, a coroutine that is never
awaited.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from inspect import Parameter
from inspect import iscoroutinefunction
from inspect import isroutine
from inspect import signature
from os import PathLike

from consent_mw.errors import ConfigError
from consent_mw.errors import Problem

__all__ = [
    "called_extension",
    "called_like_class",
    "check_asgi",
    "check_flask",
    "check_wsgi",
    "missing",
    "self_wrapped",
    "warn_of_discarded",
    "warn_of_route",
]

logger = logging.getLogger("consent_mw")

_FLASK = "For Flask write Consent(app) (consent_mw.flask), or app.wsgi_app = ConsentMiddleware(app.wsgi_app)."
_DJANGO = 'In Django\'s MIDDLEWARE write "consent_mw.django.ConsentMiddleware".'
#: The parameters of an application (PEP 3333; ASGI 3.0).
_WSGI = ("environ", "start_response")
_ASGI = ("scope", "receive", "send")
#: The parameter of the callable that Django passes to its middleware.
_REQUEST = ("request",)
#: Where objects that are not applications themselves keep it, or make it.
_INSIDE = ("wsgi_app", "server", "app", "application", "make_wsgi_app")
#: The most nested wrappers that are searched for an application that wraps itself.
_MOST_WRAPPERS = 20


def check_wsgi(app: object) -> None:
    """
    Refuse anything that is not a WSGI application.

    Raises:
        ConfigError: names the mistake.
    """
    where = "ConsentMiddleware"
    app = _adapted(app)
    _refuse_extension(where, app)
    if not callable(app):
        raise _slip(where, f"It wraps {_kind(app)}, which is not an application.", _in_place_of_app(where, app, "WSGI"))
    _refuse_class(where, app)
    if _is_asynchronous(app) or not _accepts(app, _WSGI):
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
    app = _adapted(app)
    _refuse_extension(where, app)
    if not callable(app):
        raise _slip(where, f"It wraps {_kind(app)}, which is not an application.", _in_place_of_app(where, app, "ASGI"))
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
        raise _slip("Consent", what, _instead_of_flask(app))


def _instead_of_flask(app: object) -> str:
    app = _adapted(app)
    for name in _INSIDE:
        inner = getattr(app, name, None)
        if hasattr(inner, "wsgi_app") and hasattr(inner, "extensions"):
            return f"Write Consent(app.{name}), or Consent(app.{name}, config)."
    if hasattr(app, "asgi_app"):
        return "For Quart write app.asgi_app = ConsentASGIMiddleware(app.asgi_app)."
    if callable(app) and not isinstance(app, type):
        if _accepts(app, _ASGI) and _is_asynchronous(app):
            return "Wrap an ASGI application: site = ConsentASGIMiddleware(app)."
        if _accepts(app, _REQUEST) and not _accepts(app, _WSGI):
            return f"Write Consent(app), or Consent(app, config). {_DJANGO}"
    return "Write Consent(app), or Consent(app, config)."


def _adapted(app: object) -> object:
    """
    Return the callable inside adapters of asgiref, which themselves accept any arguments.

    Django wraps its handler in them if either the middleware or the server is asynchronous and the other is not.
    """
    for name in ("awaitable", "func"):
        if type(app).__module__ == "asgiref.sync" and hasattr(app, name):
            app = getattr(app, name)
    return app


def _in_place_of_app(where: str, given: object, kind: str) -> str:
    """Return the remedy for an attempt to wrap something that cannot be called."""
    if isinstance(given, Mapping) and ("REQUEST_METHOD" in given or "asgi" in given):
        flask = f" {_FLASK}" if "REQUEST_METHOD" in given else ""
        return f"This is a request, so the server calls the class: write site = {where}(app), and serve that.{flask}"
    if hasattr(given, "scope"):
        return f"This is a request: write app.add_middleware({where}, config=config)."
    if isinstance(given, str | Mapping | PathLike):
        return f"The application comes first: {where}(app, config)."
    return f"Give it the {kind} application itself{_inside(given)}."


def _inside(given: object) -> str:
    """Return where an object that is not an application may have one, as the end of a sentence; empty if nowhere."""
    for name in _INSIDE:
        if callable(getattr(given, name, None)):
            return f", probably its .{name}()" if name.startswith("make") else f", probably its .{name}"
    return ""


def _accepts(app: object, names: tuple[str, ...]) -> bool:
    """
    Return whether the application accepts these arguments, as far as its signature tells.

    A function that needs none of its arguments makes an application rather than being one. A wrapper that passes all
    its arguments on has no keywords of its own.
    """
    try:
        found = signature(app)  # type: ignore[arg-type]
        found.bind(*names)
    except ValueError:
        return True  # written in C
    except TypeError:
        return False
    given = [one for one in found.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
    if given and given[0].kind is Parameter.VAR_POSITIONAL:
        return len(given) == 1
    return any(one.default is Parameter.empty or one.kind is Parameter.VAR_POSITIONAL for one in given)


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


def _refuse_extension(where: str, app: object) -> None:
    """Refuse our extension for Flask in the place of the application that it wraps."""
    kind = app if isinstance(app, type) else type(app)
    if kind.__module__ == "consent_mw.flask":
        what = f"It wraps {kind.__qualname__}, which wraps a Flask application itself."
        raise _slip(where, what, "Write Consent(app), and serve app.")


def _other_call(where: str, app: object, names: tuple[str, ...]) -> ConfigError:
    """Return the error for something that cannot be called like an application."""
    name = getattr(app, "__qualname__", type(app).__qualname__)
    try:
        signature(app).bind()  # type: ignore[arg-type]
    except TypeError:
        remedy = f"Give it the application itself. {_DJANGO}"
    else:
        remedy = f"If it makes the application, call it: {where}({name}())."
        if not isroutine(app) and not isinstance(app, type):
            remedy = f"Give it the application itself{_inside(app)}."
    what = f"It wraps {name}, which cannot be called with ({', '.join(names)}), so it is not an application."
    return _slip(where, what, remedy)


def _warn_of_second_wrapper(app: object) -> None:
    """Warn of an application that is wrapped already: the outer wrapper decides, and the inner one is idle."""
    if type(app).__module__ in ("consent_mw.wsgi", "consent_mw.asgi"):
        logger.warning("the application is wrapped by consent_mw twice; only the outer configuration has an effect")


def warn_of_discarded(middleware: object, app: object) -> None:
    """Report a wrapper that is made and kept nowhere, so that the application is served without it."""
    kind = type(middleware).__name__
    remedy = _FLASK if hasattr(getattr(app, "__self__", app), "wsgi_app") else f"Serve it: site = {kind}(app)."
    logger.error("nothing is held: %s(app) makes another application, but nothing keeps it. %s", kind, remedy)


def warn_of_route(scope: Mapping[str, object]) -> None:
    """Report a wrapper that stands inside a route: requests for the pages of the mount do not reach it."""
    endpoint = scope.get("endpoint")
    if "route_handler" in scope or isroutine(endpoint) or isinstance(endpoint, type):
        logger.error(
            "visitors cannot answer: ConsentASGIMiddleware runs inside a route of the application, so requests for its"
            " own pages do not reach it. Wrap the application itself: site = ConsentASGIMiddleware(app)."
        )


def self_wrapped(app: object, middleware: object) -> ConfigError | None:
    """Return the error for an application that calls the middleware that wraps it, or None if it does not."""
    for name, value in getattr(app, "__dict__", {}).items():
        inner: object = value
        for _ in range(_MOST_WRAPPERS):
            if inner is middleware:
                kind = type(middleware).__name__
                what = f"app.{name} = {kind}(app) wraps the application around itself."
                return _slip(kind, what, _FLASK if name == "wsgi_app" else f"Write app.{name} = {kind}(app.{name}).")
            inner = getattr(inner, "__dict__", {}).get("app")
    return None


def called_like_class(middleware: object, given: tuple[object, ...]) -> ConfigError:
    """
    Return the error for a middleware that is called with something other than a request.

    A framework does so whose own list of middleware holds classes, or functions that take nothing or the request, and
    was given an object that wraps an application already.
    """
    kind = type(middleware).__name__
    if given and _accepts(given[0], _ASGI) and callable(given[0]):
        remedy = f"Name the class: app.add_middleware({kind}, config=config)."
        if kind == "ConsentMiddleware":
            remedy = "Use app.add_middleware(ConsentASGIMiddleware, config=config)."
    elif kind == "ConsentMiddleware":
        remedy = f"{_FLASK} {_DJANGO}"
    else:
        remedy = f"Serve it: site = {kind}(app)."
    what = f"An object of this class is an application itself, and was called with {_arguments(given)}."
    return _slip(kind, what, remedy)


def called_extension() -> ConfigError:
    """Return the error for the Flask extension that is called, as an application or as a hook."""
    what = "It extends the application, and cannot be called: it is no application and no hook."
    return _slip("Consent", what, "Write Consent(app) on a line of its own: app then holds by itself.")


def _arguments(given: tuple[object, ...]) -> str:
    return ", ".join(map(_kind, given)) or "nothing"


def missing(middleware: object, app: object, name: str) -> AttributeError:
    """Return the error for an attribute that the middleware lacks but the application may have."""
    kind = type(middleware).__name__
    text = f"{kind!r} object has no attribute {name!r}"
    if name == "rsplit":  # Django looks for the last dot of a name
        return AttributeError(f"{text}: it stands in the place of a name. {_DJANGO}")
    if name.startswith("__") or not hasattr(app, name):
        return AttributeError(text)
    remedy = _FLASK if hasattr(app, "wsgi_app") else f"Keep app, and serve another name: site = {kind}(app)."
    return AttributeError(f"{text}: it stands in the place of {_kind(app)}, which has one. {remedy}")


def _slip(where: str, what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(where, what, remedy)])


def _kind(thing: object) -> str:
    if isroutine(thing):
        return str(getattr(thing, "__qualname__", "function"))
    package, kind = type(thing).__module__.partition(".")[0], type(thing).__qualname__
    return kind if package == "builtins" else f"{package}.{kind}"
