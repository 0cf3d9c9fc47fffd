"""
First-party sites to visit: one page, and small answers to its other requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.browser.harness.answers import GIF

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

#: The host of the page in every case.
FIRST_PARTY = "first-party.example"
ROOT = f"https://{FIRST_PARTY}/"

_BODIES: dict[str, tuple[str, bytes]] = {
    "css": ("text/css", b""),
    "gif": ("image/gif", GIF),
    "ico": ("image/gif", GIF),
    "js": ("text/javascript", b""),
    "php": ("image/gif", GIF),
    "png": ("image/gif", GIF),
}


class PageSite:
    """
    A WSGI application with a page at ``/``, optionally more pages, and a small answer to every other request.

    Args:
        page: The bytes of the page at ``/``.
        content_type: Its Content-Type.
        chunk: The size of the pieces it is sent in, in bytes; 0 for one piece.
        errors: Whether to answer every other request with 404.
        others: More pages, by path, sent as ``text/html; charset=utf-8``.
    """

    def __init__(
        self,
        page: bytes,
        *,
        content_type: str = "text/html; charset=utf-8",
        chunk: int = 0,
        errors: bool = False,
        others: Mapping[str, bytes] | None = None,
    ) -> None:
        self._pages = {"/": (content_type, page)}
        self._pages.update({path: ("text/html; charset=utf-8", body) for path, body in (others or {}).items()})
        self._chunk = chunk
        self._errors = errors

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        found = self._pages.get(path)
        if found is not None and (not environ["QUERY_STRING"] or path != "/" or not self._errors):
            start_response("200 OK", [("Content-Type", found[0]), ("Cache-Control", "no-store")])
            return self._pieces(found[1])
        content_type, body = _BODIES.get(path.rpartition(".")[2], ("text/html; charset=utf-8", b"<p>small"))
        if self._errors:
            start_response("404 Not Found", [("Content-Type", "text/plain"), ("Cache-Control", "no-store")])
            return [b"nothing"]
        start_response("200 OK", [("Content-Type", content_type), ("Cache-Control", "no-store")])
        return [body]

    def _pieces(self, page: bytes) -> Iterable[bytes]:
        size = self._chunk or len(page) or 1
        return [page[at : at + size] for at in range(0, len(page), size)] or [b""]
