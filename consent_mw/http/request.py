"""The head of one request, as every edge hands it over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from functools import lru_cache

from consent_mw.core.model import Signals


@lru_cache(maxsize=512)
def _field(variable: str) -> str:
    """Return the header, in lower case, that a variable of CGI stands for (RFC 3875, section 4.1.18)."""
    return variable[5:].replace("_", "-").lower()


@dataclass(frozen=True)
class RequestHead:
    """The start of one request as every edge describes it: no body, no address of anyone."""

    method: str
    scheme: str
    host: str
    path: str
    query: str
    #: Lower-case names, in the order of arrival, repeats kept.
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, object], *, scheme: str | None = None, path: str | None = None
    ) -> RequestHead:
        """
        Return the head of the request that a CGI-like mapping describes (RFC 3875; PEP 3333).

        Args:
            environ: The WSGI environ, or Django's ``request.META``.
            scheme: What a framework knows better than ``wsgi.url_scheme``.
            path: The same for ``PATH_INFO``: decoded, below the script name.
        """

        def text(name: str, default: str = "") -> str:
            return str(environ.get(name, default))

        if path is None:
            # PEP 3333 gives the path as bytes in latin-1; browsers send, and we echo, percent-encoded UTF-8.
            path = text("PATH_INFO").encode("latin-1", "replace").decode("utf-8", "replace")
        return cls(
            method=text("REQUEST_METHOD", "GET").upper(),
            scheme=text("wsgi.url_scheme", "http") if scheme is None else scheme,
            host=text("HTTP_HOST") or f"{text('SERVER_NAME')}:{text('SERVER_PORT')}",
            path=path,
            query=text("QUERY_STRING"),
            headers=tuple(
                (_field(name), value)
                for name, value in environ.items()
                if name.startswith("HTTP_") and isinstance(value, str)
            ),
        )

    def header(self, name: str) -> str | None:
        """Return the first header called ``name`` (lower case), or None."""
        return self._first.get(name)

    def all(self, name: str) -> list[str]:
        """Return every header called ``name`` (lower case)."""
        return [value for key, value in self.headers if key == name] if name in self._first else []

    @cached_property
    def _first(self) -> Mapping[str, str]:
        return dict(reversed(self.headers))

    @property
    def signals(self) -> Signals:
        """What the browser says for the visitor: one exact ``1`` opts out (Global Privacy Control, section 4.1)."""
        return Signals(gpc=any(part.strip() == "1" for value in self.all("sec-gpc") for part in value.split(",")))
