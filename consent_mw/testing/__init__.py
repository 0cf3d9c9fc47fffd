"""
For the tests of a site: nothing may load before consent.

    from consent_mw.testing import assert_held

    def test_home(client):
        assert_held(client.get("/"))

It accepts responses of the test clients of Flask, Django, Starlette and FastAPI, of httpx and of requests. They are
read as ``consent-mw audit`` reads a page (docs/audit.md): by the rewriter, without a browser.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from typing import TypeAlias
from urllib.parse import urlsplit

from consent_mw import config as configuration
from consent_mw.audit.pages import AuditedPage
from consent_mw.audit.pages import Reader
from consent_mw.audit.routes import every_route
from consent_mw.audit.targets import Response
from consent_mw.core.model import Site

__all__ = ["Configuration", "assert_held", "every_route", "reader_of"]

#: What names a site's configuration: a file, a mapping of the same form, a site, or None for consent.toml in the
#: current folder.
Configuration: TypeAlias = None | str | os.PathLike[str] | Mapping[str, object] | Site

#: The configuration file that is used by default.
_DEFAULT = "consent.toml"
#: Most loading elements that a message lists.
_NAMED = 20


def assert_held(response: Any, config: Configuration = None) -> None:
    """
    Fail if a browser would load anything from a response that needs consent.

    Args:
        response: The response to a visitor who granted nothing: from a test client, or HTML as str or bytes.
        config: The site's configuration; the default is consent.toml in the current folder, or the defaults.

    Raises:
        AssertionError: listing what would load, with its service, line and column.
        ConfigError: with every mistake in the configuration.
        TypeError: if the type of the response is not supported.
    """
    page = _held_page(response, config)
    lines = [
        f"  {load.service.name} ({load.service.id}) at {load.seen.line}:{load.seen.column}: {load.seen.markup}"
        if load.seen.line
        else f"  {load.service.name} ({load.service.id}) in the head: {load.seen.markup}"
        for load in page.loads
        if load.is_held
    ]
    if lines:
        more = f"\n  and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
        shown = "\n".join(lines[:_NAMED])
        raise AssertionError(f"{page.path} loads before consent:\n{shown}{more}\nIs the application wrapped?")
    if page.refused or page.problem:
        raise AssertionError(f"{page.path} cannot be looked at: {page.refused or page.problem}")


def _held_page(response: Any, config: Configuration = None) -> AuditedPage:
    """Return the response as the rewriter would send it."""
    origin, path, answer = _answer(response)
    return reader_of(config).read(origin, path, answer, whole=False)


def reader_of(config: Configuration) -> Reader:
    """
    Return what reads the pages of a site with this configuration.

    Raises:
        ConfigError: with every mistake in the configuration.
    """
    if isinstance(config, Site):
        return _kept_reader(id(config), config)
    if isinstance(config, Mapping):
        return _kept_reader(repr(config), config)
    file = os.path.abspath(config if config is not None else _DEFAULT)
    if config is None and not os.path.exists(file):
        file = ""
    return _reader_of_file(file, os.stat(file).st_mtime_ns if file and os.path.exists(file) else 0)


@lru_cache(maxsize=8)
def _reader_of_file(file: str, changed: int) -> Reader:
    return Reader(configuration.load(file or None))


_kept: dict[int | str, tuple[object, Reader]] = {}
_KEPT = 8


def _kept_reader(key: int | str, config: Site | Mapping[str, object]) -> Reader:
    """Return the reader for a configuration; a few are cached with their configuration, so that its id stays unique."""
    if key not in _kept:
        if len(_kept) >= _KEPT:
            _kept.clear()
        _kept[key] = (config, Reader(config if isinstance(config, Site) else configuration.load(config)))
    return _kept[key][1]


def _answer(response: Any) -> tuple[str, str, Response]:
    """Return the response with its origin and path."""
    origin, path = "https://localhost", "/"
    if isinstance(response, str | bytes):
        body = response.encode() if isinstance(response, str) else response
        return origin, path, Response(200, (("Content-Type", "text/html; charset=utf-8"),), body)
    headers = _headers(response)
    if hasattr(response, "get_data"):  # Werkzeug, Flask
        body, status = response.get_data(), response.status_code
        path = getattr(getattr(response, "request", None), "path", path)
    elif getattr(response, "streaming", False):  # Django
        body, status = response.getvalue(), response.status_code
        path = _django_path(response)
    elif hasattr(response, "content") and hasattr(response, "status_code"):  # Django, httpx, requests
        body, status = response.content, response.status_code
        path = _django_path(response)
        if url := str(getattr(response, "url", "") or ""):
            parts = urlsplit(url)
            if parts.netloc:
                origin, path = f"{parts.scheme}://{parts.netloc}", parts.path or "/"
        if "elapsed" in vars(response) or hasattr(response, "iter_bytes") or hasattr(response, "iter_content"):
            # These clients have already decompressed the body.
            headers = tuple(pair for pair in headers if pair[0].lower() != "content-encoding")
    else:
        raise TypeError(f"assert_held takes a response of a test client, text or bytes, not {type(response).__name__}.")
    return origin, path, Response(status, headers, bytes(body))


def _django_path(response: Any) -> str:
    request = getattr(response, "request", None)
    return str(request.get("PATH_INFO", "/")) if isinstance(request, Mapping) else "/"


def _headers(response: Any) -> tuple[tuple[str, str], ...]:
    headers = getattr(response, "headers", {})
    pairs = headers.multi_items() if hasattr(headers, "multi_items") else headers.items()
    found = [(str(name), str(value)) for name, value in pairs]
    cookies = getattr(response, "cookies", None)
    if cookies is not None and hasattr(cookies, "output"):  # Django keeps them separately
        found += [("Set-Cookie", morsel.OutputString()) for morsel in cookies.values()]
    return tuple(found)
