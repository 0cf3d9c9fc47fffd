"""
Check that two checkouts of consent_mw send the same bytes.

    python -m tools.page_bytes write OUT.json PAGES...   (with the checkout of interest first on PYTHONPATH)
    python -m tools.page_bytes compare OLD.json NEW.json

PAGES are folders: every ``*.html`` below is a page, and every ``traps.json`` holds some (its ``cases`` have ``html`` or
``html_base64``). Each page is sent whole and in pieces of seven bytes, to a visitor who has not answered, to one who
refused and to one who accepted. For each response a hash of status, headers and body is written. Our own scripts are
left out of the body: they are minified, and another minifier may write them otherwise. So is the key of the response,
which depends on the receipt of who accepted (it is looked for without the zeros of UTF-16). ``compare``
names every response that differs; its exit status is then 1.

Only public names are used, so that any version of the package can be tested.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

SERVICES = [{"use": name} for name in ("google-analytics", "google-tag-manager", "meta-pixel", "youtube")]
ANSWERS = {"undecided": "", "refused": "reject-all", "accepted": "accept-all"}
PIECE = 7
#: Script elements with our own scripts, which have one of our attributes.
_SCRIPT = re.compile(rb"<script\b[^>]*\bdata-cmw[^>]*>.*?</script>", re.S)

_KEY = re.compile(rb"(\bcmw-key=[\"']?)[0-9a-f]{16}")


def pages(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every page in a folder with its name."""
    for path in sorted(folder.rglob("*.html")):
        yield str(path.relative_to(folder)), path.read_bytes()
    for path in sorted(folder.rglob("traps.json")):
        for number, case in enumerate(json.loads(path.read_text(encoding="utf-8"))["cases"]):
            body = (
                base64.b64decode(case["html_base64"]) if "html_base64" in case else str(case.get("html", "")).encode()
            )
            yield f"{path.relative_to(folder)}#{case.get('name', number)}", body


class Client:
    """Sends requests to a wrapped application, and keeps its cookies."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[str, list[tuple[str, str]], bytes]:
        """Send a request as a browser does."""
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "shop.example",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "shop.example",
            "HTTP_ACCEPT": "text/html",
            "HTTP_SEC_FETCH_DEST": "document",
            "HTTP_SEC_FETCH_MODE": "navigate",
            "HTTP_SEC_FETCH_SITE": "same-origin",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        answer: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> object:
            answer[:] = [(status, headers)]
            return lambda data: None

        result = self._app(environ, start_response)  # type: ignore[arg-type]
        sent = b"".join(result)
        if close := getattr(result, "close", None):
            close()
        for name, value in answer[0][1]:
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self._cookies[key] = rest.partition(";")[0]
        return *answer[0], sent


def write(out: Path, folders: Iterable[Path]) -> None:
    """Write the hashes of all pages in all states."""
    from consent_mw import ConsentMiddleware

    os.environ["CONSENT_KEYS"] = "only-used-to-compare-two-checkouts-with-each-other"
    current: list[bytes] = [b""]

    def site(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        page = current[0]
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        if environ["PATH_INFO"] == "/cut":
            return [page[at : at + PIECE] for at in range(0, len(page), PIECE)]
        return [page]

    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as work:
        settings = {"records": f"sqlite:///{work}/consent.db", "isp": "off"}
        app = ConsentMiddleware(site, {"site": settings, "services": SERVICES})
        for state, action in ANSWERS.items():
            client = Client(app)
            if action:
                client.ask("POST", "/_cmw/choice", urlencode({"action": action}).encode())
            for name, page in (pair for folder in folders for pair in pages(folder)):
                current[0] = page
                for path in ("/whole", "/cut"):
                    status, headers, body = client.ask("GET", path)
                    body = _KEY.sub(rb"\1", _SCRIPT.sub(b"", body).replace(b"\0", b""))
                    kept = sorted(pair for pair in headers if pair[0].lower() not in {"etag", "content-length"})
                    whole = repr((status, kept)).encode() + body
                    found[f"{name} {state} {path[1:]}"] = hashlib.sha256(whole).hexdigest()
        app.close()
    out.write_text(json.dumps(found, indent=0), encoding="utf-8")
    print(f"{len(found)} responses")


def compare(old: Path, new: Path) -> int:
    """Print the responses that differ, and return the exit status."""
    before, after = (json.loads(path.read_text(encoding="utf-8")) for path in (old, new))
    differ = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    for name in sorted(differ):
        print(name)
    print(f"{len(before)} and {len(after)} responses, {len(differ)} differ")
    return 1 if differ else 0


def main(arguments: list[str]) -> int:
    """Run the command."""
    match arguments:
        case ["write", out, *folders] if folders:
            write(Path(out), [Path(folder) for folder in folders])
            return 0
        case ["compare", old, new]:
            return compare(Path(old), Path(new))
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
