"""
The cost of one page view inside a worker: the WSGI middleware is called directly, without a server.

*Seen* is a page that this process has sent before, byte for byte. *Unseen* is another page of the same site: its head,
its scripts and its trackers are known; its text, links, pictures and buttons are new. Times are processor times for a
page of 50 KB. The application returns prepared bytes, so nearly all of the time is spent in our layer.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from benchmarks.pages import make_page
from consent_mw import ConsentMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

SIZE = 50_000
_HTML = "text/html; charset=utf-8"
VISITORS = {"undecided": "", "refused": "reject-all", "accepted": "accept-all"}
#: Goals in microseconds: a seen and an unseen page, with the scanner in C and without it.
GOALS = {("c", "seen"): 150.0, ("c", "unseen"): 400.0, ("pure", "seen"): 700.0, ("pure", "unseen"): 700.0}
_NAMES = {"c": "scanner in C", "pure": "pure Python"}
#: Pages from which the site learns its services before the measurements.
_LESSONS = 12
_HEADERS = {
    "HTTP_HOST": "localhost",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_LANGUAGE": "en",
    "HTTP_SEC_FETCH_DEST": "document",
    "HTTP_SEC_FETCH_MODE": "navigate",
    "HTTP_SEC_FETCH_SITE": "none",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Median processor times for a page, in microseconds."""

    scanner: str
    visitor: str
    seen: float
    unseen: float


class WrappedSite:
    """One wrapped site, whose response body can be set."""

    def __init__(self, folder: Path) -> None:
        config = {"site": {"records": f"sqlite:///{folder / 'bench.db'}", "isp": "off"}}
        self.answer = b""
        with patch.dict(os.environ, CONSENT_KEYS=secrets.token_urlsafe(32)):
            self.wrapped = ConsentMiddleware(self._app, config)

    def _app(self, _: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", _HTML), ("Content-Length", str(len(self.answer)))])
        return [self.answer]

    def call(self, cookie: str = "", path: str = "/list", body: bytes | None = None) -> tuple[bytes, list[str]]:
        """Send a request through the middleware; return the body and the cookies that it sets."""
        cookies: list[str] = []

        def start(_: str, headers: list[tuple[str, str]], error: object = None) -> Callable[[bytes], object]:
            cookies.extend(value for name, value in headers if name == "Set-Cookie")
            return lambda _: None

        answered = self.wrapped(_environ(cookie, path, body), start)
        out = b"".join(answered)
        if hasattr(answered, "close"):
            answered.close()
        return out, cookies

    def page(self, page: bytes, cookie: str, path: str = "/list") -> float:
        """Return the processor time for a page, in seconds."""
        self.answer = page
        begun = time.thread_time()
        out, _ = self.call(cookie, path)
        taken = time.thread_time() - begun
        assert len(out) > len(page) or cookie, "nothing was inserted"
        return taken

    def choose(self, action: str) -> str:
        """Return the cookie of a visitor who has made this choice."""
        if not action:
            return ""
        form = urlencode({"action": action, "back": "/list"}).encode()
        _, cookies = self.call("", "/_cmw/choice", form)
        jar = SimpleCookie()
        for cookie in cookies:
            jar.load(cookie)
        assert jar, f"{action} sets no cookie"
        return "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())


def _environ(cookie: str, path: str, body: bytes | None) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET" if body is None else "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body or b""),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **_HEADERS,
    }
    if cookie:
        environ["HTTP_COOKIE"] = cookie
    if body is not None:
        environ |= {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body))}
        environ["HTTP_ORIGIN"] = "http://localhost"
        environ["HTTP_SEC_FETCH_SITE"] = "same-origin"
    return environ


@contextmanager
def running_site() -> Iterator[WrappedSite]:
    """Run a wrapped site with its own records."""
    with tempfile.TemporaryDirectory() as folder:
        site = WrappedSite(Path(folder))
        try:
            yield site
        finally:
            site.wrapped.engine.close()


def _costs(rounds: int) -> Iterator[dict[str, Any]]:
    """Measure each kind of visitor, in turns."""
    with running_site() as site:
        for seed in range(_LESSONS):
            site.page(make_page(SIZE, seed=seed), "", f"/lesson/{seed}")
        seen = make_page(SIZE)
        unseen = [make_page(SIZE, seed=1000 + number) for number in range(rounds)]
        cookies = {visitor: site.choose(action) for visitor, action in VISITORS.items()}
        times: dict[tuple[str, str], list[float]] = {}
        for cookie in cookies.values():
            for _ in range(4):
                site.page(seen, cookie)
        for number, page in enumerate(unseen):
            for visitor, cookie in cookies.items():
                times.setdefault((visitor, "seen"), []).append(site.page(seen, cookie))
                times.setdefault((visitor, "unseen"), []).append(site.page(page, cookie, f"/unseen/{number}"))
        for visitor in VISITORS:
            both = {kind: median(times[visitor, kind]) * 1e6 for kind in ("seen", "unseen")}
            yield {"visitor": visitor, **both}


def measure(rounds: int) -> list[Cost]:
    """Measure a process with the scanner in C, if it is built, and one without it."""
    found = []
    for scanner, pure in (("c", "0"), ("pure", "1")):
        environment = {**os.environ, "CONSENT_MW_PURE": pure}
        command = [sys.executable, "-m", "benchmarks.in_process", str(rounds)]
        said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=600).stdout
        result = json.loads(said)
        if scanner == "c" and not result["c"]:
            continue
        found += [Cost(scanner, **each) for each in result["costs"]]
    return found


HEAD = ("scanner", "visitor", "seen before, us", "not seen, us")


def rows(found: Sequence[Cost]) -> list[tuple[str, ...]]:
    """Return the rows of the table, with the columns of :data:`HEAD`."""
    return [(_NAMES[each.scanner], each.visitor, f"{each.seen:.0f}", f"{each.unseen:.0f}") for each in found]


def goals(found: Sequence[Cost]) -> list[str]:
    """Return a line for each goal, with the time of the slowest visitor's page."""
    lines = []
    for (scanner, kind), goal in GOALS.items():
        times = [each.seen if kind == "seen" else each.unseen for each in found if each.scanner == scanner]
        if times:
            verdict = "reached" if max(times) <= goal else "NOT reached"
            known = "seen before" if kind == "seen" else "of the site, not seen before"
            lines.append(f"{_NAMES[scanner]}, a page {known}: {max(times):.0f} us (goal: {goal:.0f} us, {verdict})")
    return lines


if __name__ == "__main__":
    from consent_mw.html import scan

    print(json.dumps({"c": scan.Scanner is not None, "costs": list(_costs(int(sys.argv[1])))}))
