"""
Inspects an application: its layers of middleware, and the paths that it serves.

It knows Flask, Quart, Django, Starlette and FastAPI, their test clients, and any middleware that stores the wrapped
application under a common name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from consent_mw.core.model import Site
from consent_mw.engine import Engine

__all__ = ["every_route", "layers_of", "site_around"]

#: Attributes in which middleware and test clients store what they wrap.
_INNER = ("wsgi_app", "asgi_app", "app", "_app", "application", "handler")
_MOST_LAYERS = 32
#: A Django regular expression that matches exactly one path.
_PLAIN = re.compile(r"\^?((?:[\w/~-]|\\[.-])*)(?:\$|\\Z)?", re.ASCII)


def every_route(app: Any) -> list[str]:
    """
    Return the paths that an application serves by GET, in the order of its routes.

    Routes with parameters are left out. The list is empty if the application's routes cannot be listed.

    Args:
        app: The application, wrapped or not, or a test client of it.
    """
    for layer in layers_of(app):
        found = list(dict.fromkeys(_routes_of(layer)))
        if found:
            return found
    return []


def layers_of(app: Any) -> Iterator[Any]:
    """Yield an application and the layers inside it, from the outside in, each once."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen and len(seen) < _MOST_LAYERS:
        seen.add(id(app))
        yield app
        kept = vars(app) if hasattr(app, "__dict__") else {}
        app = next((kept[name] for name in _INNER if callable(kept.get(name))), None)
        app = getattr(app, "__self__", app)  # from a bound method, such as Flask's wsgi_app, to its application


def site_around(app: Any) -> Site | None:
    """Return the configuration of the consent_mw around an application, or None if it cannot be found."""
    engines = (vars(layer).get("engine") for layer in layers_of(app) if hasattr(layer, "__dict__"))
    return next((engine.site for engine in engines if isinstance(engine, Engine)), None)


def _routes_of(app: Any) -> Iterable[str]:
    if hasattr(app, "url_map"):
        return _of_flask(app.url_map)
    if isinstance(getattr(app, "routes", None), list):
        return _of_starlette(app.routes, "")
    if any(kind.__module__ == "django.core.handlers.base" for kind in type(app).__mro__):
        return _of_django()
    return ()


def _of_flask(url_map: Any) -> Iterator[str]:
    for rule in url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.arguments:
            yield rule.rule


def _of_starlette(routes: Iterable[Any], before: str) -> Iterator[str]:
    for route in routes:
        path = before + getattr(route, "path", "")
        inner = getattr(route, "routes", None)
        if "{" in path:
            continue
        if inner:
            yield from _of_starlette(inner, path)
        elif hasattr(route, "methods") and (route.methods is None or "GET" in route.methods):
            yield path  # None: the endpoint is a class, which accepts any method


def _of_django() -> Iterator[str]:
    from django.urls import get_resolver

    yield from _of_patterns(get_resolver().url_patterns, "/")


def _of_patterns(patterns: Iterable[Any], before: str) -> Iterator[str]:
    for entry in patterns:
        route = _path_of(entry.pattern)
        if route is None:
            continue
        if hasattr(entry, "url_patterns"):
            yield from _of_patterns(entry.url_patterns, before + route)
        else:
            yield before + route


def _path_of(pattern: Any) -> str | None:
    """Return the path that a Django pattern matches, or None if it matches several."""
    if hasattr(pattern, "language_prefix"):
        return str(pattern.language_prefix)
    if hasattr(pattern, "_route"):
        route = str(pattern._route)
        return None if "<" in route else route
    found = _PLAIN.fullmatch(str(getattr(pattern, "_regex", "(")))
    return None if found is None else found[1].replace("\\", "")
