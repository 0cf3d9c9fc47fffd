"""The addresses that an application answers to GET without needing a parameter: Flask, Django, Starlette, FastAPI."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

__all__ = ["every_route"]

#: Where wrappers keep what they wrap.
_INNER = ("app", "wsgi_app", "_app", "application")
_MOST_LAYERS = 16


def every_route(app: Any) -> list[str]:
    """
    Return the paths of an application that can be asked for as they are, in the order of its own list.

    Routes with a parameter are left out, as nobody can say what stands for it. An application whose routes cannot be
    listed gives an empty list.
    """
    for layer in _layers(app):
        found = list(dict.fromkeys(_routes_of(layer)))
        if found:
            return found
    return []


def _layers(app: Any) -> Iterator[Any]:
    """Yield an application, and what it wraps."""
    for _ in range(_MOST_LAYERS):
        if app is None:
            return
        yield app
        kept = vars(app) if hasattr(app, "__dict__") else {}
        app = next((kept[name] for name in _INNER if kept.get(name) is not None and callable(kept[name])), None)
        if app is not None and hasattr(app, "__self__"):
            app = app.__self__  # a bound method, such as Flask's wsgi_app


def _routes_of(app: Any) -> Iterable[str]:
    if hasattr(app, "url_map"):
        return _of_flask(app.url_map)
    if isinstance(getattr(app, "routes", None), list):
        return _of_starlette(app.routes, "")
    if type(app).__module__.startswith("django.core.handlers"):
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
            yield path  # None: an endpoint that is a class, and takes what it likes


def _of_django() -> Iterator[str]:
    from django.urls import get_resolver

    yield from _of_patterns(get_resolver().url_patterns, "/")


def _of_patterns(patterns: Iterable[Any], before: str) -> Iterator[str]:
    for entry in patterns:
        route = getattr(entry.pattern, "_route", None)
        if route is None or "<" in str(route):
            continue  # a regular expression, or a parameter
        path = before + str(route)
        if hasattr(entry, "url_patterns"):
            yield from _of_patterns(entry.url_patterns, path)
        else:
            yield path
