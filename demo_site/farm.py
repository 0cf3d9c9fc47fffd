"""
The tracker farm: plays every vendor whose tags the shop uses, and shows each hit that it receives.

Under a vendor's local host it answers like the vendor, with scripts that set cookies and send more hits. Under
``farm.localhost`` (or any other name) it shows a counter for each vendor. The counters are updated by server-sent
events or, without JavaScript, by reloading the page. Nothing is written to disk.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections import deque
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jinja2 import Environment
from jinja2 import FileSystemLoader
from jinja2 import select_autoescape
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response

from demo_site.vendors import VENDORS
from demo_site.vendors import Vendor
from demo_site.vendors import address
from demo_site.vendors import played_host
from demo_site.vendors import vendor_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse
    from wsgiref.types import WSGIEnvironment

HERE = Path(__file__).parent
HITS_KEPT = 500
HITS_SHOWN = 30
SPROUTS_SHOWN = 36
TIMELINE_BARS = 60
BAR_SECONDS = 2.0

#: A transparent image of one pixel.
GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)

#: The template of the response, by host and path prefix; any other request gets an image.
SCRIPTS = {
    ("www.googletagmanager.com", "/gtag/js"): "gtag.js",
    ("www.googletagmanager.com", "/gtm.js"): "gtm.js",
    ("connect.facebook.net", "/"): "fbevents.js",
    ("js.stripe.com", "/v3/elements"): "stripe_card.html",
    ("js.stripe.com", "/v3"): "stripe.js",
    ("www.youtube.com", "/embed/"): "youtube.html",
    ("www.googletagmanager.com", "/ns.html"): "ns.html",
}
_TYPES = {"js": "text/javascript; charset=utf-8", "html": "text/html; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Hit:
    """A request to the farm; ``told`` contains what the vendor learned from it."""

    at: float
    vendor: str
    host: str
    method: str
    path: str
    told: tuple[tuple[str, str], ...]

    @property
    def clock(self) -> str:
        """The local time of day, to the second."""
        return datetime.fromtimestamp(self.at).strftime("%H:%M:%S")


@dataclass(frozen=True, slots=True)
class Plot:
    """A vendor and its number of hits, as the page shows them."""

    vendor: Vendor
    count: int

    @property
    def sprouts(self) -> int:
        """The number of hits that are drawn individually."""
        return min(self.count, SPROUTS_SHOWN)


class Farm:
    """
    The farm as a WSGI application.

    ``hits`` and ``counts`` may be read from any thread. ``close`` ends the live connections, so that the server can
    stop.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._hits: deque[Hit] = deque(maxlen=HITS_KEPT)
        self._counts: Counter[str] = Counter()
        self._edition = 0
        self._closing = False
        self._pages = Environment(
            loader=FileSystemLoader(HERE / "templates" / "farm"),
            autoescape=select_autoescape(["html"]),
            trim_blocks=True,
            lstrip_blocks=True,
        )

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The latest hits, oldest first."""
        with self._changed:
            return tuple(self._hits)

    @property
    def counts(self) -> dict[str, int]:
        """Hits by vendor id since the start or the last reset."""
        with self._changed:
            return dict(self._counts)

    def reset(self) -> None:
        """Forget every hit."""
        with self._changed:
            self._hits.clear()
            self._counts.clear()
            self._announce()

    def close(self) -> None:
        """End the live connections."""
        with self._changed:
            self._closing = True
            self._announce()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        host = played_host(request.host)
        response = self._as_vendor(request, host) if host else self._as_itself(request)
        return response(environ, start_response)

    def _announce(self) -> None:
        self._edition += 1
        self._changed.notify_all()

    # As one of the vendors.

    def _as_vendor(self, request: Request, host: str) -> Response:
        query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
        vendor = vendor_of(host, request.path + query)
        hit = Hit(
            at=time.time(),
            vendor=vendor.id if vendor else "unknown",
            host=host,
            method=request.method,
            path=(request.path + query)[:400],
            told=_told(request),
        )
        with self._changed:
            self._hits.append(hit)
            self._counts[hit.vendor] += 1
            self._announce()
        response = self._vendor_answer(request, host)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    def _vendor_answer(self, request: Request, host: str) -> Response:
        fitting = (name for (at, start), name in SCRIPTS.items() if at == host and request.path.startswith(start))
        name = next(fitting, "")
        if not name:
            return Response(GIF, content_type="image/gif")
        port = int(request.host.rpartition(":")[2]) if ":" in request.host else 80
        body = self._pages.get_template(name).render(
            at=lambda vendor_host: address(vendor_host, port),
            id=_identifier(request.args.get("id", "")),
            video=_identifier(request.path.rpartition("/")[2]),
        )
        return Response(body, content_type=_TYPES[name.rpartition(".")[2]])

    # As itself.

    def _as_itself(self, request: Request) -> Response:
        match (request.method, request.path):
            case ("GET" | "HEAD", "/"):
                page = self._pages.get_template("page.html").render(board=self._board())
                return Response(page, content_type=_TYPES["html"], headers={"Cache-Control": "no-store"})
            case ("GET" | "HEAD", "/farm.css"):
                return Response((HERE / "static" / "farm.css").read_bytes(), content_type="text/css; charset=utf-8")
            case ("GET", "/live"):
                headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
                return Response(self._live(), content_type="text/event-stream", headers=headers)
            case ("POST", "/reset"):
                self.reset()
                return Response(status=303, headers={"Location": "/"})
            case ("GET" | "HEAD", "/favicon.ico"):
                return Response(status=204)
        return Response("There is nothing here.\n", status=404, content_type="text/plain; charset=utf-8")

    def _live(self) -> Iterator[str]:
        """Yield the board as server-sent events, whenever it changes."""
        shown = ""
        yield "retry: 1000\n\n"
        while True:
            with self._changed:
                edition = self._edition
                if self._closing:
                    return
            board = self._board()
            if board != shown:
                shown = board
                yield "".join(f"data: {line}\n" for line in board.splitlines()) + "\n"
            else:
                yield ": still here\n\n"  # only a write reveals to the server that the client has disconnected
            with self._changed:
                if self._edition == edition:
                    self._changed.wait(BAR_SECONDS)

    def _board(self) -> str:
        with self._changed:
            hits = tuple(self._hits)
            counts = dict(self._counts)
        plots = [Plot(vendor, counts.get(vendor.id, 0)) for vendor in VENDORS]
        return self._pages.get_template("board.html").render(
            held=[plot for plot in plots if not plot.vendor.necessary],
            free=[plot for plot in plots if plot.vendor.necessary],
            total=sum(plot.count for plot in plots if not plot.vendor.necessary),
            hits=hits[: -HITS_SHOWN - 1 : -1],
            names={vendor.id: vendor.name for vendor in VENDORS},
            bars=_timeline(hits, time.time()),
            minutes=round(TIMELINE_BARS * BAR_SECONDS / 60),
        )


def _timeline(hits: Iterable[Hit], now: float) -> list[int]:
    """Return the number of hits in each of the last ``TIMELINE_BARS`` spans, the current one last."""
    bars = [0] * TIMELINE_BARS
    latest = int(now // BAR_SECONDS)
    for hit in hits:
        age = latest - int(hit.at // BAR_SECONDS)
        if 0 <= age < TIMELINE_BARS and hit.vendor != "stripe":
            bars[-1 - age] += 1
    return bars


def _told(request: Request) -> tuple[tuple[str, str], ...]:
    """Return what a vendor learns from a hit: the page, the visitor's id and the event."""
    page = request.args.get("dl") or request.args.get("url") or request.referrer or ""
    found = {
        "page": urlsplit(page).path if page else "",
        "visitor": request.args.get("cid") or request.args.get("fbp") or "",
        "event": request.args.get("en") or request.args.get("ev") or "",
    }
    return tuple((name, value[:80]) for name, value in found.items() if value)


def _identifier(text: str) -> str:
    """Return ``text`` if it is a plain id, which is safe inside a script, and otherwise an empty string."""
    return text if text and len(text) < 40 and all(c.isascii() and (c.isalnum() or c in "-_") for c in text) else ""
