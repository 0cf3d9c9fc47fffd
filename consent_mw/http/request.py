"""The head of one request, as every edge hands it over."""

from __future__ import annotations

from dataclasses import dataclass

from consent_mw.core.model import Signals


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The start of one request as every edge describes it: no body, no address of anyone."""

    method: str
    scheme: str
    host: str
    path: str
    query: str
    #: Lower-case names, in the order of arrival, repeats kept.
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        """Return the first header called ``name`` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        """Return every header called ``name`` (lower case)."""
        return [value for key, value in self.headers if key == name]

    @property
    def signals(self) -> Signals:
        """What the browser says for the visitor: one exact ``1`` opts out (Global Privacy Control, section 4.1)."""
        return Signals(gpc=any(part.strip() == "1" for value in self.all("sec-gpc") for part in value.split(",")))
