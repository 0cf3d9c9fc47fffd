"""Performs everything that a visitor can do on a site, as the visitor of :mod:`tests.privacy.canary`."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from tests.faults.load import receipt_of
from tests.faults.load import status_of
from tests.privacy.canary import COOKIES
from tests.privacy.canary import HEADERS
from tests.privacy.canary import PATH
from tests.privacy.canary import PEER
from tests.privacy.canary import QUERY
from tests.privacy.canary import WORDS


class Visitor:
    """A browser that stores the cookie of its choice."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""

    def ask(self, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None) -> bytes:
        """Send a request with all values of the visitor, and return the response."""
        fields = {
            "Host": f"localhost:{self.port}",
            "Connection": "close",
            "Sec-Fetch-Dest": "document",
            "Sec-Fetch-Site": "none",
            **HEADERS,
            "Cookie": "; ".join(filter(None, [COOKIES, self.cookie])),
        }
        if method == "POST":
            fields |= {
                "Origin": f"http://localhost:{self.port}",
                "Sec-Fetch-Site": "same-origin",
                "Content-Type": "application/x-www-form-urlencoded",
                "Content-Length": str(len(body)),
            }
        fields |= headers or {}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        with socket.create_connection(("127.0.0.1", self.port), timeout=60, source_address=(PEER, 0)) as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n"):
            name, _, value = line.partition(b": ")
            if name.lower() == b"set-cookie" and value.startswith(b"cmw="):
                self.cookie = value.partition(b";")[0].decode()
        return answer

    def status(self, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None) -> int:
        """Send a request, and return the status of the response."""
        return status_of(self.ask(method, path, body, headers))

    def choose(self, action: str, *fields: str) -> int:
        """Make a choice."""
        back = f"back={PATH}%3F{QUERY}"
        return self.status("POST", "/_cmw/choice", "&".join([f"action={action}", back, *fields]))


def everything(port: int) -> list[str]:
    """Perform all actions while everything works; return the visitor's receipts."""
    receipts: list[str] = []
    visitor = Visitor(port)
    page = f"{PATH}?{QUERY}"

    def expect(status: int, *request: object) -> None:
        found = visitor.status(*request)  # type: ignore[arg-type]
        assert found == status, f"{request}: {found}"

    def chosen(*action: str) -> None:
        assert visitor.choose(*action) == 303, action
        receipts.extend(filter(None, [receipt_of(f"set-cookie: {visitor.cookie};".encode())]))

    expect(200, "GET", page)
    expect(200, "GET", f"/_cmw/?back={page}&lang=en")
    expect(200, "GET", f"/_cmw/placeholder/youtube?{QUERY}")
    chosen("accept-all")
    for path in (page, "/_cmw/", f"/_cmw/receipt?{QUERY}", "/_cmw/receipt/download", "/_cmw/receipt/notice"):
        expect(200, "GET", path)
    expect(200, "GET", "/_cmw/state", "", {"Accept": "application/json"})
    chosen("save", "purpose=analytics", f"service={WORDS['field']}", f"extra={WORDS['field']}")
    chosen("withdraw")
    chosen("reject-all")
    expect(200, "GET", page)
    expect(200, "GET", f"/_cmw/receipt?{QUERY}")
    chosen("accept-all")
    expect(200, "POST", "/_cmw/receipt/erase", f"back={PATH}&held={WORDS['field']}")
    expect(303, "POST", "/_cmw/counting", f"counted=no&back={PATH}")
    expect(200, "GET", page, "", {"Cookie": "cmw-uncounted=1"})
    chosen("accept-all", f"lang={WORDS['field']}")
    # Errors of the site, and ours.
    expect(500, "GET", f"/broken?{QUERY}")
    expect(404, "GET", f"/_cmw/{WORDS['path']}?{QUERY}")
    expect(404, "GET", f"/_cmw/placeholder/{WORDS['path']}")
    expect(404, "GET", f"/_cmw/assets/{WORDS['path']}")
    expect(405, "GET", f"/_cmw/choice?{QUERY}")
    expect(400, "POST", "/_cmw/choice", f"action={WORDS['field']}&back={page}")
    expect(403, "POST", "/_cmw/choice", "action=accept-all", {"Sec-Fetch-Site": "cross-site", "Origin": "null"})
    expect(415, "POST", "/_cmw/choice", f'{{"a":"{WORDS["field"]}"}}', {"Content-Type": "application/json"})
    expect(413, "POST", "/_cmw/choice", f"action=save&note={WORDS['field'] * 2000}")
    for cookie in (f"cmw=1.{WORDS['forged']}.x", f"cmw={WORDS['forged'] * 300}", f"cmw=a; cmw={WORDS['forged']}"):
        expect(200, "GET", page, "", {"Cookie": cookie})
        expect(200, "GET", "/_cmw/receipt", "", {"Cookie": cookie})
    expect(200, "GET", f"{page}&%00%ff", "", {"Cookie": f"=; ;;{WORDS['forged']};\u00ff=1"})
    wrong = {"Authorization": f"Bearer {WORDS['password']}"}
    tried = [
        visitor.status("GET", "/_cmw/stats", "", wrong),
        visitor.status("GET", f"/_cmw/stats.json?{QUERY}", "", wrong),
        visitor.status("GET", "/_cmw/metrics", "", wrong),
        visitor.status("POST", "/_cmw/stats/login", f"password={WORDS['password']}"),
    ]
    assert tried == [403, 401, 404, 403], tried
    return receipts


def while_down(port: int, *, spooled: bool) -> list[str]:
    """Perform the actions that a visitor may try while the store is down."""
    visitor = Visitor(port)
    assert visitor.status("GET", f"{PATH}?{QUERY}") == 200
    assert visitor.choose("accept-all") == (303 if spooled else 503)
    receipt = receipt_of(f"set-cookie: {visitor.cookie};".encode())
    assert visitor.status("GET", f"/_cmw/receipt?{QUERY}") == 200
    assert visitor.status("GET", "/_cmw/receipt/download") in (200, 404, 503)
    assert visitor.choose("withdraw") == 303
    assert visitor.choose("reject-all") == 303
    assert visitor.status("POST", "/_cmw/receipt/erase", f"back={PATH}") in (200, 303, 503)
    return [receipt] if receipt else []
