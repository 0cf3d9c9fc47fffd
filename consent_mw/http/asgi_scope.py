"""A request in ASGI's terms (ASGI 3.0, HTTP and WebSocket connection scopes), read as a request head."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from consent_mw.http.request import FieldNames
from consent_mw.http.request import RequestHead

Scope = MutableMapping[str, Any]


class _ScopeSource:
    """A request in ASGI's terms; a snapshot of the scope, which others may change later."""

    __slots__ = ("_headers", "_scope")

    def __init__(self, scope: Scope) -> None:
        self._scope = dict(scope)
        self._headers = [(bytes(name).lower(), value) for name, value in scope["headers"]]

    def carries(self, names: FieldNames) -> bool:
        return any(name in names.raw for name, _ in self._headers)

    def all(self, name: str) -> list[str]:
        wanted = name.encode("latin-1", "replace")
        return [value.decode("latin-1") for found, value in self._headers if found == wanted]

    def fields(self) -> dict[str, Any]:
        scope = self._scope
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in self._headers)
        host = next((value for name, value in headers if name == "host"), "")
        if not host and scope.get("server"):
            name, port = scope["server"]
            host = f"{name}:{port}" if port is not None else str(name)
        return {
            "method": scope["method"].upper(),
            "scheme": scope.get("scheme") or "http",
            "host": host,
            "path": path_of(scope),
            "query": scope.get("query_string", b"").decode("latin-1"),
            "headers": headers,
        }


def request_head(scope: Scope) -> RequestHead:
    """Return the request head for an ASGI scope."""
    return RequestHead.read_later(_ScopeSource(scope))


def root_of(scope: Scope) -> str:
    """Return the prefix under which the application is mounted."""
    return str(scope.get("root_path") or "").rstrip("/")


def path_of(scope: Scope) -> str:
    """Return the path below the root; servers differ on whether ``path`` includes the root."""
    path: str = scope["path"]
    root = root_of(scope)
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :] or "/"
    return path
