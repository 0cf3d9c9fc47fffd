"""
The head of one request, in the form that all edges share.

Most responses are not pages, and need next to nothing of the request. So the edge's data is copied, because the
application may change its environ, and parsed only when a field is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

from consent_mw.core.choice import Signals
from consent_mw.core.lazy import lazy

_NO_SIGNAL, _OPTED_OUT = Signals(), Signals(gpc=True)


@lru_cache(maxsize=512)
def _field(variable: str) -> str:
    """Return the lower-case header name for a CGI variable (RFC 3875, section 4.1.18)."""
    return variable[5:].replace("_", "-").lower()


@lru_cache(maxsize=512)
def _variable(field: str) -> str:
    """Return the CGI variable for a lower-case header name (RFC 3875, section 4.1.18)."""
    return "HTTP_" + field.upper().replace("-", "_")


class FieldNames:
    """
    Names of request headers that are looked up together.

    Args:
        names: The names, in lower case.
    """

    __slots__ = ("fields", "raw", "variables")

    def __init__(self, names: Iterable[str]) -> None:
        self.fields = frozenset(names)
        #: The same names as bytes, for ASGI, and as CGI variables.
        self.raw = frozenset(name.encode("ascii") for name in self.fields)
        self.variables = frozenset(map(_variable, self.fields))


class HeadSource(Protocol):
    """A copy of the edge's data about a request, parsed on demand."""

    def fields(self) -> dict[str, Any]:
        """Return the fields of the head by their names."""
        ...

    def all(self, name: str) -> list[str]:
        """Return every header called ``name`` (lower case)."""
        ...

    def carries(self, names: FieldNames) -> bool:
        """Return whether the request has one of these headers."""
        ...


@dataclass(frozen=True)
class RequestHead:
    """The head of one request, the same for every edge: without the body, and without anybody's address."""

    method: str
    scheme: str
    host: str
    path: str
    query: str
    #: Lower-case names, in order of arrival, repeats kept.
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, object],
        *,
        scheme: str | None = None,
        path: str | None = None,
        copied: bool = False,
    ) -> RequestHead:
        """
        Return the head of the request that a CGI-like mapping describes (RFC 3875; PEP 3333).

        Args:
            environ: The WSGI environ or Django's ``request.META``; it is copied.
            scheme: The scheme, if a framework knows better than ``wsgi.url_scheme``.
            path: The decoded path below the script name, if a framework knows better than ``PATH_INFO``.
            copied: Whether ``environ`` is a copy already, which nobody changes.
        """
        return cls.read_later(_Variables(environ if copied else dict(environ), scheme, path))

    @classmethod
    def read_later(cls, source: HeadSource) -> RequestHead:
        """Return a head whose fields are read from ``source`` on first access."""
        head = cls.__new__(cls)
        head.__dict__["_source"] = source  # bypasses the frozen dataclass
        return head

    if not TYPE_CHECKING:  # the fields are declared above

        def __getattr__(self, name: str) -> Any:
            """Read all fields when the first one is accessed."""
            known = self.__dict__
            if name.startswith("_") or "_source" not in known:
                raise AttributeError(name)
            known.update(known["_source"].fields())
            if name not in known:
                raise AttributeError(name)
            return known[name]

    def carries(self, names: FieldNames) -> bool:
        """Return whether the request has one of these headers."""
        source: HeadSource | None = self.__dict__.get("_source")
        return not names.fields.isdisjoint(self.first) if source is None else source.carries(names)

    def header(self, name: str) -> str | None:
        """Return the first header called ``name`` (lower case), or None."""
        return self.first.get(name)

    def all(self, name: str) -> list[str]:
        """Return every header called ``name`` (lower case)."""
        source: HeadSource | None = self.__dict__.get("_source")
        if source is not None:
            return source.all(name)
        return [value for key, value in self.headers if key == name] if name in self.first else []

    @lazy
    def first(self) -> Mapping[str, str]:
        """The first header of each name (lower case)."""
        return dict(reversed(self.headers))

    @lazy
    def cookie_headers(self) -> list[str]:
        """The Cookie headers; several parts of a page view look for a cookie."""
        return self.all("cookie")

    @property
    def signals(self) -> Signals:
        """The visitor's signals; only ``Sec-GPC: 1`` is an opt-out (Global Privacy Control, section 4.1)."""
        for value in self.all("sec-gpc"):
            if "1" in [part.strip() for part in value.split(",")]:
                return _OPTED_OUT
        return _NO_SIGNAL


class _Variables:
    """The head of a request in CGI variables."""

    __slots__ = ("_environ", "_path", "_scheme")

    def __init__(self, environ: Mapping[str, object], scheme: str | None, path: str | None) -> None:
        self._environ = environ
        self._scheme = scheme
        self._path = path

    def carries(self, names: FieldNames) -> bool:
        return not names.variables.isdisjoint(self._environ)

    def all(self, name: str) -> list[str]:
        value = self._environ.get(_variable(name))
        return [value] if isinstance(value, str) else []

    def fields(self) -> dict[str, Any]:
        environ, path = self._environ, self._path
        get = environ.get
        if path is None:
            # PEP 3333 gives the path as bytes in latin-1; browsers send, and we echo, percent-encoded UTF-8.
            path = str(get("PATH_INFO", "")).encode("latin-1", "replace").decode("utf-8", "replace")
        headers = [
            (_field(name), value) for name, value in environ.items() if name[:5] == "HTTP_" and isinstance(value, str)
        ]
        return {
            "method": str(get("REQUEST_METHOD", "GET")).upper(),
            "scheme": str(get("wsgi.url_scheme", "http")) if self._scheme is None else self._scheme,
            "host": str(get("HTTP_HOST", "")) or f"{get('SERVER_NAME', '')}:{get('SERVER_PORT', '')}",
            "path": path,
            "query": str(get("QUERY_STRING", "")),
            "headers": tuple(headers),
        }
