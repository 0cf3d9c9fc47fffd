"""
The proxy's responses on behalf of foreign hosts: small, of the right kind, and never from the network.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.harness.proxy import Hit

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

_HTML = b"<!doctype html><title>foreign</title><p>foreign</p>"

#: By the destination of the request (Fetch Standard, Sec-Fetch-Dest).
_BY_DEST: dict[str, tuple[str, bytes]] = {
    "audio": ("audio/mpeg", b""),
    "document": ("text/html; charset=utf-8", _HTML),
    "embed": ("image/gif", GIF),
    "font": ("font/woff2", b""),
    "frame": ("text/html; charset=utf-8", _HTML),
    "iframe": ("text/html; charset=utf-8", _HTML),
    "image": ("image/gif", GIF),
    "manifest": ("application/manifest+json", b"{}"),
    "object": ("image/gif", GIF),
    "script": ("text/javascript; charset=utf-8", b""),
    "style": ("text/css; charset=utf-8", b""),
    "track": ("text/vtt; charset=utf-8", b"WEBVTT\n"),
    "video": ("video/mp4", b""),
}

#: Browsers do not send Sec-Fetch-Dest over plain http; then the file name decides.
_BY_EXTENSION: dict[str, str] = {
    "css": "style",
    "gif": "image",
    "htm": "document",
    "html": "document",
    "js": "script",
    "json": "manifest",
    "mp4": "video",
    "png": "image",
    "svg": "image",
    "vtt": "track",
    "woff2": "font",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One response of the proxy; it is not cacheable, so that a second visit requests it again."""

    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def fitting(hit: Hit) -> Answer:
    """Return an empty but valid resource of the kind that ``hit`` requests, readable across origins."""
    dest = hit.dest
    if dest not in _BY_DEST:
        name = hit.path.partition("?")[0].rpartition("/")[2]
        dest = _BY_EXTENSION.get(name.rpartition(".")[2].lower(), "document" if hit.wants_html else "script")
    content_type, body = _BY_DEST[dest]
    return Answer(200, content_type, body, _cors(hit))


def failing(hit: Hit) -> Answer:
    """Return an error, so that ``onerror`` handlers and fallbacks run too."""
    return Answer(404, headers=_cors(hit))


def _cors(hit: Hit) -> tuple[tuple[str, str], ...]:
    """Return the headers that let the page read the response in any request mode."""
    return (
        ("Access-Control-Allow-Origin", hit.origin or "*"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Headers", "*"),
        ("Access-Control-Allow-Methods", "*"),
        ("Timing-Allow-Origin", "*"),
    )
