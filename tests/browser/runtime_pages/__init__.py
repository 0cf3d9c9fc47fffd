"""
Hand-written pages for the runtime, each served held and bare, by a small server of its own.

A page marks what the rewriter would insert as ``{+ ... +}``: without the
marks it is the held page, without them and what they hold the bare one. Below a
line ``--- name.js 100`` follows a file that the page asks for, and after how
many milliseconds it is answered; with ``--- name.js @other`` it is answered once
the page has asked for ``other``, so that no order depends on the machine's speed.
``{{banner}}`` stands for the notice.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from consent_mw.notice.assets import Assets

REPOSITORY = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent

#: The services of these pages by the purpose that grants them.
PURPOSES = {"analytics": "t", "marketing": "u"}

_INSERTED = re.compile(r"\{\+(.*?)\+\}", re.DOTALL)
_FILE = re.compile(r"^--- (\S+) (@?\w+)\n", re.MULTILINE)
_TYPES = {"js": "text/javascript", "css": "text/css", "gif": "image/gif", "html": "text/html", "svg": "image/svg+xml"}
_GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_SECONDS_PER_MILLISECOND = 0.001
#: Seconds after which a file that waits for a request comes anyway.
_PATIENCE = 60

BANNER = """<style data-cmw-style="">[data-cmw-banner]:not([hidden]) ~ [data-cmw-reopen] { display: none }</style>
<section data-cmw-banner="" role="dialog" aria-modal="false" aria-label="Choice"><form method="post"
action="/_cmw/choice"><input type="hidden" name="back" value="/"/>
<label><input type="checkbox" name="purpose" value="analytics"/>analytics</label>
<label><input type="checkbox" name="purpose" value="marketing"/>marketing</label>
<button name="action" value="save" data-cmw-action="save">Save</button>
<button name="action" value="reject-all" data-cmw-action="reject-all">Reject</button>
<button name="action" value="accept-all" data-cmw-action="accept-all">Accept</button></form></section>
<section data-cmw-reopen=""><a href="/_cmw/?back=/" data-cmw-action="open">Choices</a></section>"""


def _served(name: str) -> bytes:
    """Return a script as browsers get it."""
    return Assets().read(name)


@dataclass(frozen=True)
class Source:
    """One page file: its markup with the marks, and the files that it asks for."""

    markup: str
    files: dict[str, tuple[str, bytes]]
    #: The names asked for since the page itself was.
    seen: dict[str, threading.Event] = field(default_factory=lambda: defaultdict(threading.Event))

    def held(self) -> str:
        """Return the page as the rewriter would send it."""
        return _INSERTED.sub(r"\1", self.markup)

    def bare(self) -> str:
        """Return the page as the site wrote it."""
        return _INSERTED.sub("", self.markup)


def source(text: str) -> Source:
    """Read a page file."""
    markup, *rest = _FILE.split(text)
    files = {name: (when, body.encode()) for name, when, body in zip(rest[::3], rest[1::3], rest[2::3], strict=True)}
    return Source(markup, files)


@dataclass
class Site:
    """A running server: what it may serve, how it behaves, and what it was asked for."""

    address: str = ""
    pages: dict[str, Source] = field(default_factory=dict)
    #: ``in_place`` or ``reload``.
    release: str = "in_place"
    #: Headers of every page.
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/html; charset=utf-8"
    #: Put into the runtime's script tag.
    nonce: str = ""
    inline: bool = True
    #: Whether the second half of the runtime never comes.
    halved: bool = False
    choice_status: int = 200
    #: Set once a choice was sent.
    answered: threading.Event = field(default_factory=threading.Event)
    #: Set at the end, so that no slow answer outlives the test.
    closing: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, list[str]]] = field(default_factory=list)
    #: The modes of the requests with these forms.
    modes: list[str] = field(default_factory=list)

    def add(self, name: str, text: str) -> str:
        """Serve the page file ``text``; return the path that its two forms have in common."""
        self.pages[name] = source(text)
        return f"{self.address}/{name}"

    def add_file(self, name: str) -> str:
        """Serve the page file of that name beside this module."""
        return self.add(name, (HERE / f"{name}.html").read_text())

    def requests(self, prefix: str = "") -> list[str]:
        """Return the paths asked for so far that begin with ``prefix``, sorted."""
        return sorted(path for path in self.asked if path.startswith(prefix))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a page, one of its files or the state."""
        path = urlsplit(self.path).path
        self.site.asked.append(self.path)
        name, _, rest = path.lstrip("/").partition("/")
        page = self.site.pages.get(name)
        if path == "/_cmw/state":
            self._send(200, "application/json", json.dumps(self._choice()).encode())
        elif path.startswith("/_cmw/placeholder/"):
            self._send(200, "text/html", b"<!doctype html><p>placeholder")
        elif path == "/_cmw/release.js" and self.site.halved:
            self.site.closing.wait(_PATIENCE)
        elif path in ("/_cmw/runtime.js", "/_cmw/release.js"):
            self._send(200, "text/javascript", _served(path.rpartition("/")[2]))
        elif path.startswith("/_cmw/"):
            self._send(200, "text/html", b"<!doctype html><title>preferences</title>")
        elif page and rest in ("held", "bare"):
            page.seen.clear()
            text = page.held() if rest == "held" else page.bare()
            text = text.replace("{{banner}}", self._notice(text) if rest == "held" else "")
            self._send(200, self.site.content_type, text.encode(), self.site.headers)
        elif page and rest in page.files:
            when, body = page.files[rest]
            if when.startswith("@"):
                page.seen[when[1:]].wait(_PATIENCE)
            else:
                self.site.closing.wait(int(when) * _SECONDS_PER_MILLISECOND)
            kind = rest.rpartition(".")[2]
            self._send(200, _TYPES[kind], _GIF if kind == "gif" else body)
        else:
            if page:
                page.seen[rest].set()
            self._send(404, "text/plain", b"not here")

    def do_POST(self) -> None:
        """Take a choice."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.site.forms.append(form)
        self.site.asked.append(f"POST {self.path}")
        self.site.modes.append(self.headers["Sec-Fetch-Mode"])
        self.site.answered.set()
        if self.site.choice_status != 200:
            self._send(self.site.choice_status, "text/html", b"<!doctype html><title>try again</title>")
            return
        action = form["action"][0]
        purposes = list(PURPOSES) if action == "accept-all" else form.get("purpose", []) if action == "save" else []
        answer = {
            "state": "accept" if len(purposes) == len(PURPOSES) else "partial" if purposes else "reject",
            "granted": [PURPOSES[purpose] for purpose in purposes],
            "purposes": ["necessary", *purposes],
            "saved": "Your choice is saved.",
        }
        cookie = {"Set-Cookie": f"choice={'-'.join(purposes) or 'none'}; Path=/"}
        if "application/json" in self.headers.get("Accept", ""):
            self._send(200, "application/json", json.dumps(answer).encode(), cookie)
        else:
            self._send(303, "text/plain", b"", {**cookie, "Location": "/_cmw/"})

    def _choice(self) -> dict[str, object]:
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("choice")
        saved = {"saved": "Your choice is saved."}
        if cookie is None:
            return {"state": "none", "granted": [], "purposes": ["necessary"], **saved}
        purposes = [purpose for purpose in PURPOSES if purpose in cookie.value]
        state = "accept" if len(purposes) == len(PURPOSES) else "partial" if purposes else "reject"
        granted = [PURPOSES[purpose] for purpose in purposes]
        return {"state": state, "granted": granted, "purposes": ["necessary", *purposes], **saved}

    def _notice(self, text: str) -> str:
        choice = self._choice()
        # As the server writes it where a base element leads relative addresses to another host.
        root = f"//{self.headers['Host']}/_cmw" if "<base " in text else "/_cmw"
        nonce = f' nonce="{self.site.nonce}"' if self.site.nonce else ""
        granted = choice["granted"]
        purposes = choice["purposes"]
        assert isinstance(granted, list)
        assert isinstance(purposes, list)
        settings = (
            f'data-cmw-root="{root}" data-cmw-more="release.js" '
            f'data-cmw-release="{self.site.release}" data-cmw-state="{choice["state"]}" '
            f'data-cmw-granted="{",".join([*granted, *purposes])}" '
            f"{nonce}"
        )
        if self.site.inline:
            return f"{BANNER}<script {settings}>{_served('runtime.js').decode()}</script>"
        return f'{BANNER}<script {settings} defer="" src="/_cmw/runtime.js"></script>'

    def _send(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)


@contextlib.contextmanager
def serve() -> Iterator[Site]:
    """Serve a fresh site on a free port of the loopback until the context ends."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
